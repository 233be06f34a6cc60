"""Rectangular W and hidden layers of other widths: point functions, and what there is not."""

import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.testing import assert_allclose
from test_landscape_quantities import Quartic

from commands import call
from dlngeo import energies, entropy, flows, landscapes, metric
from dlngeo.landscapes.config import Config, to_toml

__all__ = ["call"]  # a fixture
BETA = 3.0


def random_plane(shape, depth, widths, beta=BETA, decay=0.2, **more):
    rng = np.random.default_rng(5)
    energy = Quartic(rng.standard_normal(shape))
    base, one, two = rng.standard_normal((3, *shape))
    landscape = landscapes.plane(
        energy, depth=depth, beta=beta, weight_decay=decay, axes=(one, two), at=base, extent=1.0,
        n=5, widths=widths, **more,
    )  # fmt: skip
    x = np.stack(np.meshgrid(*landscape.coordinates.values(), indexing="ij"), axis=-1)
    return landscape, energy, landscape.section.points(x)


@pytest.mark.parametrize(
    ("shape", "widths"),
    [((2, 3), (3, 4, 2)), ((3, 2), (2, 2, 5, 3)), ((1, 3), (3, 2, 1)), ((2, 2), (2, 3, 4, 2)),
     ((4, 3), (3, 3, 3, 3, 4)), ((3, 3), (3, 2, 3))],
)  # fmt: skip
def test_values_are_those_of_the_point_functions(shape, widths):
    depth = len(widths) - 1
    landscape, energy, W = random_plane(shape, depth, widths, quantities=("E", "S", "F", "slope"))
    found, r = landscape.values, min(widths)
    U, sigma, Vt = np.linalg.svd(W, full_matrices=False)
    point = (U[..., :r] * sigma[..., None, :r]) @ Vt[..., :r, :]
    assert_allclose(found["E"], energy.value(point), rtol=1e-13)
    more = {"rank": r, "widths": widths}
    assert_allclose(found["S"], entropy.boltzmann(W, depth, **more), rtol=1e-12, atol=1e-12)
    F = entropy.free_energy(energy, W, depth, BETA, 0.2, **more)
    assert_allclose(found["F"], F, rtol=1e-12)
    gradient = entropy.free_energy_gradient(energy, W, depth, BETA, 0.2, **more)
    length = np.sqrt(metric.inner(W, gradient, gradient, depth, **more))
    assert_allclose(found["slope"], length, rtol=1e-9)


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3])
def test_at_beta_inf_no_widths_are_needed(depth):
    landscape, energy, W = random_plane(
        (2, 4), depth, None, beta=math.inf, quantities=("E", "F", "slope")
    )
    sigma = np.linalg.svd(W, compute_uv=False)
    F = energy.value(W) + 0.1 * depth * (sigma ** (2 / depth)).sum(axis=-1)
    assert_allclose(landscape.values["F"], F, rtol=1e-13)
    gradient = metric.gradient(energy, W, depth) + 0.2 * depth * W
    length = np.sqrt(metric.inner(W, gradient, gradient, depth))
    assert_allclose(landscape.values["slope"], length, rtol=1e-10)


def test_where_the_rank_falls_the_entropy_is_nan_and_the_energy_is_not():
    energy = energies.Quadratic(np.ones((2, 3)))
    found = landscapes.plane(
        energy, depth=2, beta=5.0, axes=((0, 0), (1, 1)), at=np.zeros((2, 3)), extent=1.0, n=3,
        quantities=("E", "S", "F", "slope"), widths=(3, 4, 2),
    ).values  # fmt: skip
    lost = np.array([[False, True, False], [True, True, True], [False, True, False]])
    assert np.isfinite(found["E"]).all()
    for name in ("S", "F", "slope"):
        assert (np.isnan(found[name]) == lost).all()


def test_widths_of_square_w_itself_change_nothing():
    energy = energies.Quadratic(np.diag([2.0, 1.0]))
    call_ = {"depth": 3, "beta": 5.0, "extent": 1.0, "n": 4}
    plain = landscapes.plane(energy, **call_, quantities=("F", "curvature"))
    said = landscapes.plane(energy, **call_, quantities=("F", "curvature"), widths=(2, 2, 2, 2))
    assert said.widths is None
    for name, values in plain.values.items():
        np.testing.assert_array_equal(said.values[name], values)


@pytest.mark.parametrize("quantity", ["E", "S", "F", "slope"])
def test_it_is_drawn_without_a_curve_det_w_0(quantity):
    landscape, energy, _ = random_plane((2, 3), 2, (3, 4, 2), quantities=(quantity,))
    ax = landscapes.plot(landscape, quantity)
    FigureCanvasAgg(ax.figure).draw()
    assert len(ax.collections) == 2  # colours and their lines
    line = landscapes.plane(
        energy, depth=2, beta=BETA, axes=((0, 2),), at=np.eye(2, 3), extent=1.0, n=50,
        quantities=(quantity,), widths=(3, 4, 2),
    )  # fmt: skip
    FigureCanvasAgg(landscapes.plot(line, quantity).figure).draw()


def test_flow_lines_are_flows_of_these_widths():
    landscape, energy, _ = random_plane((2, 3), 2, (3, 4, 2))
    lines = landscapes.flow_lines(landscape, 2)
    again = flows.free_energy_flow(
        energy, lines.W[0], (0.0, float(lines.t[-1])), depth=2, beta=BETA, weight_decay=0.2,
        widths=(3, 4, 2), t_eval=lines.t,
    )  # fmt: skip
    assert_allclose(lines.W, again.W, rtol=1e-10)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"widths": None}, r"the entropy of a 2 x 3 matrix depends .* at beta inf for F and slope"),
        ({"quantities": "curvature"}, "curvature is known for square W .* not for 2 x 3 W"),
        ({"quantities": "density"}, "density is known for square W"),
        ({"depth": math.inf, "widths": None, "weight_decay": 0.0}, "depth must be finite"),
        ({"depth": 3}, "widths of 2 layers do not fit depth 3"),
        ({"depth": (2, 3)}, "widths are those of one depth, not of 2"),
        ({"widths": (2, 4, 2)}, "widths must lead from 3 to 2"),
        ({"axes": ((0, 1), (2, 0))}, "at most 1"),
        ({"at": np.eye(2)}, "shape"),
    ],
)
def test_what_rectangular_w_does_not_have_is_refused(changes, words):
    call_ = {"depth": 2, "beta": 3.0, "extent": 1.0, "n": 3, "widths": (3, 4, 2)} | changes
    with pytest.raises(ValueError, match=words):
        landscapes.plane(energies.Quadratic(np.ones((2, 3))), **call_)


def test_points_of_rectangular_w_are_refused():
    landscape, *_ = random_plane((2, 3), 2, (3, 4, 2))
    with pytest.raises(ValueError, match="points are found of square W"):
        _ = landscape.points


def test_the_command_draws_it_without_points(call, tmp_path, capsys):
    config = Config(
        energy={"kind": "quadratic", "target": [[2.0, 0.0, 0.0], [0.0, 1.0, 0.5]]}, depth=2,
        beta=5.0, extent=2.0, entries=[[0, 0], [1, 1]], widths=[3, 4, 2], n=20, flow_lines=2,
        at=[[0.0, 0.1, 0.0], [0.0, 0.0, 0.3]],
    )  # fmt: skip
    (tmp_path / "wide.toml").write_text(to_toml(config))
    assert call("landscape", tmp_path / "wide.toml", "--out", tmp_path / "out") == 0
    assert "No points were looked for of W that is not square" in capsys.readouterr().out
