"""Configurations: to TOML and back, and one clear line for whatever is wrong."""

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from dlngeo.energies import KINDS
from dlngeo.langevin import SCHEMES
from dlngeo.simulation import config

GOOD = """
depth = 3
beta = 10.0
dt = 0.01
steps = 20
start = [[1.0, 2], [0, 1.5]]

[energy]
kind = "completion"
table = [[1.0, nan], [nan, 2.0]]
"""


def changed(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


# ------------------------------------------------------------------------------------------ reading


def test_file_says_everything(tmp_path):
    (tmp_path / "run.toml").write_text(GOOD)
    settings = config.read(tmp_path / "run.toml")
    assert (settings.depth, settings.beta, settings.dt, settings.steps) == (3.0, 10.0, 0.01, 20)
    assert (settings.kappa, settings.weight_decay, settings.paths, settings.seed) == (
        1.0,
        0.0,
        256,
        0,
    )
    assert_array_equal(settings.matrix(), [[1, 2], [0, 1.5]])
    energy = settings.build_energy()
    assert_array_equal(energy.mask, [[True, False], [False, True]])
    assert_array_equal(energy.observed, [[1, 0], [0, 2]])


def test_triplets_are_the_same_energy_as_a_table():
    listed = config.from_toml(
        changed("table = [[1.0, nan], [nan, 2.0]]", "triplets = [[1, 1, 2.0], [0, 0, 1]]")
    )
    table = config.from_toml(GOOD)
    W = np.array([[0.3, 5.0], [7.0, -1.0]])
    assert listed.build_energy().value(W) == table.build_energy().value(W)


def test_quadratic_target():
    text = changed('"completion"', '"quadratic"').replace("table", "target").replace("nan", "0.5")
    energy = config.from_toml(text).build_energy()
    assert energy.value([[1.0, 0.5], [0.5, 0.0]]) == 2.0


@pytest.mark.parametrize("name", list(config.PRESETS))
def test_presets_go_to_toml_and_back(name):
    settings = config.preset(name)
    again = config.from_toml(config.to_toml(settings))
    assert config.to_toml(again) == config.to_toml(settings)
    for field in dataclasses.fields(settings):
        if field.name != "energy":  # it may hold NaN
            assert getattr(again, field.name) == getattr(settings, field.name)
    W = settings.matrix() + 0.3
    assert again.build_energy().value(W) == settings.build_energy().value(W)


finite = st.floats(-1e3, 1e3)
positive = st.floats(1e-300, 1e300)


@given(
    st.tuples(finite, finite, finite, finite),
    st.one_of(st.floats(1, 1e6), st.just(math.inf), st.integers(1, 9)),
    positive,
    st.floats(1e-90, 1e90),
    st.integers(0, 2**70),
    st.one_of(st.none(), st.integers(1, 99)),
)
def test_any_numbers_go_to_toml_and_back(entries, depth, beta, dt, seed, save_every):
    start = [list(entries[2:]), list(entries[:2])]
    assume(np.linalg.matrix_rank(start) == 2)
    settings = config.Config(
        energy={"kind": "quadratic", "target": start[::-1]},
        start=start,
        depth=depth,
        beta=beta,
        dt=dt,
        steps=3,
        seed=seed,
        save_every=save_every,
    )
    assert config.from_toml(config.to_toml(settings)) == settings


def test_whole_numbers_and_decimals_are_one_configuration():
    assert config.to_toml(config.from_toml(GOOD)) == config.to_toml(
        config.from_toml(changed("depth = 3", "depth = 3.0"))
    )


def test_replaced_changes_what_is_given_alone():
    settings = config.from_toml(GOOD)
    other = settings.replaced(beta=2.0, paths=None, upstairs=True, kappa=0.0)
    assert (other.beta, other.paths, other.upstairs, other.kappa) == (2.0, 256, True, 0.0)
    assert other.start == settings.start


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_energy_goes_to_toml_and_back(kind, rng):
    X, Y, A = rng.standard_normal((3, 2, 2))
    labels = [[1, -1], [-1, 1]]
    data = {
        "completion": {"table": [[1, math.nan], [math.nan, 2]]},
        "quadratic": {"target": A},  # an array, as Python may give it
        "regression": {"X": X, "Y": Y},
        "sensing": {"measurements": [A, X], "values": [1, 2.5]},
        "logistic": {"X": X, "Y": labels},
        "sparse_completion": {"triplets": [[0, 0, 1.5], [1, 1, 2]], "shape": [2, 2]},
        "sparse_huber": {"triplets": [[0, 0, 1.5], [1, 1, 2]], "shape": [2, 2], "threshold": 0.5},
        "sparse_logistic": {"triplets": [[0, 0, 1], [1, 1, -1]], "shape": [2, 2]},
    }
    settings = config.from_toml(GOOD).replaced(energy={"kind": kind, **data[kind]})
    again = config.from_toml(config.to_toml(settings))
    W = settings.matrix() + 0.3
    assert again.build_energy().value(W) == settings.build_energy().value(W)
    assert config.difference(again, settings) == ("", "", "")


def test_difference_is_of_what_is_said_not_of_how():
    one = config.from_toml(GOOD)
    listed = config.from_toml(
        changed("table = [[1.0, nan], [nan, 2.0]]", "triplets = [[1, 1, 2.0], [0, 0, 1]]")
    )
    assert config.difference(one, listed) == ("", "", "")
    assert config.difference(one, one.replaced(beta=3)) == ("beta", "beta = 10.0", "beta = 3.0")
    key, theirs, ours = config.difference(one, one.replaced(upstairs=True, save_every=2))
    assert (key, theirs, ours) == ("upstairs", "upstairs = false", "upstairs = true")
    key, theirs, ours = config.difference(one, one.replaced(save_every=2))
    assert (key, theirs, ours) == ("save_every", "save_every not given", "save_every = 2")
    target = one.replaced(energy={"kind": "quadratic", "target": np.eye(2)})
    assert config.difference(one, target)[0] == "kind"


@pytest.mark.parametrize("method", ["auto", *SCHEMES])
def test_a_scheme_is_asked_for_by_its_name(method):
    upstairs = method in SCHEMES and SCHEMES[method].upstairs
    line = f'method = "{method}"'
    if upstairs:
        with pytest.raises(ValueError, match="method must be 'auto' or of "):
            config.from_toml(with_line(line))
        line += "\nupstairs = true"
    asked = config.from_toml(with_line(line))
    assert asked.method == config.from_toml(config.to_toml(asked)).method == method


# -------------------------------------------------------------------------------------- what is bad


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("beta = 10.0", "bta = 10.0", "unknown key 'bta'; the keys are energy, start, depth"),
        ("beta = 10.0", "", "beta must be given"),
        ("beta = 10.0", 'beta = "10"', "beta must be a number, not '10'"),
        ("beta = 10.0", "beta = true", "beta must be a number, not True"),
        ("beta = 10.0", "beta = 0", "beta must be finite and > 0, not 0"),
        ("beta = 10.0", "beta = nan", "beta must be finite and > 0, not nan"),
        ("depth = 3", "depth = 0.5", "depth must be a real number >= 1 or inf, not 0.5"),
        ("depth = 3", "depth = 2.5\nupstairs = true", "upstairs needs a whole depth, not 2.5"),
        ("depth = 3", "depth = 3\nupstairs = 1", "upstairs must be true or false, not 1"),
        ("dt = 0.01", "dt = -1", "dt must be finite and > 0, not -1"),
        ("dt = 0.01", "dt = 0.01\nkappa = -1", "kappa must be finite and >= 0, not -1"),
        ("steps = 20", "steps = 20.0", "steps must be an integer >= 1, not 20.0"),
        ("steps = 20", "steps = 0", "steps must be an integer >= 1, not 0"),
        ("steps = 20", "steps = true", "steps must be an integer >= 1, not True"),
        ("steps = 20", "steps = 20\nseed = -1", "seed must be an integer >= 0, not -1"),
        ("steps = 20", "steps = 20\npaths = 0", "paths must be an integer >= 1, not 0"),
        ("steps = 20", "steps = 20\nsave_every = 0", "save_every must be an integer >= 1, not 0"),
        ("start = [[1.0, 2], [0, 1.5]]", "start = [[1.0, 2]]", "one square matrix"),
        (
            "start = [[1.0, 2], [0, 1.5]]",
            "start = [[1.0, 2], [0]]",
            "start must have rows of one length, at least 1; it has 1 and 2",
        ),
        (
            "start = [[1.0, 2], [0, 1.5]]",
            'start = "I"',
            "start must be a list of rows [[…], …], not",
        ),
        (
            "start = [[1.0, 2], [0, 1.5]]",
            "start = [[1.0]]",
            "shape (1, 1) asked for; its",
        ),
        ("start = [[1.0, 2], [0, 1.5]]", "start = [[nan, 2], [0, 1]]", "start must be finite"),
        (
            'kind = "completion"',
            "",
            "energy.kind must be one of completion, logistic, quadratic,",
        ),
        (
            '"completion"',
            '"cubic"',
            "sparse_huber, sparse_logistic, not 'cubic'",
        ),
        ('"completion"', '"quadratic"', "kind quadratic needs one key besides, target; it has t"),
        ("table = ", "tabel = ", "needs one key besides, table or triplets; it has tabel"),
        (
            "table = [[1.0, nan], [nan, 2.0]]",
            "table = [[nan]]",
            "energy.table must have at least one entry that is",
        ),
        (
            "table = [[1.0, nan], [nan, 2.0]]",
            "table = [[inf]]",
            "energy.table must be finite, or nan",
        ),
        ("table = [[1.0, nan], [nan, 2.0]]", "triplets = [[0, 1]]", "energy.triplets must be"),
        ("table = [[1.0, nan], [nan, 2.0]]", "triplets = [[0.5, 0, 1]]", "energy.triplets must"),
        (
            "table = [[1.0, nan], [nan, 2.0]]",
            "triplets = [[0, 2, 1]]",
            "rows from 0 to 1 and columns from 0 to 1; they run from 0 to 2",
        ),
        ("dt = 0.01", 'dt = 0.01\nmethod = "rk4"', "method must be 'auto', 'weak2', "),
        ("dt = 0.01", "dt = 0.01\nmethod = 2", "method must be "),
        ("[energy]", "[energies]", "unknown key 'energies'"),
        ("depth = 3", "depth 3", "line 2"),
    ],
)
def test_bad_files_are_one_line_that_says_why(tmp_path, old, new, wanted):
    (tmp_path / "bad.toml").write_text(changed(old, new))
    with pytest.raises((ValueError, TypeError)) as caught:
        config.read(tmp_path / "bad.toml")
    message = str(caught.value)
    assert message.startswith("bad.toml: ") and "\n" not in message
    assert wanted in message


