"""Landscapes at depth inf and low rank, in huge and tiny windows, and of energies out of range."""

import itertools
import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.testing import assert_allclose
from test_landscape_quantities import Quartic, brute_hessian

from dlngeo import energies, entropy, landscapes
from dlngeo.landscapes._quantities import Quantities, Sheet


def test_curvature_at_lower_rank_and_depth_inf_is_that_of_the_leaf():
    """There W keeps its column and row space: what moves is M, W = U M Vᵀ, as at full rank."""
    rng = np.random.default_rng(8)
    energy = Quartic(rng.standard_normal((3, 3)))
    M = np.array([[1.5, 0.4], [-0.3, 1.1]])

    def F(small):
        W = np.zeros((*small.shape[:-2], 3, 3))
        W[..., :2, :2] = small
        return entropy.free_energy(energy, W, math.inf, 2.0, rank=2)

    W = np.zeros((1, 3, 3))
    W[0, :2, :2] = M
    brute = np.linalg.eigvalsh(brute_hessian(F, M, math.inf))
    exact = Quantities(Sheet.of(energy, W, 2, True), math.inf, 2.0, 0.0).hessian()[0]
    assert_allclose(np.linalg.eigvalsh(exact), brute, atol=2e-6 * np.abs(brute).max())
    # of rank one along x = W_11, where (log x)″ is the leaf's: x (x E′)′ = 2x² - x
    line = landscapes.plane(
        energies.Quadratic([[1, 0.2], [0, 0.5]]), depth=math.inf, at=np.diag([1.0, 0.0]),
        axes=((0, 0),), extent=(0.5, 3), n=6, rank=1, quantities="curvature",
    )  # fmt: skip
    (x,) = line.coordinates.values()
    assert_allclose(line.values["curvature"], 2 * x**2 - x, rtol=1e-13)


@pytest.mark.parametrize("depth", [1, 3, math.inf])
@pytest.mark.parametrize("scale", [1e154, 1e300, 1e-300])
def test_slopes_whose_squares_leave_the_range_are_found(depth, scale):
    def slope(scale):
        target = np.diag([2.0, 0.5]) * scale
        energy = energies.LinearRegression(scale**0.5 * np.eye(2), scale**-0.5 * target)
        return landscapes.plane(
            energy, depth=depth, axes=((0, 0), (0, 1)), at=np.eye(2), extent=(0.5, 1.5), n=4,
            quantities="slope",
        ).values["slope"]  # fmt: skip

    assert_allclose(slope(scale) / scale, slope(1.0), rtol=1e-13)


class Log(energies.Quadratic):
    """½‖W - B‖² - log|W_11|, infinite on W_11 = 0."""

    def value(self, W):
        with np.errstate(divide="ignore"):
            return np.log(np.abs(W[..., 0, 0]))

    def gradient(self, W):
        slope = np.zeros_like(W)
        with np.errstate(divide="ignore"):
            slope[..., 0, 0] = 1 / W[..., 0, 0]
        return slope


def test_a_search_for_minimisers_that_fails_is_told_of():
    landscape = landscapes.plane(
        Log(np.zeros((2, 2))), depth=3, beta=5.0, at=np.eye(2), extent=2.0, n=8
    )
    points = landscape.points
    assert "minimiser" not in points.kind
    assert points.message.startswith("the search for minimisers failed: ")


@pytest.mark.parametrize("depth", [2, 3, math.inf])
@pytest.mark.parametrize("extent", [1e200, 1e12, 1e-150])
def test_huge_and_tiny_windows_have_their_points(depth, extent):
    """The grid holds W = 0, of rank 0, where curves of rank one cross; nothing overflows."""
    energy = energies.Quadratic(np.zeros((2, 2)))
    landscape = landscapes.plane(energy, depth=depth, beta=5.0, extent=extent, n=9)
    points = landscape.points
    assert "minimiser" in points.kind
    assert np.isfinite(points.coordinates).all() and np.isfinite(points.value).all()


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_whether_a_minimiser_is_on_the_plane_has_no_unit(scale):
    """A minimum close to it on the plane stands beside the minimiser off the plane."""
    target = np.array([[2.0, 0.3], [-0.1, 1.0]]) * scale
    points = landscapes.plane(
        energies.Quadratic(target), depth=3, beta=5 / scale**2, axes=((0, 0), (1, 1)), at=target,
        extent=3 * scale, n=20,
    ).points  # fmt: skip
    assert points.kind == ("minimiser", "minimum", "saddle", "saddle")
    assert_allclose(points.distance[0] / scale, 8.1207e-3, rtol=1e-4)


@pytest.mark.parametrize(
    ("extent", "words"),
    [(1.7e308, "does not"), (((1.0, 1.0 + 1e-15), (0.0, 1.0)), "n = 9 distinct numbers")],
)
def test_windows_that_hold_no_such_grid_are_refused(extent, words):
    energy = energies.Quadratic(np.eye(2))
    with pytest.raises(ValueError, match=words):
        landscapes.plane(energy, depth=2, extent=extent, n=9)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_flow_lines_of_no_time_are_refused_and_few_starts_take_the_window_s(scale):
    energy = energies.Quadratic(np.diag([2.0, 1.0]) * scale)
    plane = landscapes.plane(energy, depth=3, extent=2 * scale, n=5, quantities=("F",))
    with pytest.raises(ValueError, match="take another unit of W"):
        landscapes.flow_lines(plane, 2)
    plane = landscapes.plane(
        energies.Quadratic(np.eye(2)), depth=2, axes=((0, 0), (1, 1)), extent=(0, 2), n=5,
        quantities=("F",),
    )  # fmt: skip
    lines = landscapes.flow_lines(plane, 1)  # from the minimum of F
    assert lines.t[-1] < 1e3
    assert_allclose(lines.W[-1, 0], np.eye(2))


