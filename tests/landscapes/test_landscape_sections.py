"""Planes and lines: their points, coordinates and distances, and the files that describe them."""

import dataclasses
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import landscapes
from dlngeo.landscapes import Section
from dlngeo.landscapes.config import PRESETS, Config, from_toml, preset, to_toml

A, B, C = np.random.default_rng(0).standard_normal((3, 3, 3))


@pytest.mark.parametrize(
    "section",
    [
        Section.entries(A, [(0, 1), (2, 0)]),
        Section.entries(A, [(1, 1)]),
        Section.along(A, (B, C), names=("u", "v")),
        Section.singular_values(A, (0, 2)),
        Section.through((A, B, C)),
        Section.through((A, B)),
    ],
    ids=repr,
)
def test_coordinates_of_points_are_what_made_them(section):
    x = np.random.default_rng(1).standard_normal((4, 5, len(section.names)))
    W = section.points(x)
    assert W.shape == (4, 5, 3, 3)
    assert_allclose(section.coordinates(W), x, atol=1e-12)
    assert_allclose(section.distance(W), 0.0, atol=1e-13)
    away = W + np.random.default_rng(2).standard_normal(W.shape)
    best = section.coordinates(away)
    for step in 1e-3 * np.eye(len(section.names)):
        farther = np.linalg.norm(away - section.points(best + step), axis=(-2, -1))
        assert (farther >= section.distance(away)).all()


def test_entries_are_the_coordinates():
    W = Section.entries(A, [(0, 1), (2, 0)]).points([5.0, 7.0])
    wanted = A.copy()
    wanted[0, 1], wanted[2, 0] = 5.0, 7.0
    assert_allclose(W, wanted, atol=1e-15)


def test_singular_values_are_the_coordinates():
    section = Section.singular_values(A, (0, 1))
    least = np.linalg.svd(A, compute_uv=False)[2]
    sigma = np.linalg.svd(section.points([5.0, 3.0]), compute_uv=False)
    assert_allclose(sigma, [5.0, 3.0, least], rtol=1e-12)
    assert section.names == ("sigma_1", "sigma_2")


def test_three_matrices_are_corners():
    section = Section.through((A, B, C))
    for x, W in (((0, 0), A), ((1, 0), B), ((0, 1), C)):
        assert_allclose(section.points(x), W, atol=1e-14)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Section.entries(A, [(0, 3)]), "at most 2"),
        (lambda: Section.entries(A, []), "axes must be one, for a line, or two"),
        (lambda: Section.along(A, (B, 2 * B)), "dependent"),
        (lambda: Section.along(A, [np.zeros((3, 3))]), "or zero"),
        (lambda: Section.along(A, (B, C), names=("u",)), "names must name 2"),
        (lambda: Section.along(A, (B, C), names=("u", "u")), "each its own"),
        (lambda: Section.singular_values(A, [3]), "at most 2"),
        (lambda: Section.through([A]), "matrices must be two or three"),
        (lambda: Section.through((A, np.eye(2))), "one 3 x 3 matrix"),
        (lambda: Section.through((A, B)).points([1.0, 2.0]), "coordinates must have shape"),
    ],
)
def test_what_is_no_section_is_refused(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()


# ------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_are_what_their_toml_says(name):
    again = from_toml(to_toml(preset(name)))
    np.testing.assert_equal(dataclasses.asdict(again), dataclasses.asdict(preset(name)))


FILE = """
depth = [2, inf]
beta = 5
extent = [[0, 1], [0, 2]]
at = [[2, 0], [0, 1]]
singular_values = [0, 1]
n = 3

[energy]
kind = "quadratic"
target = [[2, 0], [0, 1]]
"""


def test_a_file_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    landscape = landscapes.read(path).landscape()
    assert_allclose(landscape.numbers["depth"], [2, math.inf])
    assert landscape.values["F"].shape == (2, 3, 3)
    assert list(landscape.coordinates) == ["sigma_1", "sigma_2"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("depth = [2, inf]", ""), "depth must be given"),
        (("n = 3", "points_n = 3"), "unknown key 'points_n'"),
        (("n = 3", "n = 1"), "n must be an integer >= 2"),
        (("n = 3", "through = [[[1]], [[2]]]"), "give one of"),
        (("at = [[2, 0], [0, 1]]", ""), "at must be given with singular_values"),
        (("beta = 5", "beta = -5"), "beta must be > 0"),
        (("beta = 5", 'beta = "five"'), "beta must be a real number"),
        (("[0, 1]]\nsingular", "[0, 1, 2]]\nsingular"), "rows of one length"),
        (("kind =", "kind : "), "line"),
        (('kind = "quadratic"', 'kind = "cubic"'), "energy.kind must be one of"),
        (("n = 3", "flow_lines = -1"), "flow_lines must be"),
        (("n = 3", 'quantities = ["G"]'), "quantities must be"),
    ],
)
def test_mistakes_of_a_file_are_named(tmp_path, change, words):
    path = tmp_path / "mine.toml"
    assert change[0] in FILE
    path.write_text(FILE.replace(*change))
    with pytest.raises((ValueError, TypeError), match=rf"^mine.toml: .*{words}"):
        landscapes.read(path)


def test_a_name_that_is_no_preset_is_refused():
    with pytest.raises(ValueError, match="preset must be one of hyperbola, singular-values"):
        preset("parabola")


def test_entries_and_directions_of_a_configuration():
    energy = {"kind": "quadratic", "target": [[2.0, 0.0], [0.0, 1.0]]}
    line = Config(energy=energy, depth=2, extent=1.0, entries=[[0, 1]], n=4).landscape()
    assert list(line.coordinates) == ["W_12"] and line.values["E"].shape == (4,)
    along = Config(
        energy=energy, depth=2, extent=1.0, n=4, at=[[1.0, 0.0], [0.0, 1.0]],
        directions=[[[0.0, 1.0], [1.0, 0.0]]],
    ).landscape()  # fmt: skip
    assert_allclose(along.section.points([0.5]), [[1.0, 0.5], [0.5, 1.0]])
