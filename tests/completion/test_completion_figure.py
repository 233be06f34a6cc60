"""The figure of a completion: labelled, saved, and true to the numbers it shows."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from dlngeo import _figures, completion
from dlngeo.completion.figure import completion_figure


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(0)
    matrix = np.outer(rng.standard_normal(15), rng.standard_normal(13))
    noisy = matrix + 0.1 * rng.standard_normal((15, 13))
    table = np.where(rng.random((15, 13)) < 0.8, noisy, np.nan)
    return completion.complete(table, rtol=1e-2)


@pytest.fixture(scope="module")
def figure(result):
    return completion_figure(result, "a small matrix")


def line(axes, label):
    """The ordinates of the line of that label."""
    return next(x for x in axes.get_lines() if x.get_label() == label).get_ydata()


def test_four_panels_with_title_and_both_labels(figure):
    assert len(figure.axes) == 4
    for axes in figure.axes:
        assert axes.get_title() and axes.get_xlabel() and axes.get_ylabel()
    assert figure.get_suptitle() == "a small matrix"


def test_every_panel_shows_finite_lines_over_positive_time(figure):
    for axes in figure.axes:
        assert axes.get_lines()
        assert axes.get_xscale() == "log"
        assert axes.get_xlim()[0] > 0


def test_errors_end_at_the_reported_ones(figure, result):
    errors = figure.axes[0]
    fit = (result.network.completed - result.table)[result.split.train]
    assert line(errors, "held-out")[-1] == pytest.approx(result.network.rmse)
    assert line(errors, "training entries")[-1] == pytest.approx(np.sqrt(np.mean(fit**2)))


def test_the_twelve_largest_singular_values_are_drawn(figure, result):
    ends = [x.get_ydata()[-1] for x in figure.axes[1].get_lines()]
    standardised = (result.network.completed - result.centre) / result.spread
    assert_allclose(ends, np.linalg.svd(standardised, compute_uv=False)[:12], rtol=1e-8)


def test_stable_rank_is_its_definition(figure, result):
    for W, shown in zip(result.trajectory.W, line(figure.axes[2], "stable"), strict=True):
        assert shown == pytest.approx(np.linalg.norm(W) ** 2 / np.linalg.norm(W, 2) ** 2)


def test_imbalance_stays_below_the_weights(figure):
    squares, drift = (x.get_ydata() for x in figure.axes[3].get_lines())
    assert np.nanmax(drift) < 0.1 * squares[-1]


def test_one_row_and_one_layer_are_drawn():
    # one singular value, and no imbalance to speak of
    table = np.random.default_rng(0).standard_normal((1, 12))
    result = completion.complete(table, depth=1, rtol=1e-2)
    completion_figure(result, "odd").draw_without_rendering()


def test_saved_as_png(tmp_path, figure):
    _figures.save(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_training_of_no_time_is_drawn_as_dots():
    # pure noise: nothing beats the start, which is all there is to draw
    noise = np.random.default_rng(9).standard_normal((4, 4))
    result = completion.complete(noise, depth=2, rtol=1e-2)
    assert result.choice.time == 0
    figure = completion_figure(result, "noise")
    figure.draw_without_rendering()
    for axes in figure.axes:
        dots = [x for x in axes.get_lines() if x.get_marker() == "o"]
        assert dots and all(0 < x.get_xdata()[0] < result.choice.times[1] for x in dots)


@pytest.mark.parametrize("values", [[3.0, 3.0, 3.0], [3.0, 2.99, 1.0], [1.0], [5.0, 1.0, 1.0]])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_names_at_the_ends_never_overlap(values, scale):
    figure = Figure(figsize=(10, 7.2), layout="constrained")
    axes = figure.subplots(2, 2)[0, 1]
    for value in values:
        axes.plot([0.0, 1.0], [0.5, value])
    axes.set_yscale(scale)
    _figures.name_ends(axes, 1.0, np.array(values), [f"$\\sigma_{k}$" for k in range(len(values))])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts]
    assert all(above.y0 > below.y1 for above, below in itertools.pairwise(boxes))
    for value, box in zip(values, boxes, strict=True):  # beside what they name
        end = axes.transData.transform((1.0, value))[1]
        assert abs((box.y0 + box.y1) / 2 - end) < 1.2 * len(values) * box.height
