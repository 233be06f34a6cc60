"""Results say what they are in a line, with shapes in the place of arrays."""

import warnings

import numpy as np
import pytest
from test_malformed import bound, entries

from dlngeo import adjacency, balanced, critical_points, energies, entropy, hessian, metric, rates

RESULTS = (
    "adjacency.block_svd",
    "adjacency.norm_constants",
    "adjacency.standard_svd",
    "balanced.orthonormal_basis",
    "completion.complete",
    "critical_points.arc_minimum",
    "critical_points.classify",
    "critical_points.graph",
    "critical_points.parametrise",
    "entropy.minimise_free_energy",
    "hessian.extreme_eigenvalues",
    "metric.connect",
    "rates.rates",
    "sequential.learning",
    "simulation.on_hyperbola",
    "simulation.run",
    "tables.from_matrix",
    "tables.dataset",
)


@pytest.mark.parametrize("name", RESULTS)
def test_one_line_with_the_name(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = bound(name)(**{key: argument.valid for key, argument in entries()[name].items()})
    text = repr(value)
    assert text.startswith(type(value).__name__ + "(") and len(text) < 200
    assert "\n" not in text and "array(" not in text


def test_what_it_says():
    point = critical_points.sample([2.0, 1.0], (2, 2, 2), (0,), rng=1, size=2)
    found = critical_points.classify(point, [2.0, 1.0])
    assert repr(found) == (
        "Classification(kind=['strict saddle', 'strict saddle'], signature=[(0,), (0,)], "
        "value=[0.5, 0.5])"
    )
    assert repr(adjacency.block_svd(np.zeros((50, 50)), (25, 25))) == (
        "BlockSVD(U=array (50, 50), Lambda=array (50, 50), V=array (50, 50))"
    )
    layers = balanced.from_svd((np.eye(2),) * 3, [2.0, 1.0])
    assert "l=arrays (2, 2, 2), (2, 2, 2)" in repr(balanced.orthonormal_basis(layers))
    energy = energies.Quadratic(np.zeros((2, 2)))
    assert repr(hessian.extreme_eigenvalues(energy, layers)).startswith("Extremes(least=-")
    assert "by_layers=" in repr(rates.rates(energy, layers))
    assert repr(metric.connect(np.eye(2), 2 * np.eye(2), 1)).startswith("Connection(distance=1.41")
    nothing = entropy.minimise_free_energy(
        energies.MatrixCompletion(np.eye(2), [[1, 0], [0, 1]]), depth=2, beta=1.0
    )
    assert repr(nothing) == (
        "Minimisers(family 'none', points (0, 2, 2) of rank none, value -inf, 0 searches)"
    )