HUGE = "1" + "0" * 400  # ten to the four hundredth
WRONG = {  # a value of every kind that TOML has, and what is said of each beside a number
    '"3"': "not '3'",
    "true": "not True",
    "[3]": "not [3]",
    "{a = 3}": "not {'a': 3}",
    "2020-01-01": "not datetime.date(2020, 1, 1)",
    "12:00:00": "not datetime.time(12, 0)",
    HUGE: "not an integer of 401 digits",
    '"' + "x" * 999 + '"': "xxx…",
}
PLACES = {  # every number that a file can give, and how its place is called
    **{f"{name} = {{}}": name for name in ("depth", "beta", "dt", "kappa", "weight_decay")},
    **{f"{name} = {{}}": name for name in ("steps", "paths", "save_every")},
    "start = [[1.0, 2], [{}, 1.5]]": "start[1][0]",
    "table = [[1.0, {}], [nan, 2.0]]": "energy.table[0][1]",
    "triplets = [[0, 0, {}]]": "energy.triplets[0][2]",
    "target = [[{}, 0], [0, 0]]": "energy.target[0][0]",
}


def with_line(line):
    """The good file with this line in the place of its own."""
    key = line.split(" = ")[0]
    kept = [old for old in GOOD.splitlines() if not old.startswith(f"{key} = ")]
    if key in ("table", "triplets", "target"):
        kept = [old for old in kept if not old.startswith(("table", "kind"))]
        kind = "quadratic" if key == "target" else "completion"
        return "\n".join([*kept, f'kind = "{kind}"', line])
    return "\n".join([line, *kept])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", WRONG)
