"""``dlngeo landscape``: what it writes and refuses, and the figures."""

import json
import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from commands import call, only_line
from dlngeo import energies, flows, landscapes, langevin, metric
from dlngeo.landscapes.config import PRESETS, read, to_toml
from dlngeo.landscapes.figures import landscape_figure

__all__ = ["call"]  # a fixture
WRITTEN = ["config.toml", "landscape.npz", "landscape.png", "summary.json"]
DIAGONAL = energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_runs(call, tmp_path, capsys, name):
    out = tmp_path / "out"
    assert call("landscape", "--preset", name, "--n", 60, "--out", out) == 0
    assert sorted(path.name for path in out.iterdir()) == WRITTEN
    summary = json.loads((out / "summary.json").read_text())
    assert summary["run"] == name and summary["config"]["n"] == 60
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: N = ")
    landscape = read(out / "config.toml").landscape()
    with np.load(out / "landscape.npz") as kept:
        assert set(kept.files) == {
            *landscape.values, *landscape.coordinates, *landscape.sequences
        }  # fmt: skip
        for quantity, values in landscape.values.items():
            np.testing.assert_array_equal(kept[quantity], values)
            assert summary["quantities"][quantity]["nan"] == np.isnan(values).sum()
    if name == "hyperbola":
        minimisers = [p for p in summary["points"] if p["kind"] == "minimiser"]
        a = np.array([p["coordinates"] for p in minimisers])
        assert len(a) == 4 and {p["rank"] for p in minimisers} == {1}
        assert_allclose(a.prod(axis=1), 1.0, rtol=1e-7)


