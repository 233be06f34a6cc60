"""Masks and pandas frames: missing where that has a meaning, else refused or an ordinary array."""

from decimal import Decimal

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dlngeo import balanced, energies, entropy, flows, metric, tables, weights

NAN = np.nan
ONE = np.eye(2)
HIDDEN = np.ma.masked_equal([[1.0, -999.0], [3.0, 4.0]], -999.0)


# ------------------------------------------------------------------------------------------ masks


@pytest.mark.parametrize("kind", [float, int])
def test_a_mask_means_missing_in_completion(kind):
    energy = energies.MatrixCompletion.from_nan(HIDDEN.astype(kind))
    assert_array_equal(energy.mask, [[True, False], [True, True]])
    # what the mask hides enters nowhere: by the definition, 1/2 sum over S of (W - a)^2
    assert energy.value(np.zeros((2, 2))) == (1 + 9 + 16) / 2
    assert_array_equal(energy.gradient(np.zeros((2, 2))), [[-1, 0], [-3, -4]])


def test_a_mask_and_nan_add_up():
    both = np.ma.masked_array([[1.0, 2.0], [NAN, 4.0]], [[False, True], [False, False]])
    assert_array_equal(tables.from_matrix(both).values, [[1, NAN], [NAN, 4]])


def test_what_a_mask_hides_may_be_anything():
    infinite = np.ma.masked_invalid([[1.0, np.inf], [3.0, 4.0]])
    assert_array_equal(tables.from_matrix(infinite).values, [[1, NAN], [3, 4]])


def test_masked_values_of_triplets_are_gaps():
    values = np.ma.masked_equal([1.0, -999.0], -999.0)
    table = tables.from_triplets(["x", "y"], ["a", "b"], values)
    assert_array_equal(table.values, [[1, NAN], [NAN, NAN]])
    with pytest.raises(ValueError, match="labels must not be masked"):
        tables.from_triplets(np.ma.masked_equal([1, 2], 2), ["a", "b"], [1.0, 2.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda W: metric.apply(W, ONE, 2),
        lambda W: metric.inner(ONE, W, ONE, 2),
        lambda W: balanced.project_tangent((W, ONE), (ONE, ONE)),
        lambda W: entropy.boltzmann(W, 2),
        lambda W: weights.end_to_end((ONE, W)),
        lambda W: energies.Quadratic(W),
        lambda W: energies.MatrixCompletion(W, np.ones((2, 2), bool)),
        lambda W: energies.MatrixCompletion(ONE, np.ma.masked_equal(np.ones((2, 2), bool), True)),
        lambda W: energies.MatrixCompletion.from_triplets(
            np.ma.masked_equal([0, 1], 1), [0, 1], [1.0, 2.0], (2, 2)
        ),
        lambda W: energies.MatrixCompletion.from_triplets([0], [0], W[0, 1:], (2, 2)),
        lambda W: flows.gradient_flow(energies.Quadratic(ONE), W, (0, 1), depth=2),
    ],
)
def test_a_mask_is_refused_where_it_means_nothing(call):
    with pytest.raises(ValueError, match="masked"):
        call(HIDDEN)


@pytest.mark.parametrize(
    "nested",
    [
        [HIDDEN[0], HIDDEN[1]],
        ([1.0, 0.0], HIDDEN[0]),
        [[1.0, np.ma.masked], [0.0, 1.0]],
        [[HIDDEN]],
    ],
)
def test_masks_within_lists_are_refused(nested):
    with pytest.raises(ValueError, match="W must not be masked"):
        metric.apply(nested, ONE, 2)
    with pytest.raises(ValueError, match="table must not be masked"):
        tables.from_matrix(nested)


def test_an_empty_mask_is_none():
    plain = np.ma.masked_array(ONE, np.zeros((2, 2), bool))
    assert_array_equal(metric.apply(plain, np.ma.masked_array(ONE), 2), metric.apply(ONE, ONE, 2))


# ----------------------------------------------------------------------------------------- pandas


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


@pytest.fixture
def frame(pandas):
    return pandas.DataFrame({"a": [1.5, None], "b": [2, 3]}, index=["x", "y"])


@pytest.mark.parametrize("kind", ["float64", "Float64", "object", "Sparse[float]"])
def test_frames_of_every_numeric_kind(frame, kind):
    table = tables.from_matrix(frame.astype(kind))
    assert_array_equal(table.values, [[1.5, 2], [NAN, 3]])
    assert (table.rows, table.columns) == (("x", "y"), ("a", "b"))
    assert_array_equal(
        energies.MatrixCompletion.from_nan(frame.astype(kind)).mask, [[True, True], [False, True]]
    )


def test_nullable_integers_and_booleans(pandas):
    frame = pandas.DataFrame(
        {"i": pandas.array([1, None], "Int64"), "b": pandas.array([None, True], "boolean")}
    )
    assert_array_equal(tables.from_matrix(frame).values, [[1, NAN], [NAN, 1]])


def test_objects_that_are_numbers(pandas):
    frame = pandas.DataFrame({"a": [Decimal("1.5"), pandas.NA], "b": [True, np.int8(3)]}, dtype="O")
    assert_array_equal(tables.from_matrix(frame).values, [[1.5, 1], [NAN, 3]])


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (["1.5", None], r"column 'a', must hold real numbers; in row 0 it holds '1\.5'"),
        ([1, "x"], "in row 1 it holds 'x'"),
        ([1j, 1], "its dtype is complex128"),
        ([1, 1j], "complex128"),
        (np.array(["2020-01-01", "2020-01-02"], "M8[s]"), "its dtype is datetime64"),
    ],
)
def test_columns_that_are_no_numbers_are_refused(pandas, column, said):
    with pytest.raises(TypeError, match=said):
        tables.from_matrix(pandas.DataFrame({"a": column}))


def test_labels_of_several_levels_and_twice_the_same(pandas):
    index = pandas.MultiIndex.from_tuples([("EU", "F"), ("EU", "D")])
    table = tables.from_matrix(pandas.DataFrame([[1, 2], [3, 4.5]], index=index, columns=[7, 7]))
    assert (table.rows, table.columns) == (("EU / F", "EU / D"), ("7", "7"))
    assert_array_equal(table.values, [[1, 2], [3, 4.5]])


def test_triplets_of_series(frame, pandas):
    table = tables.from_triplets(frame.index, pandas.Series([10, 9]), frame["a"])
    assert (table.rows, table.columns) == (("x", "y"), ("9", "10"))
    assert_array_equal(table.values, [[NAN, 1.5], [NAN, NAN]])


def test_geometry_takes_a_frame_as_the_array_it_is(pandas):
    W = np.array([[2.0, 1.0], [0.0, 3.0]])
    assert_array_equal(metric.apply(pandas.DataFrame(W), ONE, 3), metric.apply(W, ONE, 3))
    with pytest.raises(TypeError, match="its dtype is object"):
        metric.apply(pandas.DataFrame(W, dtype="object"), ONE, 3)


@pytest.mark.parametrize("matrix", [[1.0, 2.0], np.ones((2, 2, 2))])
def test_a_table_is_a_matrix(matrix):
    with pytest.raises(ValueError, match="table must be a matrix"):
        tables.from_matrix(matrix)