def test_wrong_values_are_told_by_place_and_kind(place, value):
    with pytest.raises((TypeError, ValueError)) as caught:
        config.from_toml(with_line(place.format(value)))
    said = str(caught.value)
    assert said.startswith(f"{PLACES[place]} must be ")
    assert said.endswith(WRONG[value])
    assert len(said) < 150 and "\n" not in said


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_what_is_not_finite_is_refused_but_for_depth_and_gaps(place, value):
    if (place, value) in (("depth = {}", "inf"), ("table = [[1.0, {}], [nan, 2.0]]", "nan")):
        config.from_toml(with_line(place.format(value)))
        return
    with pytest.raises((TypeError, ValueError)) as caught:
        config.from_toml(with_line(place.format(value)))
    assert str(caught.value).startswith(PLACES[place].split("[")[0])


def test_whole_numbers_beyond_what_toml_promises_are_refused_but_in_a_seed():
    for name in ("steps", "paths", "save_every"):
        with pytest.raises(ValueError, match=rf"{name} must be .* and at most 9223372036854775807"):
            config.from_toml(with_line(f"{name} = {2**63}"))
    assert config.from_toml(with_line(f"seed = {2**128}")).seed == 2**128
    for huge in (10**400, 10**9000):  # beyond what Python itself prints
        with pytest.raises(ValueError, match=r"steps must be .* not an integer of [49]0+1 digits"):
            config.preset("hyperbola").replaced(steps=huge)
    settings = config.from_toml(with_line("start = [[100000000000000000000, 0], [0, 1]]"))
    assert settings.start[0][0] == 1e20


