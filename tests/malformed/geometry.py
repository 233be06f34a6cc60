"""Energies, weights, observables and the geometry: arguments of every function."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

import numpy as np

from dlngeo import balanced, energies
from malformed.arrays import family, indices, layers, matrix, vector, widths
from malformed.kinds import (
    Argument,
    choice,
    depth,
    energy,
    flag,
    foreign,
    function,
    given,
    integer,
    number,
    rank,
    rng,
    shape,
    size,
    table,
)

Call = dict[str, Argument]

W = np.array([[2.0, 0.3], [0.1, 1.0]])
Z = np.array([[0.1, -0.2], [0.4, 0.3]])
DIMS = (2, 3, 2)
NETWORK = balanced.lift(W, 2, widths=DIMS)
MOTION = tuple(0.1 * np.ones_like(layer) for layer in NETWORK)
SQUARE = balanced.lift(W, 2)
WHERE: Call = {"depth": depth(2, infinite=True), "rank": rank(2), "widths": widths(DIMS, none=True)}


def network(*, driven: bool = False) -> Argument:
    return layers(NETWORK, driven=driven)


def motion() -> Argument:
    return family(MOTION)


def _half_square(A: Any, B: Any, W: Any, slope: Any, value: Any) -> None:
    slope[:] = W
    value[:] = 0.5 * (W * W).sum(axis=0).sum(axis=0)


def _energies() -> dict[str, Call]:
    rows, signs = np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 3.0]]), np.array([[1.0, -1.0, 1.0]] * 2)
    at: Call = {"W": matrix(W)}
    pair: Call = {"W": matrix(W), "Z": matrix(Z)}
    mask = np.array([[True, False], [True, True]])
    numbers = vector([1.0, 2.0], negative=True, length=True)
    signs_alone = vector([1.0, -1.0], negative=True, length=True)
    few: Call = {
        "rows": indices([0, 1], 2, without=["bool in it"]),
        "cols": indices([0, 1], 2, without=["bool in it"]),
        "shape": shape((2, 2)),
    }
    found: dict[str, Call] = {
        "energies.check": {
            "energy": energy(without=["of 5 x 5"]),
            "W": matrix(W),
            "tol": number(1e-5),
        },
        "energies.Quadratic": {"target": matrix(W, free=True, one=True)},
        "energies.LinearRegression": {
            "X": matrix(rows, free=True, square=True, one=True),
            "Y": matrix(rows, free=True, square=True, one=True),
        },
        "energies.Logistic": {
            "X": matrix(rows, free=True, square=True, one=True),
            "Y": matrix(signs, free=True, square=True, one=True),
        },
        "energies.MatrixCompletion": {
            "observed": matrix(W, one=True, without=["masked"]),
            "mask": matrix(mask, one=True),
        },
        "energies.MatrixCompletion.from_nan": {
            "table": matrix(W, free=True, one=True, without=["nan in it", "masked"])
        },
        "energies.MatrixCompletion.from_triplets": {
            "i": indices([0, 1], 2, without=["bool in it"]),
            "j": indices([0, 1], 2, without=["bool in it"]),
            "values": numbers,
            "shape": shape((2, 2)),
        },
        "energies.MatrixSensing": {
            "measurements": matrix([W, Z], free=True, without=["no rows"]),
            "values": numbers,
        },
        "energies.SparseCompletion": few | {"values": numbers},
        "energies.SparseHuber": few | {"values": numbers, "threshold": number(1.0)},
        "energies.SparseLogistic": few | {"values": signs_alone},
        "energies.WeightMaps.whiten": {"weights": layers(SQUARE, driven=True)},
        "energies.WeightMaps.unwhiten": {"weights": layers(SQUARE, driven=True)},
    }
    if importlib.util.find_spec("numba"):
        found["energies.compile_energy"] = {
            "function": given(_half_square, foreign()),
            "A": matrix(W, free=True, one=True),
            "B": matrix(W, free=True, one=True),
            "offset": number(0.0, zero=True, negative=True),
        }
    for name, one in instances().items():
        if hasattr(one, "from_config"):
            found[f"{name}.from_config"] = {
                "energy": table(one.to_config()),
                "shape": shape(one.shape, none=True),
            }
    found["energies.from_config"] = found["energies.Quadratic.from_config"]
    for name in (one.removeprefix("energies.") for one in instances() if "Maps" not in one):
        for method in ("value", "gradient"):
            found[f"energies.{name}.{method}"] = at
        found[f"energies.{name}.hessian"] = pair
    return found


@cache
def instances() -> dict[str, Any]:
    """An object whose methods are called."""
    rows, signs = np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 3.0]]), np.array([[1.0, -1.0, 1.0]] * 2)
    regression = energies.LinearRegression(rows, rows)
    return {
        "energies.Quadratic": energies.Quadratic(W),
        "energies.LinearRegression": regression,
        "energies.Logistic": energies.Logistic(rows, signs),
        "energies.MatrixCompletion": energies.MatrixCompletion(W, np.eye(2, dtype=bool)),
        "energies.MatrixSensing": energies.MatrixSensing([W], [1.0]),
        "energies.SparseCompletion": energies.SparseCompletion([0, 1], [0, 1], [1.0, 2.0], (2, 2)),
        "energies.SparseHuber": energies.SparseHuber([0, 1], [0, 1], [1.0, 2.0], (2, 2)),
        "energies.SparseLogistic": energies.SparseLogistic([0, 1], [0, 1], [1, -1], (2, 2)),
        "energies.WeightMaps": regression.whiten().maps,
    }


def _weights() -> dict[str, Call]:
    drawn: Call = {
        "widths": widths(DIMS, fixed=False),
        "scale": number(1.0),
        "rng": rng(),
        "size": size(),
    }
    sigma: Call = {"sigma": vector([2.0, 1.0])}
    found: dict[str, Call] = {
        "weights.gradient": {"energy": energy(), "weights": network(driven=True)},
        "weights.end_to_end_velocity": {"energy": energy(), "weights": network(driven=True)},
        "weights.from_vector": {
            "vector": vector(np.ones(12), negative=True, length=True),
            "widths": widths(DIMS),
        },
        "weights.is_delta_balanced": {"weights": network(), "delta": number(1.0, zero=True)},
        "observables.singular_values": {"W": matrix(W, free=True)},
        "observables.nuclear_norm": sigma,
        "observables.schatten_norm": sigma | {"p": number(1.0, infinite=True)},
        "observables.effective_rank": sigma
        | {"kind": choice("threshold"), "threshold": number(0.1, zero=True)},
        "observables.plateaus": {
            "t": vector([0.0, 0.5, 2.0], negative=True, length=True, one=True),
            "values": vector([1.0, 1.5, 2.0], negative=True, length=True, one=True),
            "height": number(0.5),
            "length": number(0.05),
        },
    }
    for name in ("random", "random_balanced", "random_decoupled"):
        found[f"weights.{name}"] = drawn
    for name in ("widths", "end_to_end", "to_vector", "imbalance", "norm"):
        found[f"weights.{name}"] = {"weights": network()}
    for name in ("is_balanced", "is_diagonal", "is_aligned", "is_decoupled"):
        found[f"weights.{name}"] = {"weights": network(), "tol": number(1e-10, zero=True)}
    return found


def _metric() -> dict[str, Call]:
    point, tangent = matrix(W, free=True), matrix(Z)
    ends: Call = {
        "W0": matrix(W, free=True),
        "W1": matrix(W + 0.1 * Z),
        "depth": depth(2, infinite=True),
        "rank": rank(2),
    }
    along: Call = {
        "W": point,
        "Z": tangent,
        "depth": depth(2, infinite=True),
        "rank": rank(2),
    }
    found: dict[str, Call] = {
        "metric.spectrum": {"sigma": vector([2.0, 1.0]), "depth": depth(2, infinite=True)},
        "metric.inner": {"W": point, "Z1": tangent, "Z2": tangent} | WHERE,
        "metric.gradient": {"energy": energy(), "W": matrix(W)} | WHERE,
        "metric.log_volume_density": {"W": point} | WHERE,
        "metric.ito_drift": {"W": point} | WHERE,
        "metric.exp": along,
        "metric.geodesic": along | {"times": vector([0.0, 0.5], negative=True, scalar=True)},
    }
    for name in ("apply", "sqrt", "solve"):
        found[f"metric.{name}"] = {"W": point, "Z": tangent} | WHERE
    for name in ("connect", "distance", "log"):
        found[f"metric.{name}"] = ends
    return found


def _balanced() -> dict[str, Call]:
    frames, lam = balanced.to_svd(NETWORK)
    still = tuple(np.zeros((d, d)) for d in DIMS)
    none = (np.zeros((3, 3)),)
    chart: Call = {"Q": family(frames, count=False), "lam": vector(lam, length=True)}
    fixed: Call = {"weights": network(), "rank": rank(2)}
    moved: Call = fixed | {"V": motion()}
    W_1, upper, _ = balanced.to_right_polar(NETWORK)
    W_N, lower, _ = balanced.to_left_polar(NETWORK)
    imbalance = family(none, none=True)
    found: dict[str, Call] = {
        "balanced.from_svd": chart,
        "balanced.chart_differential": chart
        | {"A": family(still), "theta": vector(lam, negative=True, length=True)},
        "balanced.from_right_polar": {
            "W_1": matrix(W_1, free=True),
            "Q": family(upper, without=["empty", "one too few", "one too many"]),
            "G": imbalance,
        },
        "balanced.from_left_polar": {
            "W_N": matrix(W_N, free=True),
            "U": family(lower, without=["empty", "one too few", "one too many"]),
            "G": imbalance,
        },
        "balanced.to_left_polar": {"weights": network()},
        "balanced.to_right_polar": {"weights": network()},
        "balanced.to_svd": fixed | {"tol": number(1e-8)},
        "balanced.second_fundamental_form": fixed | {"V1": motion(), "V2": motion()},
        "balanced.pullback_metric": {"lam": vector(lam), "depth": depth(2, integral=True)},
        "balanced.residual": {"weights": network(), "G": imbalance},
        "balanced.contains": {
            "weights": network(),
            "G": imbalance,
            "tol": number(1e-10, zero=True),
        },
        "balanced.dimension": {"widths": widths(DIMS, fixed=False), "rank": rank(2, none=False)},
        "balanced.orbit_dimension": {
            "widths": widths(DIMS, fixed=False),
            "rank": rank(2, none=False),
        },
        "balanced.simons_coordinates": {"weights": layers(SQUARE)},
        "balanced.simons_cone": {"x": vector(np.ones(8), negative=True, length=True)},
        "balanced.lift": {
            "W": matrix(W, free=True),
            "depth": depth(2, integral=True),
            "rng": rng(),
            "rank": rank(2),
            "widths": widths(DIMS, none=True),
        },
        "balanced.random": {
            "widths": widths(DIMS, fixed=False),
            "sigma": vector([2.0, 1.0], length=True),
            "rng": rng(),
            "size": size(),
        },
        "balanced.act": {"weights": network(), "gauge": family((np.eye(3),))},
        "submersion.differential": {"weights": network(), "V": motion()},
        "submersion.thin_gradients": {"weights": network()},
        "submersion.horizontal_lift": fixed | {"Z": matrix(Z)},
        "submersion.bures_wasserstein": {"A": matrix(np.eye(2)), "B": matrix(np.eye(2))},
        "balanced.project_tangent": moved,
        "balanced.retract": moved,
        "submersion.vertical": moved,
        "submersion.horizontal": moved,
        "balanced.mean_curvature": fixed,
        "balanced.orthonormal_basis": fixed,
    }
    return found


def _entropy() -> dict[str, Call]:
    decay: Call = {"weight_decay": number(0.1, zero=True)}
    free: Call = {"energy": energy(), "W": matrix(W), "beta": number(2.0)} | decay | WHERE
    small: Call = {"energy": energy(), "depth": depth(2), "beta": number(2.0)} | decay
    return {
        "entropy.orthogonal_group_log_volume": {"d": integer(3, 0)},
        "entropy.stiefel_log_volume": {"r": integer(2, 0), "d": integer(3, 0)},
        "entropy.boltzmann": {"W": matrix(W, free=True)} | WHERE,
        "entropy.gradient": {"W": matrix(W, free=True)} | WHERE,
        "entropy.free_energy": free,
        "entropy.free_energy_gradient": free | {"riemannian": flag(True)},
        "entropy.free_energy_hessian": free | {"Z": matrix(Z), "rank": rank(None)},
        "entropy.free_energy_laplacian": small | {"W": matrix(W), "depth": depth(2, infinite=True)},
        "entropy.minimise_free_energy": small
        | {"shape": shape((2, 2), none=True), "starts": integer(2), "rng": rng(0)}
        | {"callback": function(lambda count, W: None, none=True)},
    }


def entries() -> dict[str, Call]:
    return _energies() | _weights() | _metric() | _balanced() | _entropy()
