"""Benchmarks compare within one run: set OPENBLAS_NUM_THREADS=1 and read the ratios."""
