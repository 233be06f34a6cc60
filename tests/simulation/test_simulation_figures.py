"""The figure of a simulation: labelled, unclipped, and true to the numbers it shows."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.testing import assert_allclose

from dlngeo._results import ensemble
from dlngeo.simulation import beside, config, figures, store


def drawn(settings, folder, title="a title"):
    result = store.run(settings, folder)
    return figures.comparison_figure(settings, result, title), result


@pytest.fixture(scope="module")
def hyperbola(tmp_path_factory):
    settings = config.preset("hyperbola").replaced(paths=20, steps=30)
    return drawn(settings, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def repulsion(tmp_path_factory):
    settings = config.preset("repulsion").replaced(paths=6, steps=10)
    return drawn(settings, tmp_path_factory.mktemp("run"))


def panel(figure, title):
    return next(axes for axes in figure.axes if axes.get_title().startswith(title))


def line(axes, label):
    return next(x for x in axes.get_lines() if x.get_label() == label)


@pytest.mark.parametrize("which", ["hyperbola", "repulsion"])
def test_four_panels_with_title_and_both_labels(request, which):
    figure, _ = request.getfixturevalue(which)
    assert len(figure.axes) == 4
    for axes in figure.axes:
        assert axes.get_title() and axes.get_xlabel() and axes.get_ylabel()
    assert figure.get_suptitle() == "a title"
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"mean", "mean ± 2 s.e.", "free-energy flow", "gradient flow"} <= set(named)


@pytest.mark.parametrize("which", ["hyperbola", "repulsion"])
def test_no_text_is_clipped(request, which):
    figure, _ = request.getfixturevalue(which)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    for axes in figure.axes:
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts):
            box = text.get_window_extent(canvas.get_renderer())
            assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_lines_are_the_flows_and_the_mean(hyperbola):
    figure, result = hyperbola
    axes = panel(figure, "Effective rank")
    assert_allclose(line(axes, "mean").get_ydata(), result.ensemble.effective_rank.mean(axis=0))
    for name, flow in result.flows.items():
        assert_allclose(line(axes, name).get_xdata(), flow.t)
        assert_allclose(line(axes, name).get_ydata(), flow.effective_rank)


def test_every_singular_value_is_named(repulsion):
    axes = panel(repulsion[0], "Singular values")
    assert [text.get_text() for text in axes.texts] == [rf"$\sigma_{k}$" for k in (1, 2, 3, 4)]


def test_plane_shows_the_ends_and_a_curve_of_rank_one(hyperbola):
    figure, result = hyperbola
    axes = panel(figure, "Where the paths end")
    x, y = line(axes, "paths at the end").get_data()
    assert_allclose(x, result.ensemble.W[:, -1, 0, 1])
    assert_allclose(y, result.ensemble.W[:, -1, 1, 0])
    a, b = line(axes, "$W_{12}W_{21} = 1$").get_data()
    assert_allclose(a * b, 1.0)


def test_histogram_counts_every_path(hyperbola):
    axes = panel(hyperbola[0], "Place along the hyperbola")
    assert sum(bar.get_height() for bar in axes.patches) == 20


def test_distance_from_the_flow_begins_at_zero(repulsion):
    figure, result = repulsion
    (shown,) = panel(figure, "Distance").get_lines()
    assert shown.get_ydata()[0] == 0.0
    assert_allclose(shown.get_ydata(), result.departure())


@pytest.mark.parametrize(
    "changes",
    [{"paths": 1}, {"kappa": 0.0}, {"save_every": 5, "upstairs": True}, {"depth": 1.0}],
)
def test_odd_runs_are_drawn(tmp_path, changes):
    settings = config.preset("hyperbola").replaced(paths=3, steps=5).replaced(**changes)
    drawn(settings, tmp_path)[0].draw_without_rendering()


def test_run_that_could_not_be_followed_is_drawn_as_far_as_all_paths_go(hyperbola):
    settings, run = config.preset("hyperbola"), hyperbola[1].ensemble
    for frame in (0, 7):
        W, ends = run.W.copy(), run.ends.copy()
        W[3, frame + 1 :], ends[3] = np.nan, run.t[frame]
        cut = ensemble.build(run.equation, run.t, W, None, ends, "lost", run.provenance)
        broken = beside(settings.build_energy(), cut)
        figure = figures.comparison_figure(settings, broken, "short")
        figure.draw_without_rendering()
        said = f"short\n1 path ended early: all is shown up to t = {run.t[frame]:g}"
        assert figure.get_suptitle() == said
        shown = line(panel(figure, "Effective rank"), "mean")
        assert_allclose(shown.get_xdata(), run.t[: frame + 1])
        assert (shown.get_marker() == "o") == (frame == 0)  # a line of one point shows nothing
        assert_allclose(shown.get_ydata(), run.effective_rank[:, : frame + 1].mean(axis=0))
        x, _ = line(panel(figure, "Where the paths"), "paths at the end").get_data()
        assert_allclose(x, run.W[:, frame, 0, 1])
