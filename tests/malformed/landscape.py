"""The landscape: arguments of every function."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from dlngeo import adjacency, critical_points
from malformed.arrays import family, indices, layers, matrix, vector, widths
from malformed.geometry import Call, motion, network
from malformed.kinds import (
    HUGE,
    Argument,
    choice,
    depth,
    energy,
    flag,
    foreign,
    integer,
    number,
    rng,
    size,
)

DIMS = (2, 2, 2)
LAYERS = (np.array([[2.0, 0.3], [0.1, 1.0]]), np.array([[1.0, 0.2], [0.0, 1.0]]))
A = adjacency.from_weights(LAYERS)
TARGET = np.diag([3.0, 1.0])
SIGMA = [3.0, 1.0]


def _network_matrix() -> Argument:
    return matrix(A)


def _skips() -> Argument:
    bad: dict[str, Any] = {
        "number": 3,
        "a number in it": (1,),
        "text in it": ("ab",),
        "halves": ((0.5, 2),),
        "negative": ((-1, 2),),
        "backwards": ((2, 0),),
        "too far": ((0, 9),),
        "texts": (("0", "2"),),
        "three": ((0, 1, 2),),
        "huge": ((0, HUGE),),
        "bools": ((False, True),),
        "twice": ((0, 2), (0, 2)),
    }
    return Argument(((0, 2),), foreign() | bad)


def _adjacency() -> dict[str, Call]:
    state: Call = {"A": _network_matrix(), "widths": widths(DIMS)}
    driven: Call = state | {"energy": energy()}
    decay: Call = {"weight_decay": number(0.1, zero=True)}
    tol: Call = {"tol": number(1e-10, zero=True)}
    free = matrix(A, free=True, square=True)
    wide = adjacency.with_skips(LAYERS, ((0, 2),))
    found: dict[str, Call] = {
        "adjacency.blk": {
            "k": integer(1, 0),
            "blocks": family(LAYERS),
            "widths": widths(DIMS),
        },
        "adjacency.blocks": state | {"k": integer(1, 0)},
        "adjacency.from_weights": {"weights": layers(LAYERS)},
        "adjacency.mixed_product": {
            "F": free,
            "G": matrix(A),
            "exponents": indices([1, 1], 10**6, without=["too large in it", "matrix"]),
        },
        "adjacency.nilpotency_index": {"A": free},
        "adjacency.powers": {"A": free, "highest": integer(2, 0)},
        "adjacency.rho": {
            "A": free,
            "V": matrix(A),
            "order": integer(1, 0),
            "depth": depth(2, integral=True),
        },
        "adjacency.NormConstants.lower": {"x": vector([1.0], scalar=True, empty=True)},
        "adjacency.norm_bound": state | {"target": matrix(TARGET)},
        "adjacency.are_equivalent": {
            "A1": _network_matrix(),
            "A2": _network_matrix(),
            "widths": widths(DIMS),
        }
        | tol,
        "adjacency.change_basis": state | {"bases": family((np.eye(2),))},
        "adjacency.is_annihilated": state | {"Z": matrix(A)} | tol,
        "adjacency.numerical_radius": {"A": free},
        "adjacency.commutator": {"A": free},
        "adjacency.skip_mask": {"widths": widths(DIMS, fixed=False), "skips": _skips()},
        "adjacency.skip_widths": {"widths": widths(DIMS, fixed=False), "skips": _skips()},
        "adjacency.with_skips": {"weights": layers(LAYERS), "skips": _skips()},
        "adjacency.without_skips": {
            "extended": family(wide, without=["[0]: more columns"]),
            "widths": widths(DIMS),
        },
        "adjacency.loss": driven | decay,
        "adjacency.norm_velocity": driven | decay,
        "adjacency.loss_velocity": driven | decay,
        "adjacency.commutator_velocity": driven,
        "adjacency.gradient": driven | decay | {"mask": matrix(A != 0, none=True)},
        "adjacency.hidden_projection": {"widths": widths(DIMS, fixed=False)},
        "adjacency.least_loss": {"target": matrix(TARGET), "widths": widths(DIMS)},
    }
    for name in ("block_svd", "misalignment", "standard_svd", "to_weights", "norm_constants"):
        found[f"adjacency.{name}"] = state
    found["adjacency.conserved"] = state
    return found


def _critical_points() -> dict[str, Call]:
    sigma = vector(SIGMA, zero=False, one=True)
    fitted = vector(SIGMA, zero=False, one=True, length=True)
    saddle = critical_points.sample(SIGMA, DIMS, (1,), rng=0)
    kept = indices([1], 2)
    known = critical_points.parametrise(saddle, SIGMA)
    ends: Call = {"sigma": sigma, "start": indices([0], 2), "end": kept}
    alpha = vector([0.25, 0.5], scalar=True, empty=True)
    at: Call = {"weights": layers(saddle), "sigma": fitted, "tol": number(1e-9)}
    dims = widths(DIMS, fixed=False)

    def lengths(count: int, *, none: bool = False) -> Argument:
        return widths((2,) * count, none=none, without=["another input"])

    return {
        "critical_points.assemble": {
            "sigma": sigma,
            "widths": dims,
            "signature": kept,
            "P": family(known.P, none=True),
            "Z": family(known.Z, none=True, without=["[0]: no rows", "[0]: no columns"]),
        },
        "critical_points.sample": {
            "sigma": sigma,
            "widths": dims,
            "signature": kept,
            "rng": rng(),
            "tightened": flag(None, none=True),
            "size": size(),
        },
        "critical_points.parametrise": at,
        "critical_points.classify": at,
        "critical_points.negative_direction": at,
        "critical_points.arc": ends | {"alpha": alpha, "depth": depth(3, integral=True)},
        "critical_points.arc_minimum": ends,
        "critical_points.arc_weights": ends | {"alpha": alpha, "widths": lengths(4)},
        "critical_points.critical_value": {"sigma": sigma, "signature": kept},
        "critical_points.graph": {"sigma": sigma, "widths": lengths(3, none=True)},
        "critical_points.signatures": {"count": integer(2), "largest": integer(1, 0, none=True)},
    }


def _curvature() -> dict[str, Call]:
    at: Call = {"energy": energy(), "weights": network(driven=True)}
    infimum = number(0.0, zero=True, negative=True)
    layer = integer(1, none=True)
    own = layers((np.array([[2.0, 0.3], [0.1, 1.0]]), np.array([[1.0, 0.2], [0.0, 1.0]])))
    return {
        "hessian.form": at | {"V": motion()},
        "hessian.apply": at | {"V": motion()},
        "hessian.dense": at,
        "hessian.extreme_eigenvalues": at | {"method": choice("auto"), "tol": number(1e-6)},
        "hessian.nullity": at | {"tol": number(1e-10, zero=True)},
        "hessian.sharpness": at,
        "hessian.sharpness_at_minimum": {"weights": network()},
        "rates.measured": at | {"infimum": infimum},
        "rates.rates": at | {"infimum": infimum},
        "rates.layer_bound": {"weights": network()},
        "rates.imbalance_bound": {"weights": own, "layer": layer},
        "rates.definite_imbalance_bound": {
            "weights": own,
            "layer": layer,
            "tol": number(1e-12, zero=True),
        },
    }


@cache
def instances() -> dict[str, Any]:
    """An object whose methods are called."""
    return {"adjacency.NormConstants": adjacency.norm_constants(A, DIMS)}


def entries() -> dict[str, Call]:
    return _adjacency() | _critical_points() | _curvature()
