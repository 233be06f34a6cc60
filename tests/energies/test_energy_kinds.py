"""Energies by name: from plain numbers and back, and what is refused."""

import json
import tomllib

import numpy as np
import pytest

from dlngeo import energies
from dlngeo.energies import KINDS, MatrixCompletion, from_config

RNG = np.random.default_rng(5)
X, Y = RNG.standard_normal((3, 6)), RNG.standard_normal((2, 6))
MASK = np.array([[1, 0, 1], [0, 1, 1]], dtype=bool)
NAMED = {
    "completion": MatrixCompletion(Y[:, :3], MASK),
    "quadratic": energies.Quadratic(Y[:, :3]),
    "regression": energies.LinearRegression(X, Y),
    "sensing": energies.MatrixSensing(RNG.standard_normal((4, 2, 3)), RNG.standard_normal(4)),
    "logistic": energies.Logistic(X, np.sign(Y)),
    "sparse_completion": energies.SparseCompletion([1, 0], [2, 0], [3.0, 0.5], (2, 3)),
    "sparse_huber": energies.SparseHuber([1, 0], [2, 0], [3.0, 0.5], (2, 3), threshold=0.25),
    "sparse_logistic": energies.SparseLogistic([1, 0], [2, 0], [1, -1], (2, 3)),
}


def test_every_energy_of_the_library_has_a_name():
    assert NAMED.keys() == KINDS.keys()
    assert {type(energy) for energy in NAMED.values()} == set(KINDS.values())


@pytest.mark.parametrize("kind", NAMED)
def test_plain_numbers_lead_back_to_an_equal_energy(kind, rng):
    energy, W, V = NAMED[kind], *rng.standard_normal((2, 2, 3))
    plain = json.loads(json.dumps(energy.to_config()))
    assert plain["kind"] == kind
    for back in (from_config(plain), from_config(plain, (2, 3)), KINDS[kind].from_config(plain)):
        assert type(back) is type(energy) and back.shape == energy.shape
        np.testing.assert_array_equal(back.value(W), energy.value(W))
        np.testing.assert_array_equal(back.gradient(W), energy.gradient(W))
        np.testing.assert_array_equal(back.hessian(W, V), energy.hessian(W, V))
        np.testing.assert_equal(back.to_config(), energy.to_config())
    with pytest.raises(ValueError, match=r"shape \(3, 2\) asked for"):
        from_config(plain, (3, 2))


def test_triplets_need_a_shape():
    table = tomllib.loads('kind = "completion"\ntriplets = [[0, 1, 2.5], [1, 0, -1]]')
    energy = from_config(table, (2, 3))
    np.testing.assert_array_equal(energy.observed, [[0, 2.5, 0], [-1, 0, 0]])
    with pytest.raises(ValueError, match="shape must be given"):
        from_config(table)
    with pytest.raises(ValueError, match="rows from 0 to 0 and columns from 0 to 2; they run"):
        from_config(table, (1, 3))


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (3, TypeError, "energy must be a table"),
        ({}, ValueError, "energy.kind must be one of completion, logistic, quadratic"),
        ({"kind": "cubic"}, ValueError, "energy.kind must be one of .*, not 'cubic'"),
        ({"kind": "regression", "X": [[1.0]]}, ValueError, "needs keys besides, X and Y; it has X"),
        ({"kind": "quadratic"}, ValueError, "needs one key besides, target; it has none"),
        (
            {"kind": "sensing", "measurements": [[[1.0]], [[1.0, 2.0]]], "values": [1, 2]},
            ValueError,
            "energy.measurements must be matrices of one shape",
        ),
        (
            {"kind": "sensing", "measurements": [[[1.0]]], "values": ["a"]},
            TypeError,
            r"energy.values\[0\] must be a number",
        ),
        (
            {"kind": "completion", "triplets": [[0, 0, 1], [0, 0, 2]]},
            ValueError,
            "must name each entry once",
        ),
    ],
)
def test_refusals(table, error, words):
    with pytest.raises(error, match=words):
        from_config(table, (1, 1))


def test_an_energy_of_ones_own_can_be_named(monkeypatch):
    class Mine(energies.Quadratic):
        kind = "mine"

    monkeypatch.setitem(KINDS, "mine", Mine)
    assert type(from_config({"kind": "mine", "target": [[1.0]]})) is Mine


def test_short_reprs():
    shown = {
        "completion": "MatrixCompletion(2 x 3, 4 observed)",
        "quadratic": "Quadratic(2 x 3)",
        "regression": "LinearRegression(3 -> 2, 6 samples)",
        "sensing": "MatrixSensing(2 x 3, 4 measurements)",
        "logistic": "Logistic(3 -> 2, 6 samples)",
        "sparse_completion": "SparseCompletion(2 x 3, 2 observed)",
        "sparse_huber": "SparseHuber(2 x 3, 2 observed)",
        "sparse_logistic": "SparseLogistic(2 x 3, 2 observed)",
    }
    assert {kind: repr(energy) for kind, energy in NAMED.items()} == shown
    assert repr(NAMED["completion"].null_space()) == "NullSpace(2 x 3, 2 entries)"
    assert repr(NAMED["sensing"].null_space()) == "NullSpace(2 x 3, at most 6 entries)"
    assert repr(NAMED["regression"].whiten().maps) == "WeightMaps(3 -> 2)"