@pytest.mark.parametrize("dt", ["1e308", "1e100", "1e-110"])
def test_time_must_be_of_a_length_that_flows_take(dt):
    with pytest.raises(ValueError, match=r"steps \* dt must be from 1e-100 to 1e100; it is 20 \* "):
        config.from_toml(with_line(f"dt = {dt}"))


def test_energy_must_be_finite_at_the_start():
    with pytest.raises(ValueError, match="energy must be finite at the start; it is beyond 1"):
        config.from_toml(with_line("target = [[1e200, 0], [0, 1]]"))


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"depth = 3\nbeta = = 1\n", "line 2"),
        (b'depth = 3\nname = "\xe9"\n', "not text in UTF-8 (byte 18)"),
        (b"\xff\xfed\x00", "not text in UTF-8 (byte 0)"),
        (b"#" * (2**26 + 1), "must be at most 64 MiB long"),
        (b"start = " + b"[" * 5000 + b"]" * 5000, "lists are nested too deeply"),
        (b"beta = " + b"9" * 5000, "4300 digits"),
        (b"beta = 2020-13-45", "bad.toml: "),
        (b"beta = 1\nbeta = 2\n", "Cannot overwrite a value (at line 2"),
        (b"", "energy, start, depth, beta, dt, steps must be given"),
        (b"\x00", "line 1"),
        (b"a.b.c = 1", "unknown key 'a'"),
        (b"[[energy]]\nkind = 1", "must be given"),
    ],
)
def test_text_that_is_no_configuration_is_one_line(tmp_path, content, wanted):
    (tmp_path / "bad.toml").write_bytes(content)
    with pytest.raises(ValueError) as caught:
        config.read(tmp_path / "bad.toml")
    said = str(caught.value)
    assert said.startswith("bad.toml: ") and wanted in said and "\n" not in said


def test_mark_at_the_beginning_of_a_text_is_no_part_of_it(tmp_path):
    (tmp_path / "run.toml").write_text(GOOD, encoding="utf-8-sig")
    assert config.read(tmp_path / "run.toml").beta == 10.0


def test_no_damage_to_a_file_goes_further_than_one_line(tmp_path, rng):
    good, file = GOOD.encode(), tmp_path / "bad.toml"
    outcomes = []
    for _ in range(200):
        bad = bytearray(good)
        for place in rng.integers(len(bad), size=rng.integers(1, 4)):
            bad[place] = rng.integers(256)
        file.write_bytes(bad[: rng.integers(len(bad) // 2, len(bad) + 1)])
        try:
            config.read(file)
            outcomes.append(True)
        except (TypeError, ValueError) as error:
            assert str(error).startswith("bad.toml: ")
            assert len(str(error).splitlines()) == 1
            outcomes.append(False)
    assert outcomes.count(False) > 100


def test_triplets_name_each_entry_once():
    with pytest.raises(ValueError, match=r"energy\.triplets must name each entry once"):
        config.from_toml(with_line("triplets = [[0, 0, 1.0], [0, 0, 2.0]]"))


def test_energy_must_be_a_table(tmp_path):
    text = GOOD.split("[energy]")[0] + "energy = 3\n"
    with pytest.raises(TypeError, match=r"energy must be a table \[energy\], not 3"):
        config.from_toml(text)


def test_no_text_and_no_file_are_said(tmp_path):
    (tmp_path / "junk.toml").write_bytes(bytes(range(128, 256)))
    with pytest.raises(ValueError, match=r"junk\.toml: "):
        config.read(tmp_path / "junk.toml")
    with pytest.raises(FileNotFoundError):
        config.read(tmp_path / "missing.toml")


def test_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="one of hyperbola, curvature, repulsion, not 'nope'"):
        config.preset("nope")


def test_example_of_the_page_is_a_configuration():
    page = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    settings = config.from_toml(text)
    assert settings.kappa == 1.0 and settings.seed == 0  # as the comment says
    assert settings.build_energy().mask.sum() == 2
