"""Every claim of speed: ours, other libraries and what bounds them, side by side.

python -m benchmarks [--quick] [-k PATTERN] [--out DIR] [--ours] [--list]

A row is a question with several contenders, who take turns in rounds; processor time counts, on one
thread. :mod:`benchmarks.harness` says what a row is, :mod:`benchmarks.rows` lists them.
"""

import os

# Before anything imports NumPy: one thread each, whatever the library.
for _name in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM"):
    os.environ.setdefault(f"{_name}_NUM_THREADS", "1")
os.environ.setdefault("JAX_ENABLE_X64", "true")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
