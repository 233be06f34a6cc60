"""Points of a landscape: closed forms of problem 14.1, and differences of F."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import energies, entropy, landscapes

DIAGONAL = energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])


def of_kind(points, kind, rank=None):
    which = [
        k for k, word in enumerate(points.kind) if word == kind and rank in (None, points.rank[k])
    ]
    return points.coordinates[which]


def ordered(x):
    return np.array(sorted(np.round(x, 9).tolist()))


@pytest.mark.parametrize("depth", [3, 2.5])
def test_four_minimisers_of_rank_one_below_the_threshold(depth):
    """A = ±(m ± √(m² - 1)), σ_1^{2/N} = (N-1)/(γNβ), on W_12 W_21 = 1."""
    beta, a = 20.0, 1.8
    sigma = a + 1 / a
    decay = (depth - 1) / (depth * beta * sigma ** (2 / depth))
    assert decay * beta < (depth - 1) / (depth * 2 ** (2 / depth))
    landscape = landscapes.plane(
        DIAGONAL, depth=depth, beta=beta, weight_decay=decay, extent=2.5, n=60
    )
    points = landscape.points
    exact = [[s * x, s / x] for s in (1, -1) for x in (a, 1 / a)]
    assert_allclose(ordered(of_kind(points, "minimiser")), ordered(exact), atol=1e-7)
    assert_allclose(ordered(of_kind(points, "saddle", 1)), [[-1, -1], [1, 1]], atol=1e-7)
    assert_allclose(of_kind(points, "saddle", 2), [[0, 0]], atol=1e-8)
    assert points.distance.max() < 1e-7
    assert points.stationary[: len(exact)].all()
    value = entropy.free_energy(DIAGONAL, points.W[0], depth, beta, decay, rank=1)
    rank_one = entropy.boltzmann(points.W[0], depth, rank=1)
    # S of rank one is another fibre's; its dependence on W is that of S continued to the edge
    continued = (depth - 1) * entropy.orthogonal_group_log_volume(2)
    continued += (1 - 1 / depth) * math.log(sigma)
    assert_allclose(points.value[0], value + (rank_one - continued) / beta, rtol=1e-9)


def test_two_minimisers_off_the_plane_above_the_threshold():
    """M [[1, ±1], [±1, 1]] with m < 1, and on the plane the edge's minimum is at ±1."""
    landscape = landscapes.plane(DIAGONAL, depth=3, beta=20.0, weight_decay=0.03, extent=2.5, n=60)
    points = landscape.points
    minimisers = points.W[[k for k, kind in enumerate(points.kind) if kind == "minimiser"]]
    m = minimisers[0, 0, 0]
    assert len(minimisers) == 2 and 0 < m < 1
    assert_allclose(np.abs(minimisers), m, rtol=1e-6)
    assert (points.distance[:2] > 0.01).all() and points.stationary[:2].all()
    assert_allclose(ordered(of_kind(points, "minimum", 1)), [[-1, -1], [1, 1]], atol=1e-7)
    assert not points.stationary[2:].any()


def test_at_depth_two_the_minimisers_are_a_continuum():
    landscape = landscapes.plane(DIAGONAL, depth=2, beta=20.0, weight_decay=0.03, extent=2.5, n=40)
    points = landscape.points
    x = of_kind(points, "minimiser")
    assert len(x) > 4 and "continuum" in points.message
    assert_allclose(x[:, 0], x[:, 1], atol=1e-6)  # W_12 = W_21 = r, |r| <= m


def test_without_decay_there_is_no_minimiser_and_the_edge_is_a_ridge():
    landscape = landscapes.plane(DIAGONAL, depth=3, beta=20.0, extent=2.5, n=40)
    points = landscape.points
    assert "minimiser" not in points.kind and "unbounded below" in points.message
    # F falls from the edge to both sides, and along it away from ±1, where S is least
    assert_allclose(ordered(of_kind(points, "maximum", 1)), [[-1, -1], [1, 1]], atol=1e-7)


class Quartic(energies.Quadratic):
    """Two wells in W_11 and in W_12."""

    def value(self, W):
        return super().value(W) + 0.5 * (W[..., 0, :] ** 4).sum(-1) - (W[..., 0, :] ** 2).sum(-1)

    def gradient(self, W):
        slope = np.array(super().gradient(W))
        slope[..., 0, :] += 2 * W[..., 0, :] ** 3 - 2 * W[..., 0, :]
        return slope

    def hessian(self, W, Z):
        bend = np.array(super().hessian(W, Z) + 0 * W)
        bend[..., 0, :] += (6 * W[..., 0, :] ** 2 - 2) * Z[..., 0, :]
        return bend


@pytest.mark.parametrize("depth", [1, 2, 3, math.inf])
def test_critical_points_on_a_plane_are_those_of_differences(depth):
    energy = Quartic(np.array([[0.1, 0.05], [0.3, 1.0]]))
    section = landscapes.Section.along(
        [[0.0, 0.0], [0.4, 1.3]], ([[1.0, 0.1], [0.0, 0.2]], [[0.0, 1.0], [0.1, 0.0]])
    )
    landscape = landscapes.plane(energy, depth=depth, beta=8.0, axes=section, extent=1.6, n=60)
    points = landscape.points
    h = 1e-4
    checked = 0
    for k, kind in enumerate(points.kind):
        if kind == "minimiser" or points.rank[k] < 2:
            continue
        steps = np.array([[i, j] for i in (-h, 0, h) for j in (-h, 0, h)])
        at = section.points(points.coordinates[k] + steps)
        F = np.asarray(entropy.free_energy(energy, at, depth, 8.0)).reshape(3, 3)
        slope = np.array([F[2, 1] - F[0, 1], F[1, 2] - F[1, 0]]) / (2 * h)
        assert np.abs(slope).max() < 1e-6
        bend = np.array(
            [[F[2, 1] + F[0, 1] - 2 * F[1, 1], 0], [0, F[1, 2] + F[1, 0] - 2 * F[1, 1]]]
        )
        bend[0, 1] = bend[1, 0] = (F[2, 2] + F[0, 0] - F[0, 2] - F[2, 0]) / 4
        signs = np.sign(np.linalg.eigvalsh(bend / h**2))
        assert kind == {2: "minimum", 0: "saddle", -2: "maximum"}[int(signs.sum())]
        assert_allclose(points.value[k], F[1, 1], rtol=1e-12)
        checked += 1
    assert checked >= 4  # of the nine of two double wells