def test_default_is_the_hyperbola_in_a_folder_of_its_name(call, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert call("landscape", "--n", 60, "--quantities", "F", "--depth", 4) == 0
    assert "Wrote dlngeo-hyperbola-landscape/" in capsys.readouterr().out
    with np.load(tmp_path / "dlngeo-hyperbola-landscape" / "landscape.npz") as kept:
        assert set(kept.files) == {"W_12", "W_21", "F"}


def test_options_replace_what_a_file_says(call, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(to_toml(PRESETS["boundary"].replaced(n=30)))
    options = ["--depth", 2, "--depth", 3, "--beta", 7, "--quantities", "S", "--quantities", "E"]
    assert call("landscape", file, *options, "--out", tmp_path / "out") == 0
    with np.load(tmp_path / "out" / "landscape.npz") as kept:
        assert set(kept.files) == {"W_22", "S", "E", "depth"}
        assert kept["S"].shape == (2, 30) and kept["depth"].tolist() == [2, 3]


def test_a_plane_at_several_depths_has_a_row_of_panels_for_each(call, tmp_path, capsys):
    """And its own points and flow lines, table and part of the summary."""
    file = tmp_path / "mine.toml"
    file.write_text(to_toml(PRESETS["singular-values"].replaced(n=20, flow_lines=2)))
    several = ["--depth", 2, "--depth", 3, "--quantities", "E", "--quantities", "F"]
    assert call("landscape", file, *several, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    landscape = read(tmp_path / "out" / "config.toml").landscape()
    heads = [line.split("│")[1].strip() for line in said.splitlines() if line.startswith("│ N = ")]
    assert heads == ["N = 2", "N = 3"]
    assert said.count("numerical: 1 isolated") == 2
    figure = landscape_figure(landscape, "", flow=2)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [
        "Energy, N = 2", "Free energy, N = 2", "Energy, N = 3", "Free energy, N = 3"
    ]  # fmt: skip
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [case["depth"] for case in summary["cases"]] == [2, 3]
    for depth, case in zip((2, 3), summary["cases"], strict=True):
        own = landscape.select(depth=depth)
        assert_allclose([p["coordinates"] for p in case["points"]], own.points.coordinates)
        assert [p["index"] for p in case["points"]] == own.points.index.tolist()
        title = f"Free energy, N = {depth}"
        axes = next(axes for axes in figure.axes if axes.get_title() == title)
        stars = next(c for c in axes.collections if c.get_label() == "minimiser, rank 2")
        assert_allclose(np.asarray(stars.get_offsets()), own.points.coordinates[:1])
        drawn = [line.get_xydata() for line in axes.get_lines() if line.get_zorder() == 3]
        flow = landscapes.flow_lines(own, 2)
        wanted = landscape.section.coordinates(flow.W)
        assert len(drawn) == wanted.shape[1]
        assert_allclose(drawn[0], wanted[:, 0], atol=1e-12)


def test_points_feel_no_kappa_and_are_found_once(monkeypatch):
    from dlngeo.landscapes import _landscape

    found = []
    plain = _landscape.points_on
    monkeypatch.setattr(_landscape, "points_on", lambda *x: found.append(x[3:]) or plain(*x))
    several = PRESETS["hyperbola"].replaced(
        n=30, kappa=[0.6, 1.0], depth=[3.0, 4.0], quantities=["F", "density"]
    )
    landscape = several.landscape()
    figure = landscape_figure(landscape, "", flow=1)
    assert [x[0] for x in found] == [3.0, 4.0]
    assert list(landscape.cases) == ["N = 3", "N = 4"]
    titles = [axes.get_title() for axes in figure.axes if "density" in axes.get_title()]
    assert [x.split(", ", 1)[1] for x in titles] == [
        "N = 3, κ = 0.6", "N = 3, κ = 1", "N = 4, κ = 0.6", "N = 4, κ = 1"
    ]  # fmt: skip


def test_cases_that_six_digits_do_not_tell_apart_are_all_there():
    beta = [5.00000001, 5.00000002]
    landscape = PRESETS["hyperbola"].replaced(n=5, beta=beta, quantities=["F"]).landscape()
    assert list(landscape.cases) == ["β = 5.00000001", "β = 5.00000002"]
    assert [one.numbers["beta"] for one in landscape.cases.values()] == beta


def test_each_profile_of_a_line_has_its_own_points(call, tmp_path, capsys):
    config = PRESETS["boundary"].replaced(
        n=101, depth=[2.0, 3.0], weight_decay=0.02, points=True, quantities=["slope", "F"]
    )
    file = tmp_path / "line.toml"
    file.write_text(to_toml(config))
    assert call("landscape", file, "--out", tmp_path / "out") == 0
    assert "│ N = 3 " in capsys.readouterr().out
    landscape = config.landscape()
    ax = landscapes.draw_points(landscapes.plot(landscape, "F"), landscape)
    marks = {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections if c.get_label()}
    wanted = [one.points for one in landscape.cases.values()]
    minima = np.concatenate(
        [
            np.column_stack([p.coordinates[:, 0], p.value])[np.array(p.kind) == "minimum"]
            for p in wanted
        ]
    )
    assert len(minima) >= 2
    assert_allclose(marks["minimum, rank 2"], minima)
    low, high = ax.get_ylim()
    assert (low < minima[:, 1]).all() and (minima[:, 1] < high).all()
    # of another quantity at its own height, by linear interpolation
    ax = landscapes.draw_points(landscapes.plot(landscape, "slope"), landscape, quantity="slope")
    at = next(c for c in ax.collections if c.get_label() == "minimum, rank 2").get_offsets()
    (x,) = landscape.coordinates.values()
    heights = [
        np.interp(p[0], x, landscape.select(depth=depth).values["slope"])
        for depth, one in zip((2, 3), wanted, strict=True)
        for p in one.coordinates[np.array(one.kind) == "minimum"]
    ]
    assert_allclose(np.asarray(at)[:, 1], heights)


def test_a_quantity_without_a_value_is_hatched_and_one_that_is_zero_is_drawn():
    """A plane within det W = 0 has no entropy; a constant energy no slope."""
    section = landscapes.Section.along(np.zeros((3, 3)), np.eye(9).reshape(9, 3, 3)[:2])
    low = landscapes.plane(
        energies.Quadratic(np.eye(3)), depth=3, beta=2.0, axes=section, extent=1.0, n=9
    )
    assert np.isnan(low.values["S"]).all()
    figure = landscape_figure(low, "a title", flow=2)
    free = next(axes for axes in figure.axes if axes.get_title() == "Free energy")
    assert free.patch.get_hatch() and "no value" in free.texts[0].get_text()
    FigureCanvasAgg(figure).draw()
    cold = landscapes.plane(DIAGONAL, depth=3, extent=2.0, n=9, quantities=("slope",))
    assert (cold.values["slope"] == 0).all()
    FigureCanvasAgg(landscapes.plot(cold, "slope").figure).draw()
    landscapes.plot(cold, "slope", kind="surface")


def test_a_list_of_one_depth_is_that_depth(call, tmp_path, capsys):
    file = tmp_path / "mine.toml"
    file.write_text(to_toml(PRESETS["hyperbola"].replaced(n=30, depth=[3.0], quantities=["F"])))
    assert call("landscape", file, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert said.count("│ minimiser │") == 4
    (saddle,) = (line for line in said.splitlines() if line.startswith("│ saddle    │ 2 "))
    assert saddle.split("│")[3:5] == [" 0         ", " 0         "]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([x for depth in range(1, 14) for x in ("--depth", depth)], "depth must make 12 rows"),
        (["--preset", "parabola"], "preset must be one of"),
        (["none.toml"], "none.toml"),
        (["--depth", 0.5], "depth must be"),
        (["--quantities", "density", "--weight-decay", 0], "cannot be normalised"),
        (["--n", 1], "n must be"),
    ],
)
def test_refusals_are_one_line_and_code_2(call, tmp_path, monkeypatch, capsys, options, words):
    monkeypatch.chdir(tmp_path)
    assert call("landscape", *options) == 2
    assert words in only_line(capsys)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------ figures


@pytest.fixture(scope="module")
def hyperbola():
    return PRESETS["hyperbola"].replaced(n=60).landscape()


def boxes(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes:
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts):
            yield text.get_window_extent(canvas.get_renderer()), canvas.get_width_height()


def test_the_figure_has_a_panel_for_each_quantity_and_clips_no_text(hyperbola):
    figure = landscape_figure(hyperbola, "a title", flow=2)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(titles) == len(hyperbola.values) == 6
    assert figure.get_suptitle() == "a title"
    for box, (width, height) in boxes(figure):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
    free = next(axes for axes in figure.axes if axes.get_title() == "Free energy")
    named = {text.get_text() for text in free.get_legend().get_texts()}
    assert named == {"minimiser, rank 1", "saddle, rank 1", "saddle, rank 2"}
    assert len([line for line in free.get_lines() if line.get_zorder() == 3]) == 4


def test_marks_stand_at_the_points(hyperbola):
    ax = landscapes.draw_points(landscapes.plot(hyperbola, "F"), hyperbola)
    stars = next(c for c in ax.collections if c.get_label() == "minimiser, rank 1")
    points = hyperbola.points
    exact = points.coordinates[[kind == "minimiser" for kind in points.kind]]
    assert_allclose(np.asarray(stars.get_offsets()), exact)


def test_the_legend_covers_no_point(hyperbola):
    figure = landscape_figure(hyperbola, "a title")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes = next(axes for axes in figure.axes if axes.get_title() == "Free energy")
    box = axes.get_legend().get_window_extent(canvas.get_renderer())
    marks = axes.transData.transform(hyperbola.points.coordinates)
    assert not any(box.contains(*place) for place in marks)
    width, height = canvas.get_width_height()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_nan_is_left_open_and_axes_are_the_caller_s():
    energy = energies.Quadratic(np.diag([1.0, 0.5]))
    landscape = landscapes.plane(
        energy, depth=math.inf, beta=3.0, axes=((0, 0), (1, 1)), at=np.eye(2), extent=1.0, n=21
    )
    assert np.isnan(landscape.values["F"]).sum() == 41
    ax = Figure().add_subplot()
    assert landscapes.plot(landscape, "F", ax, colorbar=False) is ax
    assert ax.patch.get_hatch() and len(ax.figure.axes) == 1
    drawn = ax.collections[0].get_paths()
    inside = any(path.contains_point((0.0, 0.52)) for path in drawn)
    assert not inside


def test_profiles_and_surfaces():
    energy = energies.Quadratic(np.diag([1.0, 0.5]))
    line = landscapes.plane(
        energy, depth=(2, 3, math.inf), beta=3.0, axes=((1, 1),), at=np.eye(2), extent=1.5, n=51,
        quantities=("F", "curvature"),
    )  # fmt: skip
    ax = landscapes.plot(line, "F")
    curves = [x for x in ax.get_lines() if not x.get_label().startswith("_")]
    assert [x.get_label() for x in curves] == ["N = 2", "N = 3", "N = ∞"]
    assert_allclose(curves[1].get_ydata(), line.values["F"][1])
    marks = sorted(float(np.mean(x.get_xdata())) for x in ax.get_lines() if x not in curves)
    assert_allclose(marks, [-1.0, 0.0, 1.0], atol=1e-5)  # σ_1 = σ_2, det W = 0, σ_1 = σ_2
    plane = landscapes.plane(energy, depth=2, beta=3.0, extent=1.5, n=21)
    ax = landscapes.plot(plane, "F", kind="surface")
    assert ax.name == "3d" and ax.get_zlabel() == r"$F_\beta$"


def test_flows_geodesics_and_langevin_paths_are_drawn_where_they_are(hyperbola):
    ax = landscapes.plot(hyperbola, "F")
    W = np.array([[1.0, 1.5], [-0.5, 1.0]])
    flow = flows.free_energy_flow(DIAGONAL, W, (0, 1), depth=3, beta=20.0, weight_decay=0.018)
    geodesic = metric.geodesic(W, np.ones((2, 2)), 3, np.linspace(0, 0.3, 5))
    noisy = langevin.simulate(
        DIAGONAL, W, depth=3, beta=20.0, weight_decay=0.018, dt=0.01, n_steps=5, n_paths=3, rng=0
    )
    before = len(ax.get_lines())
    for paths in (flow, geodesic, noisy, [flow, flow], [geodesic, geodesic[:3]], list(geodesic)):
        assert landscapes.draw_paths(ax, hyperbola, paths, color="red") is ax
    drawn = ax.get_lines()[before:]
    assert len(drawn) == 1 + 1 + 3 + 2 + 2 + 1
    assert_allclose(drawn[1].get_xydata(), geodesic[:, [0, 1], [1, 0]], atol=1e-14)
    assert_allclose(drawn[2].get_xydata()[0], [1.5, -0.5], atol=1e-14)
    lines = landscapes.flow_lines(hyperbola, 3)
    F = [float(landscapes.plane(DIAGONAL, depth=3, beta=20.0, weight_decay=0.018,
         axes=(np.eye(2),), at=V, extent=1.0, n=3, quantities="F").values["F"][1])
         for V in lines.W[[0, -1], 0]]  # fmt: skip
    assert F[1] < F[0]


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda x: landscapes.plot(x, "S"), "quantity must be"),
        (lambda x: landscapes.plot(x, "F", kind="profile"), "a profile is drawn of a line"),
        (lambda x: landscapes.plot(x, "F"), "choose one"),
        (lambda x: landscapes.plot(x.select(depth=2), "F", 3), "ax must be"),
        (lambda x: landscapes.draw_paths(Figure().add_subplot(), x, np.eye(2)), "paths must have"),
        (lambda x: x.select(depth=7), "depth must be one of 2, 3"),
        (lambda x: x.select(beta=7), "has one beta"),
        (lambda x: landscapes.flow_lines(x), "choose one"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, words):
    several = landscapes.plane(DIAGONAL, depth=(2, 3), extent=1.0, n=5, quantities="F")
    with pytest.raises((ValueError, TypeError), match=words):
        draw(several)
