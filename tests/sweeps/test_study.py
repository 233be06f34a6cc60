"""What a study may say: TOML and back, cells, and every mistake at once with its line."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from dlngeo import sweeps
from dlngeo.sweeps.study import differences
from swept import GAPS, study

TEXT = """\
pahts = 200
observables = ["Q", "det"]
seed = 0

[energy]
kind = "completion"

[start]
law = "gaussian"
sign = 2   # neither

[dynamics]
kind = "flow"
t_ned = 1e8

[grid]
depth = [0.5, 2, 3, 5]
scale = [1.0, 0.1]
"""


def refusals(**changes):
    with pytest.raises(sweeps.Mistakes) as caught:
        study(**changes)
    places: dict[str, str] = {}
    for place, words in caught.value.found:
        assert "\n" not in words
        places[place] = f"{places.get(place, '')} {words}"
    return places


def test_a_file_tells_all_its_mistakes_each_with_line_and_remedy(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text(TEXT)
    with pytest.raises(sweeps.Mistakes) as caught:
        sweeps.read(file)
    found = {line.split(": ", 2)[0]: line for line in caught.value.lines}
    wanted = {
        "a.toml, line 1": "did you mean paths?",
        "a.toml, line 2": "not 'Q'",
        "a.toml, line 5": "table or triplets",
        "a.toml, line 10": "1 or -1",
        "a.toml, line 12": "dynamics.t_end must be given",
        "a.toml, line 14": "did you mean t_end?",
        "a.toml, line 17": "grid.depth[0] must be a real number >= 1 or inf, not 0.5",
    }
    assert set(found) == set(wanted)
    assert all(words in found[line] for line, words in wanted.items())
    assert len(str(caught.value).splitlines()) == len(wanted)


def test_a_file_without_tables_and_one_that_is_no_toml(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text("paths = 3\n")
    with pytest.raises(sweeps.Mistakes) as caught:
        sweeps.read(file)
    assert [w for _, w in caught.value.found] == [
        f"[{name}] must be given" for name in ("energy", "start", "dynamics")
    ]
    file.write_text("paths = \n")
    with pytest.raises(ValueError, match=r"a.toml: .*line 1"):
        sweeps.read(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="UTF-8"):
        sweeps.read(file)


def test_the_file_in_the_docs_is_a_study(tmp_path):
    page = Path(__file__).parents[2] / "docs" / "sweeps.md"
    (tmp_path / "a.toml").write_text(page.read_text().partition("```toml\n")[2].partition("```")[0])
    one = sweeps.read(tmp_path / "a.toml")
    assert one.sizes == {"depth": 4, "scale": 2, "sign": 2, "path": 1000}


def test_toml_and_back(tmp_path):
    one = study(
        grid={"depth": [2, float("inf")], "scale": [1.0]},
        series={"times": [0.0, 1.0], "observables": ["W"]},
        energy={"kind": "completion", "table": np.array(GAPS)},
    )
    (tmp_path / "a.toml").write_text(one.to_toml())
    other = sweeps.read(tmp_path / "a.toml")
    assert differences(one, other) == []
    assert other.folder == str(tmp_path)
    assert differences(pickle.loads(pickle.dumps(one)), one) == []


def test_cells_are_all_combinations_the_last_key_fastest():
    one = study(grid={"depth": [2, 3], "scale": [1.0, 0.1], "dynamics.t_end": [5.0, 6.0]},
                dynamics={"kind": "flow"}, observables=["W"])  # fmt: skip
    assert one.sizes == {"depth": 2, "scale": 2, "t_end": 2, "path": 10}
    cells = list(one.cells())
    assert [cell.values for cell in cells[:3]] == [
        {"depth": 2, "scale": 1.0, "t_end": 5.0},
        {"depth": 2, "scale": 1.0, "t_end": 6.0},
        {"depth": 2, "scale": 0.1, "t_end": 5.0},
    ]
    assert cells[-1].dynamics == {"kind": "flow", "depth": 3, "t_end": 6.0}
    assert cells[-1].start == {"law": "gaussian", "scale": 0.1}
    assert repr(cells[0]) == "depth = 2, scale = 1.0, t_end = 5.0"


def test_a_change_is_told_by_what_differs():
    changed = study(paths=11, grid={"depth": [1, 3], "scale": [1.0, 0.1]})
    assert differences(study(), changed) == [
        "grid.depth = [1, 2], not [1, 3]",
        "paths = 10, not 11",
    ]
    turned = study(grid={"scale": [1.0, 0.1], "depth": [1, 2]})
    assert differences(study(), turned) == [
        "order of grid = ['depth', 'scale'], not ['scale', 'depth']"
    ]
    assert differences(study(), study(figure="math:sin")) == []


FLOW = {"kind": "flow", "t_end": 1.0}
LANGEVIN = {"kind": "langevin", "beta": 1.0, "dt": 0.1, "steps": 2}
WIDE = {"kind": "quadratic", "target": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]}


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"energy": {}}, "energy", "one of kind, dataset and call; it has none"),
        ({"energy": {"kind": "completion"}}, "energy", "table or triplets"),
        ({"energy": {"dataset": "x"}}, "energy", "fertility"),
        ({"energy": {"call": "nowhere:make"}}, "energy.call", "cannot be imported"),
        ({"energy": {"call": "nowhere"}}, "energy.call", "module:function"),
        ({"energy": 3}, "energy", "a table [energy]"),
        ({"start": {"law": "gauss"}}, "start.law", "not 'gauss'"),
        ({"start": {}}, "start.law", "is missing"),
        ({"start": {"law": "gaussian", "scale": 0.1}}, "grid.scale", "take one away"),
        ({"start": {"law": "spectral"}, "grid": {"depth": [2]}}, "start.law", "kind lowrank"),
        ({"dynamics": {"kind": "flow", "t_end": -1.0}}, "dynamics.t_end", "> 0, not -1.0"),
        ({"dynamics": FLOW | {"upstairs": True}, "grid": {"depth": [2, 2.5], "scale": [1.0]}},
         "dynamics.upstairs", "whole depths, not 2.5 (depth = 2.5, scale = 1.0)"),
        ({"dynamics": LANGEVIN, "energy": WIDE}, "dynamics.kind", "langevin needs square W"),
        ({"dynamics": LANGEVIN | {"upstairs": True}}, "start.law", "balanced weights"),
        ({"energy": WIDE, "grid": {"depth": [float("inf")], "scale": [1.0]}}, "dynamics.depth",
         "depth inf needs square W"),
        ({"start": {"law": "gaussian", "width": 3}}, "start.width", "hidden layers"),
        ({"start": {"law": "gaussian", "sign": 1}, "energy": WIDE}, "start.sign", "square"),
        ({"start": {"law": "matrix", "matrix": [[1.0, 2.0]]}}, "start.matrix", "must be 2 x 2"),
        ({"start": {"law": "balanced"}, "grid": {"depth": [1.5], "scale": [1.0]}}, "start.law",
         "whole depths"),
        ({"grid": {"depth": [], "scale": [1.0]}}, "grid.depth", "at least one"),
        ({"grid": {"depth": [2], "scale": [[1.0]]}}, "grid.scale", "numbers or of words"),
        ({"grid": {"depth": [2, 2], "scale": [1.0]}}, "grid.depth", "twice"),
        ({"grid": {"depth": [2], "scale": [1.0], "law": ["x"]}}, "grid.law", "unknown key"),
        ({"grid": {"depth": [2], "scale": [1.0], "start.law": ["x"]}}, "grid.start.law", "vary"),
        ({"grid": {"depth": [2], "scale": [1.0], "start.depth": [2]}}, "grid", "two axes depth"),
        ({"observables": []}, "observables", "at least one"),
        ({"observables": ["W", "W"]}, "observables", "once: W"),
        ({"observables": ["depth"]}, "observables", "not 'depth'"),
        ({"observables": ["W_t"]}, "observables", "not 'W_t'"),
        ({"observables": ["W_2_0"]}, "observables", "no entry of W"),
        ({"observables": ["imbalance"]}, "observables", "upstairs = true"),
        ({"observables": ["det"], "energy": WIDE}, "observables", "square"),
        ({"observables": ["math:nothing"]}, "observables", "cannot be imported"),
        ({"series": {"times": [0.0, 2.0]}}, "series", "series.observables must be given"),
        ({"series": {"times": [2.0, 1.0], "observables": ["W"]}}, "series.times", "increasing"),
        ({"series": {"times": [1e9], "observables": ["W"]}}, "series.times", "beyond t_end"),
        ({"series": {"every": 2, "observables": ["W"]}}, "series.every", "unknown key"),
        ({"dynamics": LANGEVIN, "series": {"every": 0, "observables": ["W"]}}, "series.every",
         ">= 1"),
        ({"paths": 0}, "paths", ">= 1"),
        ({"seed": -1}, "seed", ">= 0"),
        ({"figure": 3}, "figure", "string"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_at_its_place(changes, place, words):
    found = refusals(**changes)
    assert place in found
    assert words in found[place]


def test_mistakes_at_the_top_hide_no_others():
    found = refusals(
        paths=-1, seed="x", observables=["Q"], start={"law": "gauss"},
        dynamics={"kind": "flow", "t_ned": 1.0}, grid={"depth": [0.5], "nothing.x": [1]},
        series=3,
    )  # fmt: skip
    wanted = {"paths", "seed", "observables", "start.law", "dynamics", "dynamics.t_ned", "series"}
    assert set(found) == wanted | {"grid.depth", "grid.nothing.x"}
    assert set(refusals(energy=3, grid={"depth": [2, 2], "scale": [1.0]})) == {
        "energy",
        "grid.depth",
    }


@pytest.mark.parametrize("kind", ["flaw", ["flow"], None])
def test_a_kind_that_there_is_not_is_one_mistake(kind):
    table = {"kind": kind, "t_end": 1.0}
    if kind is None:
        del table["kind"]
    grid = {"depth": [2], "scale": [1.0], "dynamics.rtol": [1e-3]}
    series = {"every": 2, "observables": ["W"]}
    assert set(refusals(dynamics=table, grid=grid, series=series)) == {"dynamics.kind"}
    start = {"law": kind} if kind is not None else {}
    assert set(refusals(start=start)) == {"start.law"}


def test_many_wrong_cells_are_one_mistake():
    found = refusals(start={"law": "balanced"}, grid={"depth": [1.5, 2.5, 3.5, 4.5], "scale": [1]})
    assert "depth = 3.5, scale = 1 and 1 more cells" in found["start.law"]


def test_a_module_of_a_name_that_is_taken_is_refused(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "taken_name.py").write_text("def f(runs):\n    return runs.t_end\n")
    study(observables=["taken_name:f"], folder=str(tmp_path / "one"))
    found = refusals(observables=["taken_name:f"], folder=str(tmp_path / "other"))
    assert "another module of that name" in found["observables"]