def test_critical_points_of_a_line():
    """Across det W = 0 at depth 3 with little decay: a ridge there, minima beside it."""
    energy = energies.Quadratic(np.diag([1.0, 0.0]))
    landscape = landscapes.plane(
        energy, depth=3, beta=10.0, axes=((1, 1),), at=np.eye(2), extent=1.0, n=201
    )
    points = landscape.points
    assert_allclose(of_kind(points, "maximum", 1), [[0.0]], atol=1e-12)
    x = of_kind(points, "minimum", 2)
    assert len(x) == 2
    assert_allclose(x[0], -x[1], rtol=1e-8)
    F = [
        float(entropy.free_energy(energy, np.diag([1.0, float(v)]), 3, 10.0))
        for v in (x[1, 0], x[1, 0] * 1.01, x[1, 0] * 0.99)
    ]
    assert F[0] < min(F[1:])


def test_minimiser_on_the_plane_stands_once():
    energy = energies.Quadratic(np.diag([3.0, 1.0]))
    landscape = landscapes.plane(
        energy, depth=2, beta=50.0, axes=((0, 0), (1, 1)), extent=((2, 4), (0.5, 2)), n=40
    )
    points = landscape.points
    assert points.kind == ("minimiser",)
    assert_allclose(points.coordinates[0], [3.002, 1.002], atol=2e-3)
    gradient = entropy.free_energy_gradient(energy, points.W[0], 2, 50.0)
    assert np.abs(gradient).max() < 1e-9


def test_points_are_of_one_landscape_of_full_rank():
    energy = energies.Quadratic(np.eye(2))
    several = landscapes.plane(energy, depth=(2, 3), beta=5.0, extent=1.0, n=8)
    with pytest.raises(ValueError, match="choose one"):
        _ = several.points
    assert several.select(depth=3).points.kind.count("minimiser") >= 1
    low = landscapes.plane(energy, depth=3, beta=5.0, extent=1.0, n=8, rank=1)
    with pytest.raises(ValueError, match="full rank"):
        _ = low.points
    cold = landscapes.plane(energy, depth=3, extent=1.0, n=8).points
    assert "minimiser" not in cold.kind


@pytest.mark.parametrize("depth", [1, 2, 3, math.inf])
def test_grids_that_hold_singular_matrices_and_flat_energies(depth):
    """Nodes on det W = 0, at W = 0, and an F that is constant: no warning, no point made up."""
    decay = 0.0 if math.isinf(depth) else 0.1
    energy = energies.Quadratic(np.diag([2.0, 1.0]))
    plane = landscapes.plane(
        energy, depth=depth, weight_decay=decay, axes=((0, 0), (1, 1)), at=np.zeros((2, 2)),
        extent=3, n=31,
    )  # fmt: skip
    points = plane.points
    assert points.kind.count("minimum") >= 1 and np.isfinite(points.value).all()
    best = points.coordinates[points.value.argmin()]
    assert_allclose(best, [2.0, 1.0], atol=0.5)
    flat = landscapes.plane(DIAGONAL, depth=depth, extent=2, n=21).points
    assert flat.kind == ()


def test_at_depth_one_minimisers_may_have_any_rank():
    target = np.diag([0.0, 0.0, 2.0])
    landscape = landscapes.plane(
        energies.Quadratic(target), depth=1, beta=5.0, at=target, extent=1.0, n=8
    )
    points = landscape.points
    assert points.kind == ("minimiser",) and points.rank.tolist() == [1]
    assert_allclose(points.W[0], target, atol=1e-12)
    assert_allclose(points.value, 0.0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2])
def test_at_depth_two_an_edge_is_one_of_f_itself(count):
    """There σ_d is linear across det W = 0 as all else is: F beside each point says what it is."""
    target, kinds = 0.2 * np.random.default_rng(2).standard_normal((3, 3)), []
    energy, axes = energies.Quadratic(target), ((0, 0), (1, 2))[:count]
    for beta, decay in ((3.0, 0.0), (30.0, 0.1), (8.0, 0.4)):
        landscape = landscapes.plane(
            energy, depth=2, beta=beta, weight_decay=decay, axes=axes, at=target, extent=0.5, n=120
        )
        points, h = landscape.points, 2e-5
        steps = h * np.array([[-1.0], [1]])
        if count == 2:
            turn = np.linspace(0, 2 * np.pi, 721)
            steps = h * np.column_stack([np.cos(turn), np.sin(turn)])
        for k in np.flatnonzero((points.rank == 2) & (np.array(points.kind) != "minimiser")):
            W = landscape.section.points(points.coordinates[k] + steps)
            change = entropy.free_energy(energy, W, 2, beta, decay) - points.value[k]
            least = {"minimum": change.min(), "maximum": -change.max()}
            assert least.get(points.kind[k], 1.0) > -1e-9
            kinds.append(points.kind[k])
    assert kinds
