"""Functions of singular values and frames, on which the metric, entropy and noise are built."""
