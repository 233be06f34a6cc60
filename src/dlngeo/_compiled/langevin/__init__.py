"""The Langevin equation on lanes: schemes of :mod:`dlngeo.langevin`, downstairs and upstairs."""
