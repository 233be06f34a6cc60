"""Menon, *The geometry of the deep linear network*, statement by statement."""
