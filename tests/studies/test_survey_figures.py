"""Figures 2 to 4 of the survey: what they draw is what the trajectories hold."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import _figures, survey_figures, weights
from dlngeo.energies import Quadratic
from dlngeo.flows import gradient_flow

SIGMA = (3.0, 2.0, 1.0)


def trained(scale, sigma=SIGMA):
    energy = Quadratic(np.eye(3, 5) * np.array(sigma)[:, None])
    start = weights.random((5, 4, 4, 3), scale, rng=0)
    return gradient_flow(energy, start, (0, 1e6), stop_loss=1e-6, gtol=0)


@pytest.fixture(scope="module")
def near():
    return trained(0.1)


@pytest.fixture(scope="module")
def away():
    return trained(1.0)


def frames(W):
    U, _, Vt = np.linalg.svd(W)
    return U, Vt.T


# ------------------------------------------------------------------------------- alignment


def test_misalignment_is_least_over_all_signs():
    layers = weights.random((4, 3, 5, 3), 1.0, rng=0)
    for count in (1, 2, 3):
        found = survey_figures.misaligned(layers, count)
        for p in range(2):
            U, V = frames(layers[p])[0], frames(layers[p + 1])[1]
            overlap = (V.T @ U)[:count, :count]
            signs = np.array(np.meshgrid(*[[-1, 1]] * count)).reshape(count, -1).T
            least = min(np.linalg.norm(overlap * s - np.eye(count)) ** 2 for s in signs)
            assert found[p] == pytest.approx(least, rel=1e-12)


def test_aligned_layers_have_none():
    layers = weights.random_balanced((4, 6, 5, 3), 1.0, rng=1)
    assert_allclose(survey_figures.misaligned(layers, 3), 0, atol=1e-28)


def test_a_stack_equals_a_loop():
    layers = weights.random((4, 3, 5, 3), 1.0, rng=0, size=(2, 3))
    stack = survey_figures.misaligned(layers, 2)
    assert stack.shape == (2, 3, 2)
    for index in np.ndindex(2, 3):
        one = survey_figures.misaligned(tuple(W[index] for W in layers), 2)
        assert_allclose(stack[index], one, rtol=1e-12)


def test_overlaps_obey_the_bound_by_the_imbalance(near):
    # the exact form of (60): |v_k · u_l| |s_k² - t_l²| <= ‖G_p‖
    found = survey_figures.overlaps(near.weights, 3)
    for p, o in enumerate(found):
        t = np.linalg.svd(near.weights[p], compute_uv=False)[:, None, :3]
        s = np.linalg.svd(near.weights[p + 1], compute_uv=False)[:, :3, None]
        G = weights.imbalance(near.weights)[p]
        assert (o * np.abs(s**2 - t**2) <= np.linalg.norm(G, axis=(1, 2))[:, None, None]).all()
        assert o.min() >= 0 and o.max() <= 1 + 1e-12


def test_more_modes_than_a_layer_has_are_refused():
    with pytest.raises(ValueError, match="count must be at most 2"):
        survey_figures.overlaps(weights.random((4, 2, 3), 1.0, rng=0), 3)


# --------------------------------------------------------------------------------- figures


def line(axes, label):
    return next(x for x in axes.get_lines() if str(x.get_label()).startswith(label)).get_ydata()


def is_labelled(axes):
    assert axes.get_ylabel() and axes.get_lines()
    assert axes.get_xscale() == "log" and axes.get_xlim()[0] > 0


def test_figure_2(tmp_path, near, away):
    figure = survey_figures.figure_2(near, away, SIGMA)
    panels = np.array(figure.axes).reshape(5, 2)
    for column, path in zip(panels.T, (near, away), strict=True):
        for axes in column:
            is_labelled(axes)
        drawn = [x.get_ydata() for x in column[0].get_lines()]
        for k in range(3):
            assert_allclose(drawn[2 * k], SIGMA[k])  # the target beneath each curve
            shown = np.linalg.svd(path.W, compute_uv=False)[:, k]
            assert_allclose(drawn[2 * k + 1], shown, rtol=1e-7, atol=1e-12)
        assert len(column[1].get_lines()) == 4 + 4 + 3  # all singular values of all layers
        A = np.sqrt(sum((W**2).sum(axis=(1, 2)) for W in path.weights))
        assert_allclose(line(column[2], r"$\|A\|"), A)
        assert_allclose(line(column[3], "loss"), path.energy)
        plateaus = [x.get_ydata()[0] for x in column[3].get_lines()[1:4]]
        assert_allclose(plateaus, [7, 2.5, 0.5])
        assert len(column[4].get_lines()) == 2  # hidden layers
        assert column[4].get_xlabel()
    _figures.save(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_figure_3(near):
    close = trained(0.1, (3.0, 2.9, 1.0))
    figure = survey_figures.figure_3(near, close, (SIGMA, (3.0, 2.9, 1.0)))
    panels = np.array(figure.axes).reshape(4, 2)
    for column, path in zip(panels.T, (near, close), strict=True):
        for axes in column:
            is_labelled(axes)
        balance = column[3]
        delta, spread = line(balance, r"$\delta"), line(balance, r"$\max_p\|\Lambda")
        assert_allclose(delta, path.imbalance)
        assert (spread <= delta * (1 + 1e-12)).all()  # (58)
        assert np.nanmax(line(balance, r"$\max_p\|G")) == path.imbalance_drift.max()
    # close modes overlap at the end, others not
    apart, together = (line(column[2], "modes 1, 2")[-1] for column in panels.T)
    assert together > 5 * apart
    figure.draw_without_rendering()


def test_figure_4():
    figure = survey_figures.figure_4((4, 3, 2, 1))
    down, up, mixed = figure.axes
    for axes in figure.axes:
        assert axes.get_title() and axes.get_xlabel() and axes.get_legend()
    for x in down.get_lines():
        assert (np.diff(x.get_ydata()) < 0).all()
    for x in up.get_lines():
        assert (np.diff(x.get_ydata()) > 0).all()
    *arcs, lowest = mixed.get_lines()
    for x, alpha, value in zip(arcs, *lowest.get_data(), strict=True):
        k = x.get_ydata().argmin()
        assert 0 < k < 200 and abs(x.get_xdata()[k] - alpha) <= 0.005
        assert value == pytest.approx(x.get_ydata()[k], abs=1e-3)
    # {1} → {2}: from ½(9 + 4 + 1) to ½(16 + 4 + 1)
    assert_allclose(arcs[0].get_ydata()[[0, -1]], [7, 10.5])
    figure.draw_without_rendering()


def test_what_is_refused(near):
    with pytest.raises(ValueError, match="4 entries"):
        survey_figures.figure_4((3, 2, 1))
    downstairs = gradient_flow(Quadratic(np.diag(SIGMA)), np.eye(3), (0, 1), depth=3)
    with pytest.raises(ValueError, match="must be of weights"):
        survey_figures.figure_2(near, downstairs, SIGMA)
