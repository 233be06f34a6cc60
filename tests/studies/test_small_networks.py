"""Figures 5 to 7 of the survey: orbits and minima where the equations put them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

from dlngeo import _figures, survey_figures
from dlngeo.survey_figures import _small_networks

SIGMAS = [1.0, 0.3, 20.0]


@pytest.mark.parametrize("sigma", SIGMAS)
def test_orbits_of_a_node(sigma):
    orbits = _small_networks.node_orbits(sigma)
    assert orbits.shape[1] == 2
    w1, w2 = orbits[:, 0], orbits[:, 1]
    c = w1**2 - w2**2
    assert_allclose(c, np.broadcast_to(c[:, :1], c.shape), atol=1e-12 * sigma)
    ends = (w1 * w2)[:, -1]
    fast = np.abs(w1[:, 0] + w2[:, 0]) > 1e-3 * np.sqrt(sigma)  # the separatrix ends at the saddle
    assert fast.sum() == len(orbits) - 2
    assert_allclose(ends[fast], sigma, rtol=1e-9)
    for k in (1, 7, 20):
        end = solve_ivp(
            lambda _, w: w[::-1] * (sigma - w[0] * w[1]),
            (0, 1 / sigma),
            orbits[k, :, 0],
            rtol=1e-10,
            atol=1e-12,
            dense_output=True,
        )
        t = np.append(0, np.geomspace(1e-3, 1e2, 160)) / sigma
        now = t <= 1 / sigma
        assert_allclose(orbits[k][:, now], end.sol(t[now]), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_sheets_are_minima(sigma):
    sheets = np.array(_small_networks.sheets(sigma, 2.5 * sigma ** (1 / 3)))
    assert_allclose(sheets.prod(axis=1), sigma, rtol=1e-12)
    assert np.abs(sheets).max() == pytest.approx(2.5 * sigma ** (1 / 3))
    assert {tuple(np.sign(s[:, 0, 0])) for s in sheets} == {
        (1, 1, 1),
        (1, -1, -1),
        (-1, 1, -1),
        (-1, -1, 1),
    }


@pytest.mark.parametrize("sigma", SIGMAS)
def test_two_nodes_end_at_minima_that_obey_the_shared_law(sigma):
    w = _small_networks.two_node_minima(sigma, count=60, rng=1)
    assert w.shape == (60, 4)
    assert_allclose(w[:, 0] * w[:, 2] + w[:, 1] * w[:, 3], sigma, rtol=1e-8)
    assert_allclose(w[:, 0] ** 2 - w[:, 2] ** 2, sigma / 2, rtol=1e-8)
    assert np.ptp(w[:, 1] ** 2 - w[:, 3] ** 2) > sigma  # nothing shared


def ends(axes):
    """All points drawn as lines or markers in a plane, (2, points)."""
    return np.hstack([np.array(x.get_data(), dtype=float) for x in axes.get_lines()])


def test_figure_5(tmp_path):
    figure = survey_figures.figure_5(2.0)
    phase, land, bar = figure.axes
    assert phase.get_legend() and bar.get_ylabel() == "loss"
    for axes in (phase, land):
        assert axes.get_title() and axes.get_xlabel() and axes.get_ylabel()
        label = {str(x.get_label()): np.array(x.get_data()) for x in axes.get_lines()}
        assert_allclose(np.abs(label["balanced minima"]), np.sqrt(2))
        assert_allclose(label["saddle"], 0)
        curves = [x for x in axes.get_lines() if x.get_linewidth() == 2.5 and len(x.get_xdata())]
        for curve in curves:
            assert_allclose(np.prod(curve.get_data(), axis=0), 2.0)
    _figures.save(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_figure_6():
    figure = survey_figures.figure_6(2.0)
    space, plane, cut = figure.axes
    assert space.get_zlabel() and space.get_legend()
    reached = next(x for x in space.get_lines() if x.get_label() == "minima reached")
    assert_allclose(np.prod(reached.get_data_3d(), axis=0), 2.0, rtol=1e-6)
    for axes, power in ((plane, 2), (cut, 1)):
        curves = [x for x in axes.get_lines() if x.get_linewidth() == 2.5]
        assert len(curves) == 2
        for curve in curves:
            x, y = curve.get_data()
            third = 1 if power == 2 else 2 ** (1 / 3)
            assert_allclose(x**power * y * third, 2.0)
    figure.draw_without_rendering()


def test_figure_7():
    figure = survey_figures.figure_7(1.0)
    assert len(figure.axes) == 8
    w1, w3 = ends(figure.axes[0])[:, :-1]
    assert_allclose(w1**2 - w3**2, 0.5, rtol=1e-8)
    for axes in figure.axes[4:]:
        assert axes.get_zlabel()
    figure.draw_without_rendering()


def test_sigma_must_be_positive():
    for figure in (survey_figures.figure_5, survey_figures.figure_6, survey_figures.figure_7):
        with pytest.raises(ValueError, match="sigma must be finite and > 0"):
            figure(0.0)
