"""Lists of observed entries, read without a matrix; texts packed with gzip."""

import gzip
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dlngeo import tables

TEXT = "User,Item,Rating,when\nann,tea,5,1\nbob,jam,3,2\nann,jam,4,3\ncid,tea,NA,4\n"


@pytest.fixture
def ratings(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("columns", ["user,item,rating", "1,2,3", ["User", 2, "RATING"]])
def test_entries_are_those_of_the_matrix(ratings, columns):
    found, table = (
        reader(ratings, columns=columns, header=True)
        for reader in (tables.read_triplets, tables.read)
    )
    assert (found.rows, found.columns) == (table.rows, table.columns)
    assert (found.shape, found.titles) == ((3, 2), ("User", "Item"))  # a gap has its row
    assert (found.name, found.layout, found.reading) == (table.name, table.layout, table.reading)
    assert_array_equal(table.values[found.i, found.j], found.values)
    assert found.values.size == np.isfinite(table.values).sum() == 3
    assert_array_equal(found.table().values, table.values)


def test_a_table_is_a_list_of_its_entries(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("name,a,b\nx,1.5,\ny,,2\n")
    found = tables.read_triplets(path)
    assert (found.i.tolist(), found.j.tolist(), found.values.tolist()) == ([0, 1], [0, 1], [1.5, 2])
    assert (found.titles, found.layout) == (None, "table")
    assert_array_equal(found.table().values, tables.read(path).values)


def test_an_archive_of_a_shape_that_no_memory_holds(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, i=[0, 99_999], j=[7, 99_999], values=[1.0, 2.0])
    found = tables.read_triplets(path)
    assert found.shape == (100_000, 100_000)
    assert (found.rows[-1], found.i.tolist(), found.titles) == ("99999", [0, 99_999], None)


def test_no_titles_where_there_is_no_header(tmp_path):
    path = tmp_path / "u.data"
    path.write_text("1\t1\t5\n1\t2\t3\n2\t1\t4\n")
    found = tables.read_triplets(path, columns="1,2,3", header=False)
    assert found.titles is None and found.values.tolist() == [5, 3, 4]


@pytest.mark.parametrize("name", ["ratings.csv.gz", "ratings.CSV.GZ"])
def test_gzip_is_unpacked(tmp_path, ratings, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT.encode()))
    plain = tables.read(ratings, columns="user,item,rating")
    assert_array_equal(tables.read(path, columns="user,item,rating").values, plain.values)


@pytest.mark.parametrize(
    "content",
    [b"1,2\n", gzip.compress(TEXT.encode())[:40], gzip.compress(b"a\xff,1\n")],
    ids=["plain", "cut short", "no text"],
)
def test_what_is_no_gzip_is_refused_by_name(tmp_path, content):
    path = tmp_path / "bad.csv.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.csv\.gz: not a ") as caught:
        tables.read(path, columns="user,item,rating")
    assert "\n" not in str(caught.value) and "b'" not in str(caught.value)


def test_progress_is_told(ratings):
    told = []
    tables.read_triplets(ratings, columns="user,item,rating", progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0 and all(0 <= part <= 1 for part in told)


def test_memory_is_that_of_the_entries(tmp_path):
    # 50,000 lines of 100 characters, 5 MB: numbers and labels alone are kept, 80 bytes an entry
    rng, count = np.random.default_rng(0), 50_000
    place = rng.permutation(2000 * 2000)[:count]
    lines = (f"u{p // 2000},i{p % 2000},{p % 5}.5," + "x" * 80 for p in place.tolist())
    path = tmp_path / "long.csv"
    path.write_text("user,item,rating,note\n" + "\n".join(lines))
    tracemalloc.start()
    found = tables.read_triplets(path, columns="user,item,rating")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.shape == (2000, 2000) and found.values.size == count
    assert peak < 120 * count + 2_000_000
