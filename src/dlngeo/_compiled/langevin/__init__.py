"""The Langevin equation downstairs on lanes: the schemes of :mod:`dlngeo.langevin._downstairs`."""
