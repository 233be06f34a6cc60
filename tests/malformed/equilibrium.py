"""Large widths and equilibrium: arguments of every function."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlngeo import energies
from malformed.arrays import matrix, vector, widths
from malformed.geometry import DIMS, Call, W
from malformed.kinds import depth, energy, function, integer, number, rng, shape


def instances() -> dict[str, Any]:
    """No object of these is called."""
    return {}


def entries() -> dict[str, Call]:
    law: Call = {
        "energy": energy(energies.Quadratic(np.zeros((2, 2)))),
        "depth": depth(2),
        "beta": number(2.0),
        "kappa": number(1.0),
        "weight_decay": number(0.1, zero=True),
    }
    dims: Call = {"widths": widths(DIMS, none=True), "shape": shape((2, 2))}
    chains: Call = {
        "n_paths": integer(2),
        "n_draws": integer(8, 8),
        "warmup": integer(2),
        "thin": integer(1),
        "callback": function(lambda count, sigma: None, none=True),
        "rng": rng(),
    }
    wide: Call = {"depth": depth(2, infinite=True), "kappa": number(2.0)}
    return {
        "equilibrium.limit_density": {
            "x": vector([0.5, 1.0], negative=True, scalar=True, empty=True),
            **wide,
        },
        "equilibrium.limit_edge_scale": wide,
        "equilibrium.limit_moments": wide | {"n": integer(2, 0)},
        "equilibrium.limit_support": wide,
        "equilibrium.mean_square": {
            "d": integer(2),
            "depth": depth(2),
            "beta": number(2.0),
            "kappa": number(1.0),
        },
        "equilibrium.metropolis": law
        | {
            "energy": energy(),
            "start": matrix(W),
            "dt": number(0.01),
            "n_steps": integer(8),
            "n_paths": integer(2),
            "rng": rng(),
            "save_every": integer(1, none=True),
            "callback": function(lambda t, W: None, none=True),
        },
        "equilibrium.is_rotation_invariant": {
            "energy": law["energy"],
            "d": integer(2, without=["two numbers", "an array of two", "set"]),
        },
        "equilibrium.normalisable": law | dims,
        "equilibrium.log_density": law
        | {"sigma": vector([2.0, 1.0]), "widths": widths(DIMS, none=True)},
        "equilibrium.sample_singular_values": law | dims | chains,
        "equilibrium.sample": law | dims | chains,
    }
