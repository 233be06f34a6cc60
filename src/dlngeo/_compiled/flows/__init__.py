"""Gradient flows on lanes: what :mod:`dlngeo._lockstep` does for many members at once."""
