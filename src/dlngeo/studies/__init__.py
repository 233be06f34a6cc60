"""Whole computations on data, their figures and tables."""
