"""Scalars out where scalars in: of one matrix, or one network, no function makes a 0-d array."""

import dataclasses
import warnings

import numpy as np
import pytest
from test_malformed import bound, entries

from dlngeo import energies, entropy, hessian, metric

ROOMS = ("adjacency", "balanced", "critical_points", "entropy", "hessian", "metric", "rates")
ROOMS += ("submersion", "energies", "weights", "observables", "statistics", "large_width")
ROOMS += ("equilibrium", "nuclear_norm", "dyson", "exact", "simulation", "stability")
NAMES = sorted(name for name in entries() if name.split(".")[0] in ROOMS)


def boxed(value, place=""):
    """Where in a result 0-d arrays stand."""
    if isinstance(value, np.ndarray):
        return [place] if value.ndim == 0 else []
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        inside = value._asdict()
    elif isinstance(value, tuple | list):
        inside = dict(enumerate(value))
    elif dataclasses.is_dataclass(value):
        inside = vars(value)
    else:
        return []
    return [where for key, part in inside.items() for where in boxed(part, f"{place}.{key}")]


@pytest.mark.parametrize("name", NAMES)
def test_no_array_without_dimensions(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = bound(name)(**{key: argument.valid for key, argument in entries()[name].items()})
    assert boxed(value) == []


@pytest.mark.parametrize("depth", [1, 2, 2.5, 20, np.inf])
@pytest.mark.parametrize("W", [np.diag([2.0, 1.0]), np.diag([2.0, 0.0])])
def test_at_every_depth(W, depth):
    Z, energy = np.ones((2, 2)), energies.Quadratic(np.eye(2))
    rank = np.linalg.matrix_rank(W)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", metric.FrozenSpaceWarning)
        values = [
            metric.inner(W, Z, Z, depth, rank=rank),
            metric.log_volume_density(W, depth, rank=rank),
            metric.distance(W, 2 * W, depth, rank=rank),
            entropy.boltzmann(W, depth),
            entropy.free_energy(energy, W, depth, 2.0),
        ]
    assert all(isinstance(value, float) for value in values)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_sharpness_of_one_network_is_a_number(layers):
    assert isinstance(hessian.sharpness_at_minimum((np.diag([2.0, 1.0]),) * layers), float)