@pytest.mark.parametrize("n", [8, 9])
def test_curves_of_rank_one_that_cross_have_their_own_points(n):
    """Of ½‖W‖² at depth 3: F = ½a² - ⅔ log(a)/β + const along W_12 = a, W_21 = 0."""
    energy = energies.Quadratic(np.zeros((2, 2)))
    points = landscapes.plane(energy, depth=3, beta=5.0, extent=1.0, n=n).points
    a, c = math.sqrt(2 / 15), math.sqrt(1 / 15)
    own = [k for k, kind in enumerate(points.kind) if kind != "minimiser"]
    assert {points.kind[k] for k in own} == {"saddle", "minimum"}
    for kind, places in (
        ("saddle", [[0, a], [0, -a], [a, 0], [-a, 0]]),
        ("minimum", [[c, c], [c, -c], [-c, c], [-c, -c]]),
    ):
        x = points.coordinates[[k for k in own if points.kind[k] == kind]]
        assert len(x) == 4
        assert_allclose(sorted(np.round(x, 8).tolist()), sorted(np.round(places, 8).tolist()))


@pytest.mark.parametrize("depth", [3, math.inf])
def test_a_point_in_a_window_of_rounding_size_stands_once(depth):
    energy = Quartic(np.diag([0.5, 0.5]))
    for extent in (1e-10, 1e-12):
        landscape = landscapes.plane(
            energy, depth=depth, beta=5.0, at=np.eye(2), extent=extent, n=20
        )
        own = [kind for kind in landscape.points.kind if kind != "minimiser"]
        assert len(own) == 1


def test_least_values_are_drawn_however_large_all_are():
    energy = energies.Quadratic(np.eye(2))
    landscape = landscapes.plane(energy, depth=2, extent=1e12, n=20)
    ax = landscapes.plot(landscape, "E")
    assert any(path.contains_point((0.0, 0.0)) for path in ax.collections[0].get_paths())


def test_numbers_beside_narrow_windows_differ():
    energy = energies.Quadratic(np.diag([1.0, 0.5]))
    landscape = landscapes.plane(
        energy, depth=3, beta=5.0, axes=((0, 0), (1, 1)), at=np.eye(2),
        extent=((1.999, 2.001), (0.999, 1.001)), n=20,
    )  # fmt: skip
    for name in landscape.values:
        figure = landscapes.plot(landscape, name).figure
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        first, bar = figure.axes
        said = [text.get_text() for text in bar.get_yticklabels()]
        assert len(set(said)) == len(said) > 3
        boxes = [
            text.get_window_extent(canvas.get_renderer())
            for text in first.get_xticklabels()
            if text.get_text()
        ]
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))


@pytest.mark.parametrize("depth", [1.5, 2, 3])
def test_on_a_plane_of_singular_matrices_points_are_those_of_the_stratum(depth):
    """In frames that make det W rounding, not zero; F - E depends on two singular values alone."""
    rng = np.random.default_rng(0)
    Q, P = (np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2))
    one, two, target = (Q @ np.diag(x) @ P for x in ((1.0, 0, 0), (0, 1.0, 0), (2.0, 1.0, 0)))
    section = landscapes.Section.along(np.zeros((3, 3)), [one, two])
    landscape = landscapes.plane(
        energies.Quadratic(target), depth=depth, beta=5.0, axes=section, extent=(0.3, 3.0), n=30
    )
    points = landscape.points
    (k,) = np.flatnonzero(points.rank == 2)
    x, h = points.coordinates[k], 1e-4
    steps = np.array([[i, j] for i in (-h, 0, h) for j in (-h, 0, h)])
    W = section.points(x + steps)
    F = entropy.free_energy(energies.Quadratic(target), W, depth, 5.0, rank=2).reshape(3, 3)
    assert F[1, 1] < min(F[0, 1], F[2, 1], F[1, 0], F[1, 2]) and points.kind[k] == "minimum"
    assert abs(F[2, 1] - F[0, 1]) + abs(F[1, 2] - F[1, 0]) < 1e-11
    assert points.stationary[k] and points.index[k] == 0
    ax = landscapes.plot(landscape, "F", points=True)
    assert len(ax.collections) == 3  # colours, their lines, marks; no curve det W = 0


def test_density_on_a_plane_of_singular_matrices_is_refused():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    directions = [Q @ np.diag(x) for x in ((1.0, 0, 0), (0, 1.0, 0))]
    with pytest.raises(ValueError, match="lies in det W = 0"):
        landscapes.plane(
            energies.Quadratic(Q), depth=2, beta=5.0, axes=directions, extent=(1.0, 2.0), n=9,
            quantities="density",
        )  # fmt: skip
