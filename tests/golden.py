"""Reading the golden values of matrices, for the tests of entropy and free energy."""

import numpy as np


def golden_cases(golden):
    """(name, W, B, rank or None, depth, golden values) of every case and depth."""
    for name, case in golden["cases"].items():
        W, B = (np.array(case[key], dtype=float) for key in ("W", "B"))
        rank = case["rank"] if case["rank"] < len(W) else None
        for depth, values in case["N"].items():
            yield name, W, B, rank, float(depth), values


def tolerance(name, depth):
    """1e-13, but what rounding W moves where σ_2 = 7e-10 is no graded entry (the file's `cond`)."""
    if name != "d2_small_sv_nongraded":
        return 1e-13
    return {2.0: 1e-13, 3.0: 1e-13, 5.0: 1e-11}.get(depth, 5e-9)
