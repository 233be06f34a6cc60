"""Reading tables and triplets: every layout gives the matrix one wrote, every flaw one clear line.

The oracle is a 2 x 4 matrix with two gaps, written out in many ways.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from dlngeo import tables

NAN = np.nan
MATRIX = np.array([[1.5, NAN, 3.0, -4.0], [5.0, 6e-3, NAN, 8.0]])
PLAIN = "1.5,,3,-4\n5,6e-3,,8\n"
ROWS, COLUMNS = np.nonzero(np.isfinite(MATRIX))
VALUES = MATRIX[ROWS, COLUMNS]


@pytest.fixture
def write(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def save(tmp_path):
    """Save one array as .npy, or keywords as .npz."""

    def save(array=None, **arrays):
        path = tmp_path / ("data.npz" if array is None else "data.npy")
        if array is None:
            np.savez(path, **arrays)
        else:
            np.save(path, array)
        return path

    return save


# ------------------------------------------------------------------------- the data that ship along


def test_fertility_has_its_published_size_labels_and_gaps():
    table = tables.dataset("fertility")
    assert table.values.shape == (219, 54)
    assert np.isfinite(table.values).sum() == 10284
    assert np.isnan(table.values).mean() == pytest.approx(0.13, abs=0.005)
    assert table.columns == tuple(str(year) for year in range(1960, 2014))
    assert len(set(table.rows)) == 219
    assert (table.rows[0], table.values[0, 0]) == ("Aruba", 4.82)
    assert "World Bank" in table.source


def test_fertility_holds_plausible_rates():
    values = tables.dataset("fertility").values
    assert np.nanmin(values) > 0.5
    assert np.nanmax(values) < 10


def test_unknown_dataset_is_refused_by_name():
    with pytest.raises(ValueError, match=r"must be 'fertility', not 'nope'"):
        tables.dataset("nope")


# -------------------------------------------------------------------------------------- text tables


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.rstrip("\n"),
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        "\n\n" + PLAIN.replace("\n", "\n\n"),
        " 1.5 , , 3 , -4 \n 5 , 6e-3 , , 8 \n",
        '"1.5","","3","-4"\n"5","6e-3","","8"\n',
        "a,b,c,d\n" + PLAIN,
        "\ufeffa,b,c,d\n" + PLAIN,
        "name,a,b,c,d\nx,1.5,,3,-4\ny,5,6e-3,,8\n",
        "name,code,a,b,c,d\nx,X,1.5,,3,-4\ny,Y,5,6e-3,,8\n",
        ",a,b,c,d\nx,1.5,,3,-4\ny,5,6e-3,,8\n",
    ],
    ids=[
        "plain",
        "no-last-newline",
        "crlf",
        "bom",
        "blank-lines",
        "spaces",
        "quoted",
        "header",
        "bom-header",
        "labels",
        "two-label-columns",
        "empty-corner",
    ],
)
def test_csv_gives_the_matrix(write, text):
    assert_array_equal(tables.read(write(text)).values, MATRIX)


@pytest.mark.parametrize("name", ["data.tsv", "DATA.TSV"])
def test_tsv_is_separated_by_tabs(write, name):
    assert_array_equal(tables.read(write(PLAIN.replace(",", "\t"), name)).values, MATRIX)


def test_txt_is_read_as_csv(write):
    assert_array_equal(tables.read(write(PLAIN, "data.txt")).values, MATRIX)


@pytest.mark.parametrize("gap", ["", "nan", "NaN", "NA", "n/a", "null", "None", "..", "-"])
def test_every_sign_of_a_gap(write, gap):
    assert_array_equal(tables.read(write(f"1,{gap},3,4\n5,6,7,8\n")).values[0], [1, NAN, 3, 4])


def test_labels_are_kept(write):
    table = tables.read(write("name,a,b\nx,1.5,\ny,,4\n"))
    assert (table.rows, table.columns) == (("x", "y"), ("a", "b"))


def test_without_labels_rows_and_columns_are_numbered(write):
    table = tables.read(write(PLAIN))
    assert (table.rows, table.columns) == (("0", "1"), ("0", "1", "2", "3"))


@pytest.mark.parametrize(
    ("text", "shape"), [("1,2,3\n", (1, 3)), ("1.5\n2\n3\n", (3, 1)), ("7\n", (1, 1))]
)
def test_vectors_and_numbers_are_matrices_too(write, text, shape):
    assert tables.read(write(text)).values.shape == shape


# ----------------------------------------------------------------------------------------- triplets


def triplet_text(row="{}", column="{}", header=""):
    lines = (
        f"{row.format(i)},{column.format(j)},{v!r}"
        for i, j, v in zip(ROWS.tolist(), COLUMNS.tolist(), VALUES.tolist(), strict=True)
    )
    return header + "\n".join(lines) + "\n"


@pytest.mark.parametrize("header", ["", "user,item,rating\n"])
def test_triplets_of_words_are_recognised(write, header):
    assert_array_equal(tables.read(write(triplet_text("u{}", "f {}", header))).values, MATRIX)


NUMBERED = [
    triplet_text(),
    triplet_text(header="row,column,value\n"),
    triplet_text("u{}", "{}", "user,item,rating\n"),
    "".join(sorted(triplet_text().splitlines(keepends=True), reverse=True)),
]


@pytest.mark.parametrize("text", NUMBERED, ids=["numbers", "header", "mixed-ids", "any-order"])
def test_whole_numbers_are_triplets_when_told(write, text):
    path = write(text)
    assert "may be triplets" in refusal(path)
    for options in ({"layout": "triplets"}, {"columns": "1,2,3"}, {"columns": [1, 2, 3]}):
        assert_array_equal(tables.read(path, **options).values, MATRIX)


def test_ids_from_one_leave_no_empty_row(write):
    text = "".join(f"{i + 1},{j + 1},{v}\n" for i, j, v in zip(ROWS, COLUMNS, VALUES, strict=True))
    table = tables.read(write(text), "triplets")
    assert_array_equal(table.values, MATRIX)
    assert (table.rows, table.columns) == (("1", "2"), ("1", "2", "3", "4"))


def test_whole_number_ids_are_ordered_as_numbers():
    table = tables.from_triplets(["10", "9", "100"], ["a", "a", "a"], [1.0, 2.0, 3.0])
    assert table.rows == ("9", "10", "100")
    assert_array_equal(table.values, [[2], [1], [3]])


def test_three_columns_of_numbers_that_repeat_a_pair_are_neither_without_being_told(write):
    text = "1,2,5\n1,2,6\n3,4,7\n3,2,8\n"
    assert "may be triplets" in refusal(write(text))
    read = tables.read(write(text), "table", header=False).values
    assert_array_equal(read, np.loadtxt(text.split(), delimiter=","))


def test_three_columns_whose_names_repeat_nothing_are_a_table(write):
    assert tables.read(write("1,5,2.5\n2,6,4\n3,7,6\n")).values.shape == (3, 3)


@pytest.mark.parametrize(("layout", "shape"), [("triplets", (2, 4)), ("table", (6, 3))])
def test_layout_overrules_the_guess(write, save, layout, shape):
    assert tables.read(write(triplet_text()), layout, header=False).values.shape == shape
    assert tables.read(save(np.column_stack((ROWS, COLUMNS, VALUES))), layout).values.shape == shape


# ------------------------------------------------------------------------------------- NumPy, SciPy


@pytest.mark.parametrize("kind", ["float64", "float32", "int16", "uint8", "bool"])
def test_npy_of_any_real_kind(save, kind):
    array = np.arange(8).reshape(2, 4).astype(kind)
    read = tables.read(save(array), "table").values
    assert read.dtype == np.float64
    assert_array_equal(read, array.astype(float))


def test_npy_and_npz_of_one_array_keep_the_gaps(save):
    assert_array_equal(tables.read(save(MATRIX)).values, MATRIX)
    assert_array_equal(tables.read(save(anything=MATRIX)).values, MATRIX)


def test_npy_of_triplets_is_read_when_told(save):
    path = save(np.column_stack((ROWS, COLUMNS, VALUES)))
    assert "--layout triplets or --layout table" in refusal(path)
    assert_array_equal(tables.read(path, "triplets").values, MATRIX)


def test_options_of_text_do_not_belong_to_numpy_files(save):
    with pytest.raises(ValueError, match="only --layout belongs to NumPy files"):
        tables.read(save(MATRIX), header=True)


def test_npz_of_triplets(save):
    assert_array_equal(tables.read(save(i=ROWS, j=COLUMNS, values=VALUES)).values, MATRIX)
    larger = tables.read(save(i=ROWS, j=COLUMNS, values=VALUES, shape=(3, 5))).values
    assert_array_equal(larger[:2, :4], MATRIX)
    assert np.isnan(larger[2]).all() and np.isnan(larger[:, 4]).all()


@pytest.mark.parametrize("kind", ["coo", "csr", "csc"])
@pytest.mark.parametrize("make", [sparse.coo_array, sparse.coo_matrix])
def test_scipy_sparse_observes_what_it_stores(tmp_path, kind, make):
    sparse.save_npz(
        tmp_path / "data.npz", make((VALUES, (ROWS, COLUMNS)), shape=(2, 4)).asformat(kind)
    )
    assert_array_equal(tables.read(tmp_path / "data.npz").values, MATRIX)


# ---------------------------------------------------------------------------------------- bad input


def refusal(path, layout="auto"):
    """The message of the refusal: one line that names the file."""
    with pytest.raises(ValueError) as caught:
        tables.read(path, layout)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        ("a,b,c\n", "no column holds numbers"),
        ("1,2\n3,4,5\n", "line 2 has 3 cells and line 1 has 2"),
        ("a,b\nc,d\n", "no column holds numbers"),
        ("1,2,3,.4\n5,6,x,8\n", "line 2, column 3: 'x' is not a number"),
        ("nan,nan\nnan,nan\n", "no entry is observed"),
        ("1.5,2\n3,inf\n", "line 2, column 2: 'inf' is infinite"),
        ("1.5,2\n3,1e999\n", "line 2, column 2: '1e999' is infinite"),
        (bytes(range(128, 256)), "not a text table"),
        ("1,2\n3,4\n".encode("utf-16"), "not a text table"),
    ],
)
def test_bad_text_is_refused(write, text, wanted):
    assert wanted in refusal(write(text))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (PLAIN, "3 columns"),
        (triplet_text() + "0,0,9\n", "twice"),
        (triplet_text() + "0,7,inf\n", "line 7, column 3: 'inf' is infinite"),
        (triplet_text() + "0,7,many\n", "line 7, column 3: 'many' is not a number"),
        (triplet_text() + ",7,1\n", "line 7, column 1: a label is empty"),
    ],
)
def test_bad_triplets_are_refused(write, text, wanted):
    assert wanted in refusal(write(text), "triplets")


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (np.ones(3), "shape (3,)"),
        (np.ones((2, 2, 2)), "shape (2, 2, 2)"),
        (np.float64(1), "shape ()"),
        (np.ones((0, 4)), "of shape (0, 4)"),
        (np.ones((2, 2)) + 1j, "complex128"),
        (np.array([["1", "2"]]), "<U1"),
        (np.array([[1, None]], dtype=object), "not a NumPy file of numbers"),
        (np.full((2, 2), NAN), "no entry is observed"),
        (np.array([[1.0, np.inf]]), "infinite"),
    ],
)
def test_bad_array_is_refused(save, array, wanted):
    assert wanted in refusal(save(array))


def test_array_that_is_no_triplets_is_refused(save):
    assert "shape (k, 3)" in refusal(save(MATRIX), "triplets")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"i": ROWS - 1}, "runs from -1"),
        ({"i": ROWS + 0.5}, "integers"),
        ({"j": COLUMNS[:-1]}, "one length"),
        ({"shape": (1, 4)}, "i must lie in 0..0"),
        ({"shape": (-1, 4)}, "must be an integer >= 1, not -1"),
        ({"i": ROWS * 0, "j": COLUMNS * 0}, "observed once"),
        ({"values": VALUES * NAN}, "finite"),
        ({"values": VALUES + 1j}, "real"),
    ],
)
def test_bad_triplets_of_an_npz_are_refused(save, change, wanted):
    arrays = {"i": ROWS, "j": COLUMNS, "values": VALUES, "shape": (2, 4)} | change
    assert wanted in refusal(save(**arrays))


def test_npz_of_two_arrays_is_refused(save):
    assert "it holds a, b" in refusal(save(a=MATRIX, b=MATRIX))


@pytest.mark.parametrize("name", ["junk.npy", "junk.npz"])
@pytest.mark.parametrize("content", [b"", b"junk", b"\x93NUMPY\x01\x00"])
def test_junk_is_no_numpy_file(write, name, content):
    assert "not a NumPy file" in refusal(write(content, name))


@pytest.mark.parametrize("name", ["data", "data.xlsx", "data.csv.zip"])
def test_other_endings_are_refused(write, name):
    assert ".npy or .npz" in refusal(write(PLAIN, name))
    assert_array_equal(tables.read(write(PLAIN, name), delimiter=",").values, MATRIX)


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".npz"])
def test_missing_files_and_folders_are_os_errors(tmp_path, suffix):
    with pytest.raises(FileNotFoundError, match="missing"):
        tables.read(tmp_path / f"missing{suffix}")
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        tables.read(folder)


def test_unknown_layout_is_refused(write):
    with pytest.raises(ValueError, match="'auto', 'table' or 'triplets', not 'nonsense'"):
        tables.read(write(PLAIN), "nonsense")


# ------------------------------------------------------------------------ headers, or the lack of


@pytest.mark.parametrize(
    ("text", "shape", "first"),
    [
        ("x,1.5,2\ny,3,4\n", (2, 2), 1.5),  # labels, no header
        (",0,1\n0,1.5,2\n1,3,4\n", (2, 2), 1.5),  # empty corner: numbers as labels
        (",1960,1961,1962\nA,1.5,2,3\nB,4,5,6\n", (2, 3), 1.5),  # years, and an empty corner
        ("1960.5,1961,1962\n1.5,2,3\n", (2, 3), 1960.5),  # no name of anything
        ("a;b\n1.5;2\n3;4\n", (2, 2), 1.5),
        ("a\tb\n1.5\t2\n3\t4\n", (2, 2), 1.5),
        ("1.5 2\n3   nan\n", (2, 2), 1.5),
        ("1.5,2\n,\n3,4\n", (3, 2), 1.5),  # a row without any entry is a row
    ],
)
def test_headers_labels_and_separators(tmp_path, text, shape, first):
    path = tmp_path / "data.txt"
    path.write_text(text)
    table = tables.read(path)
    assert table.values.shape == shape
    assert table.values[0, 0] == first


@pytest.mark.parametrize("header", ["", "user,item,rating\n"])
def test_triplets_keep_their_first_line(tmp_path, header):
    path = tmp_path / "data.csv"
    path.write_text(header + "u0,i0,1\nu0,i1,2\nu1,i0,3\nu1,i2,4\n")
    table = tables.read(path)
    assert table.layout == "triplets"
    assert table.values.shape == (2, 3)
    assert table.values[0, 0] == 1


@pytest.mark.parametrize(
    "arrays",
    [
        {"i": [0], "j": [0], "values": [1.0], "shape": [20, 15, 2]},
        {"i": [0], "j": [0], "values": [1.0], "shape": [20.5, 15]},
        {"i": [0], "j": [0], "values": [1.0], "shape": 20},
        {"i": ["a"], "j": [0], "values": [1.0]},
        {"format": "csr", "shape": [2, 2], "data": [1.0]},
        {"i": [0], "j": [0], "values": [1.0], "shape": [10**7, 10**7]},
    ],
)
def test_odd_archives_are_refused_by_name(tmp_path, arrays):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"data\.npz: "):
        tables.read(path)


def test_small_index_types_do_not_overflow(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, i=np.array([255], "u1"), j=np.array([0], "u1"), values=[1.0])
    assert tables.read(path).values.shape == (256, 1)


def test_an_archive_by_the_wrong_name_is_refused(tmp_path):
    np.savez(tmp_path / "data.npz", a=np.eye(2))
    (tmp_path / "data.npz").rename(tmp_path / "data.npy")
    with pytest.raises(ValueError, match=r"it is an \.npz archive"):
        tables.read(tmp_path / "data.npy")


@pytest.mark.parametrize("gap", ["", '""', "  ", "NA"])
@pytest.mark.parametrize(("above", "below"), [("", ""), ("\n\n", "\n\n \n")])
def test_empty_line_of_one_column_is_a_gap_and_none_around_it_is(write, gap, above, below):
    table = tables.read(write(f"{above}v\n1.5\n{gap}\n{gap}\n3\n{below}"))
    assert_array_equal(table.values, [[1.5], [np.nan], [np.nan], [3]])
    assert (table.rows, table.columns) == (("0", "1", "2", "3"), ("v",))
