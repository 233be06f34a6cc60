"""Files that were once read as something else, without a word; and damaged ones."""

import numpy as np
import pytest
from scipy import sparse

from dlngeo import tables

NAN = np.nan
ROWS = "\n".join(
    f"c{k},{2.7 + k / 3:.3f},{3.1 - k / 7:.3f},{2.9 + (-1) ** k:.3f},{1.5 + k / 9:.3f}"
    for k in range(6)
)


def read(tmp_path, text, name="data.csv", **options):
    path = tmp_path / name
    path.write_text(text)
    return tables.read(path, **options)


TRAILING = "user,item,rating,ts\nA,x,3.5,881,\nA,y,4,882,\nB,x,2.5,883,\n"


def test_lines_that_end_with_a_delimiter(tmp_path):
    found = read(tmp_path, TRAILING, columns="user,item,rating")
    assert (found.rows, found.columns) == (("A", "B"), ("x", "y"))
    np.testing.assert_array_equal(found.values, [[3.5, 4], [2.5, NAN]])
    numbers = "a,b,c\n2.5,2.9,2.8,\n1.5,3.5,4.5,\n"
    with pytest.raises(ValueError, match="line 2 has one cell more than line 1"):
        read(tmp_path, numbers)
    found = read(tmp_path, numbers, labels=0)
    assert found.columns == ("a", "b", "c") and found.values.shape == (2, 3)
    found = read(tmp_path, numbers, labels=1)  # as R writes it, the last value missing
    assert found.columns == ("a", "b", "c") and found.rows == ("2.5", "1.5")
    with pytest.raises(ValueError, match="line 3 has a cell more"):
        read(tmp_path, "a,b,c\n2.5,2.9,2.8,\n1.5,3.5,4.5,7\n", labels=0)


@pytest.mark.parametrize("title", ["2020", "0", ""])
def test_a_number_over_the_values_of_triplets_may_be_a_title(tmp_path, title):
    body = "c0,p0,2.7\nc0,p1,3.1\nc1,p0,4.5\nc1,p1,0.5\n"
    with pytest.raises(ValueError, match="line 1 may be a header or data"):
        read(tmp_path, f"country,product,{title}\n" + body)
    found = read(tmp_path, f"country,product,{title}\n" + body, header=True)
    assert found.rows == ("c0", "c1")
    assert read(tmp_path, body).rows == ("c0", "c1")  # names that stand below are no titles


@pytest.mark.parametrize(
    "head",
    ["Country,2000,2000,2005,2005", "gene,0.1,0.25,0.5,0.75", "sample,400.5,401.0,401.5,402.0"],
)
def test_numbers_over_labelled_rows_may_be_titles(tmp_path, head):
    with pytest.raises(ValueError, match="line 1 may be a header or data"):
        read(tmp_path, f"{head}\n{ROWS}\n")
    assert len(read(tmp_path, f"{head}\n{ROWS}\n", header=True).rows) == 6
    assert len(read(tmp_path, f"{head}\n{ROWS}\n", header=False).rows) == 7
    assert len(read(tmp_path, f"{ROWS}\n").rows) == 6


@pytest.mark.parametrize("head", ["2000,2000,2005,2005", "400.5,401.0,401.5,402.0"])
def test_numbers_over_numbers_may_be_titles(tmp_path, head):
    body = "\n".join(line.split(",", 1)[1] for line in ROWS.splitlines())
    with pytest.raises(ValueError, match="line 1 may be a header or data"):
        read(tmp_path, f"{head}\n{body}\n")


def test_an_empty_corner_over_labels_is_that_of_a_header(tmp_path):
    found = read(tmp_path, f",0.1,0.5,0.9,0.7\n{ROWS}\n")
    assert found.columns == ("0.1", "0.5", "0.9", "0.7") and len(found.rows) == 6


def test_one_name_for_all_columns_is_no_name(tmp_path):
    text = ",v,v,v\nitem,1,2,3\nuser,,,\nA,4,5,\nB,,3,2\n"
    with pytest.raises(ValueError, match="every column is named 'v'"):
        read(tmp_path, text)


@pytest.mark.parametrize("ids", [(1, 2, 3, 3), (1, 2, "", 4)])
def test_identifiers_may_repeat_or_lack(tmp_path, ids):
    lines = "".join(f"{k},{2.5 + i},{3.25 - i}\n" for i, k in enumerate(ids))
    with pytest.raises(ValueError, match="may be labels or data"):
        read(tmp_path, "id,a,b\n" + lines)
    assert read(tmp_path, "id,a,b\n" + lines, labels=0).values.shape == (4, 3)


def test_a_name_that_is_a_number(tmp_path):
    text = "user,item,1,2,3\nA,x,2.5,7,9.5\nB,y,3.5,8,1.5\n"
    with pytest.raises(ValueError, match="of that name, which has number 5: give its number"):
        read(tmp_path, text, columns="user,item,3")
    assert read(tmp_path, text, columns="user,item,5").values[0, 0] == 9.5
    years = text.replace(",1,2,3\n", ",1990,2000,2020\n")
    assert read(tmp_path, years, columns="user,item,2020").values[0, 0] == 9.5


def test_numbers_as_labels_are_ordered_by_size(tmp_path):
    found = tables.from_triplets(["10", "-1", "2"], ["a"] * 3, [1.0, 2.0, 3.0])
    assert found.rows == ("-1", "2", "10")
    for missing in (None, NAN):
        with pytest.raises(ValueError, match=r"rows\[1\] must be a label"):
            tables.from_triplets(["1", missing], ["a", "b"], [1.0, 2.0])


@pytest.mark.parametrize("form", ["bsr", "dia"])
def test_sparse_forms_that_pad_are_refused(tmp_path, form):
    matrix = sparse.csr_array(np.diag([1.0, 2, 3, 4, 5, 6]) + np.eye(6, k=2))
    sparse.save_npz(tmp_path / "m.npz", getattr(matrix, f"to{form}")())
    with pytest.raises(ValueError, match="coo, csr or csc"):
        tables.read(tmp_path / "m.npz")


def test_damaged_archives_are_told_in_one_line(tmp_path):
    """Every byte of small files, one at a time: read as it was, or refused by name."""
    matrix = np.arange(12.0).reshape(3, 4) / 7
    kinds = {
        "a.npy": lambda p: np.save(p, matrix),
        "b.npz": lambda p: np.savez_compressed(p, x=matrix),
    }
    kinds["c.npz"] = lambda p: sparse.save_npz(p, sparse.csr_array(matrix))
    rng = np.random.default_rng(0)
    for name, save in kinds.items():
        save(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        for at in rng.permutation(len(whole))[:200]:
            broken = bytearray(whole)
            broken[at] ^= int(rng.integers(1, 256))
            (tmp_path / name).write_bytes(broken)
            try:
                tables.read(tmp_path / name, "table")
            except ValueError as error:
                assert name in str(error) and "\n" not in str(error)
