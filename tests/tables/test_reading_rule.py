"""The reading rule on a corpus of small nasty files: what each gives, or how it is refused.

Expected tables, labels and lines are written out by hand.
"""

import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dlngeo import tables

NAN = np.nan
WORLD_BANK = (
    '"Data Source","World Development Indicators",\r\n\r\n'
    '"Last Updated Date","2024-05-30",\r\n\r\n'
    '"Country Name","Country Code","Indicator Name","Indicator Code",'
    '"1960","1961","1962","1963","1964","1965","1966",\r\n'
    '"Aruba","ABW","Fertility, total","SP.DYN","4.8","","4.4","4.3","4.2","4.1","4",\r\n'
    '"Angola","AGO","Fertility, total","SP.DYN","6.7","6.8","","6.8","6.8","6.8","6.8",\r\n'
)
WORLD_BANK_VALUES = [[4.8, NAN, 4.4, 4.3, 4.2, 4.1, 4.0], [6.7, 6.8, NAN, 6.8, 6.8, 6.8, 6.8]]
MOVIELENS = (
    "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,1029,3.0,1260759179\n2,31,4.0,8\n"
)
STARS = [[2.5, 3.0], [4.0, NAN]]
U_DATA = "196\t242\t3\t881250949\n186\t302\t3\t891717742\n196\t302\t1\t878887116\n"
U_STARS = [[NAN, 3.0], [3.0, 1.0]]
DAT = "1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::9\n"


def write(folder, content, name):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# What it is, the text, what is told, rows, columns, values.
READ = [
    ("labels", "name,a,b\nx,1.5,2\ny,,4\n", {}, "x y", "a b", [[1.5, 2], [NAN, 4]]),
    ("no header", "x,1.5,2\ny,3,4\n", {}, "x y", "0 1", [[1.5, 2], [3, 4]]),
    ("numbers", "1.5,2\n3,4\n", {}, "0 1", "0 1", [[1.5, 2], [3, 4]]),
    ("years told", "n,2000,2005\nA,1.5,2\n", {"header": True}, "A", "2000 2005", [[1.5, 2]]),
    ("not years", "n,2000,2005\nA,1.5,2\n", {"header": False}, "n A", "0 1",
     [[2000, 2005], [1.5, 2]]),
    ("years alone", "2000,2010\n1.5,2\n", {"header": True}, "0", "2000 2010", [[1.5, 2]]),
    ("years, empty corner", ",2000,2005\nA,1.5,2\nB,3,4\n", {}, "A B", "2000 2005",
     [[1.5, 2], [3, 4]]),
    ("two labels", "n,c,a\nAruba,ABW,1.5\nB,BBB,2\n", {}, "Aruba B", "a", [[1.5], [2]]),
    ("Namibia", "n,c,a\nNamibia,NA,1.5\nB,BB,2\n", {}, "Namibia B", "a", [[1.5], [2]]),
    ("labels that repeat", "r,c,a\nEU,F,.5\nEU,D,2\n", {"labels": 2}, "EU / F|EU / D", "a",
     [[0.5], [2]]),
    ("numbered rows", "id,a\n7,1.5\n9,2\n", {"labels": 1}, "7 9", "a", [[1.5], [2]]),
    ("numbers in front", "id,a\n7,1.5\n9,2\n", {"labels": 0}, "0 1", "id a", [[7, 1.5], [9, 2]]),
    ("code labels", "c,a\nA1,1.5\n12,2\n", {"labels": 1}, "A1 12", "a", [[1.5], [2]]),
    ("dates", "day,a\n2020-01-01,1.5\n2020-01-02,2\n", {}, "2020-01-01 2020-01-02", "a",
     [[1.5], [2]]),
    ("R's write.csv", '"","a","b"\n"1",1.5,2\n"2",3.5,NA\n', {}, "1 2", "a b",
     [[1.5, 2], [3.5, NAN]]),
    ("R's write.table", '"a" "b"\n"x y" 1 2\n"y" 3.5 NA\n', {}, "x y|y", "a b",
     [[1, 2], [3.5, NAN]]),
    ("R's, years", '"1960" "1961"\n"x" 1 2\n"y" 3.5 NA\n', {"header": True}, "x y", "1960 1961",
     [[1, 2], [3.5, NAN]]),
    ("pandas", ",0,1\n0,1.5,2\n1,3,4\n", {}, "0 1", "0 1", [[1.5, 2], [3, 4]]),
    ("NumPy's savetxt", "1.5e+00 nan\n2.0e+00 4\n", {}, "0 1", "0 1", [[1.5, NAN], [2, 4]]),
    ("Excel, German", "\ufeffname;a;b\r\nx;1,5;2\r\ny;;-3,25\r\n", {"decimal": ","}, "x y", "a b",
     [[1.5, 2], [NAN, -3.25]]),
    ("Excel's note", "sep=;\nn;a\nx;1.5\n", {"skip": 1}, "x", "a", [[1.5]]),
    ("Excel's empty column", "n,a,,\nx,1.5,,\ny,2,,\n", {}, "x y", "a", [[1.5], [2]]),
    ("Excel's empty lines", "n,a\nx,1.5\ny,\n,\n,\n", {}, "x y", "a", [[1.5], [NAN]]),
    ("World Bank", WORLD_BANK, {"skip": 4, "header": True}, "Aruba Angola",
     "1960 1961 1962 1963 1964 1965 1966", WORLD_BANK_VALUES),
    ("commas in quotes", 'n,"a, b"\n"x, y",1.5\n', {}, "x, y|", "a, b|", [[1.5]]),
    ("line in quotes", 'n,a\n"x\ny",1.5\n', {}, "x\ny|", "a", [[1.5]]),
    ("bars", "n|a\nx|1.5\n", {}, "x", "a", [[1.5]]),
    ("old Macintosh", "n,a\rx,1.5\ry,2\r", {}, "x y", "a", [[1.5], [2]]),
    ("told missing", "n,a,b\nx,-999,2.5\ny,-999.0,gone\n", {"missing": ["-999", "GONE"]}, "x y",
     "a b", [[NAN, 2.5], [NAN, NAN]]),
    ("comma and semicolon", "n;a, b\nx;1.5\n", {"delimiter": ";"}, "x", "a, b|", [[1.5]]),
    ("MovieLens", MOVIELENS, {"columns": "userid,MOVIEID,rating"}, "1 2", "31 1029", STARS),
    ("MovieLens, numbers", MOVIELENS, {"columns": [1, 2, 3]}, "1 2", "31 1029", STARS),
    ("u.data", U_DATA, {"columns": "1,2,3"}, "186 196", "242 302", U_STARS),
    ("other order", "v,i,u\n2.5,a,x\n3,b,x\n", {"columns": "u,i,v"}, "x", "a b", [[2.5, 3]]),
    ("ratings.dat", DAT, {"delimiter": "::", "columns": "1,2,3"}, "1 2", "661 1193",
     [[3, 5], [NAN, 4]]),
    ("words", "u,i,r\na,x,1\na,y,2\nb,x,3\n", {}, "a b", "x y", [[1, 2], [3, NAN]]),
    ("listed gap", "u,i,r\na,x,1\na,y,NA\nb,x,3\n", {}, "a b", "x y", [[1, NAN], [3, NAN]]),
    ("few stars", "n,a,b\nx,5,3\ny,5,\nz,4,1\n", {"layout": "table"}, "x y z", "a b",
     [[5, 3], [5, NAN], [4, 1]]),
]  # fmt: skip


def labels(text):
    """Labels parted by bars if there is one, else by blanks."""
    return tuple(filter(None, text.split("|"))) if "|" in text else tuple(text.split(" "))


@pytest.mark.parametrize(
    ("text", "options", "rows", "columns", "values"),
    [case[1:] for case in READ],
    ids=[case[0] for case in READ],
)
def test_what_is_read(tmp_path, text, options, rows, columns, values):
    table = tables.read(write(tmp_path, text, "a.csv"), **options)
    assert_array_equal(table.values, values)
    assert (table.rows, table.columns) == (labels(rows), labels(columns))


HEADER = "may be a header or data"
TRIPLETS = "may be triplets"
REFUSED = [
    ("timestamps", MOVIELENS, {}, f"{TRIPLETS}, as column 'userId' and column 'movieId'"),
    ("u.data", U_DATA, {}, "say --columns ROW,COLUMN,VALUE or --layout table"),
    ("ratings.dat", DAT, {}, "--delimiter"),
    ("repeated pair", "1,2,5\n1,2,6\n3,4,7\n", {}, TRIPLETS),
    ("repeated pair, told", "1,2,5\n1,2,6\n", {"columns": "1,2,3"},
     "the entry (1, 2) occurs twice, in lines 1 and 2"),
    ("few stars", "n,a,b\nx,5,3\ny,5,2\nz,4,1\n", {}, TRIPLETS),
    ("years", "n,2000,2005,2010\nA,1.5,2,3\nB,4,,6\n", {},
     "line 1 may be a header or data (2000, 2005, 2010): say --header or --no-header"),
    ("years alone", "2000,2005,2010\n1.5,2,3\n4,,6\n", {}, HEADER),
    ("headerless words", "a,1,2\nb,3,4\n", {}, HEADER),
    ("numbers about a gap", ",2,3\n4,5,6\n7,8,9\n", {}, HEADER),
    ("a wrong first line", "1.5,x,3\n4,5,6\n", {}, HEADER),
    ("a wrong first value", "a,x,oops\na,y,2\nb,x,3\n", {}, "may be a header or data (oops)"),
    ("a wrong first value, told", "a,x,oops\na,y,2\n", {"columns": "1,2,3"},
     "line 1, column 3: 'oops' is not a number"),
    ("identifiers", "id,a\n7,1.5\n9,2\n", {}, "say --labels 1 or --labels 0"),
    ("one wrong cell", "n,a,b\nx,1.5,2\ny,oops,4\nz,3.5,1\n", {},
     "line 3, column 'a': 'oops' is not a number; --labels 2 if the column holds labels"),
    ("one wrong cell further on", "n,a,b\nx,1.5,2\ny,3,oops\n", {},
     "line 3, column 'b': 'oops' is not a number"),
    ("thousands", 'n,a,b\nx,"1,200.5",2\ny,3.5,4\n', {},
     "line 2, column 'a': '1,200.5' is not a number; numbers are written without"),
    ("all of thousands", 'n,a,b\nx,"1,200.5",2\ny,"3,000.0",4\n', {}, "'1,200.5' is not a number"),
    ("decimal commas", "n;a;b\nx;1,5;2\ny;3,5;4\n", {},
     "line 2, column 'a': '1,5' is not a number; --decimal ,"),
    ("decimal commas, first line", "1,5;2\n3;4\n", {}, "commas and semicolons: say --delimiter"),
    ("points with decimal commas", "n;a\nx;1.200\n", {"decimal": ","}, "'1.200' is not a number"),
    ("per cent", "n,a\nx,12%\ny,13%\n", {}, "'12%' is not a number"),
    ("currency", "n,a\nx,$3\ny,$4\n", {}, "'$3' is not a number"),
    ("Python's digits", "n,a\nx,1_000\ny,2\n", {}, "'1_000' is not a number"),
    ("an error of Excel", "n,a\nx,#DIV/0!\ny,2\n", {}, "--missing '#DIV/0!'"),
    ("stars for gaps", "n,a,b\nx,*,1.5\ny,*,2\n", {},
     "line 2, column 'a': '*' is not a number; --missing '*'"),
    ("dates like numbers", "d,a\n1.2.2020,1.5\n2.2.2020,2\n", {}, "--labels 1 if the column holds"),
    ("infinite", "n,a\nx,inf\ny,2\n", {}, "line 2, column 'a': 'inf' is infinite"),
    ("category", "a,b,kind\n1.5,2,x\n3,4,y\n", {}, "line 2, column 'kind': 'x' is not a number"),
    ("World Bank", WORLD_BANK, {}, "line 5 has 12 cells and line 1 has 3; --skip"),
    ("World Bank, skipped", WORLD_BANK, {"skip": 4}, "line 5 may be a header or data (1960, 1961"),
    ("Excel's note", "sep=;\nn;a\nx;1.5\n", {},
     "line 1 is Excel's note of the delimiter: say --skip 1"),
    ("savetxt's header", "# a b\n1.5 2\n3 4\n", {}, "line 2 has 2 cells and line 1 has 3; --skip"),
    ("ragged", "n,a\nx,1.5\ny,2,3\n", {}, "line 3 has 3 cells and line 1 has 2"),
    ("Latin 1", "n,a\nM\xfcnchen,1.5\n".encode("latin-1"), {},
     "UTF-8, line 2 holds the byte 0xfc; save it as UTF-8"),
    ("UTF-16", "n,a\nx,1.5\n".encode("utf-16"), {}, "line 1 holds the byte 0xff"),
    ("UTF-16 without mark", "n,a\nx,1.5\n".encode("utf-16-le"), {}, "it holds NUL"),
    ("open quotes", 'n,a\n"x,1.5\ny,2\n', {}, "line 2: a quotation mark opens and never closes"),
    ("text after quotes", 'n,a\n"x"y,1.5\n', {},
     "line 2: text follows upon a closing quotation mark"),
    ("a long cell", "n,a\nx," + "y" * 99 + "\ny,2\n", {}, "'" + "y" * 39 + "…' is not a number"),
    ("no such column", MOVIELENS, {"columns": "user,movieId,rating"},
     "--columns user: no columns have that name; line 1 holds 'userId', 'movieId'"),
    ("a name twice", "u,i,U\n1,2,3\n", {"columns": "u,i,3"},
     "--columns u: 2 columns have that name"),
    ("no such number", MOVIELENS, {"columns": "1,2,5"}, "--columns 5: there are 4 columns, from 1"),
    ("a value without entry", "u,i,r\n1,,3\n", {"columns": "u,i,r"},
     "line 2, column 'i': a label is empty"),
    ("wrong rating", MOVIELENS + "3,31,good,5\n", {"columns": "userId,movieId,rating"},
     "line 5, column 'rating': 'good' is not a number"),
    ("all skipped", "n,a\nx,1\n", {"skip": 2}, "empty below --skip"),
    ("only a header", "n,a\n", {"header": True, "labels": 0}, "no line of numbers"),
    ("a header of triplets alone", "u,i,r\n", {"columns": "u,i,r"}, "no line of numbers"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "options", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_is_refused(tmp_path, text, options, said):
    path = write(tmp_path, text, "a.csv")
    with pytest.raises(ValueError) as caught:
        tables.read(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    assert said in message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"columns": "1,2"}, "--columns must name 3 columns"),
        ({"columns": "1,1,2"}, "3 different columns"),
        ({"columns": "n,a,b", "header": False}, "numbers from 1 where there is no header"),
        ({"columns": "1,2,3", "layout": "table"}, "not with --layout table"),
        ({"columns": "1,2,3", "labels": 1}, "nor --labels"),
        ({"decimal": ";"}, "--decimal must be . or ,"),
        ({"delimiter": ""}, "--delimiter must separate cells"),
        ({"delimiter": '"'}, "--delimiter must separate cells"),
        ({"delimiter": ",", "decimal": ","}, "--delimiter must separate cells"),
        ({"labels": -1}, "labels must be an integer >= 0"),
        ({"skip": 1.5}, "skip must be an integer >= 0"),
    ],
)
def test_options_that_contradict_are_refused(tmp_path, options, said):
    path = write(tmp_path, "n,a,b\nx,1.5,2\n", "a.csv")
    with pytest.raises((ValueError, TypeError), match=said.replace("(", r"\(")):
        tables.read(path, **options)


@pytest.mark.parametrize("gap", [*tables.MISSING, "#n/a", "NULL", "none"])
def test_every_documented_spelling_of_a_gap(tmp_path, gap):
    table = tables.read(write(tmp_path, f"n;a;b\nx;{gap};1.5\ny;2;3\n", "a.csv"))
    assert_array_equal(table.values, [[NAN, 1.5], [2, 3]])


@pytest.mark.parametrize("name", ["a.txt", "a.dat", "a.data", "a.csv"])
def test_names_of_texts(tmp_path, name):
    assert tables.read(write(tmp_path, "n,a\nx,1.5\n", name)).values == [[1.5]]


def test_tsv_may_hold_commas_in_its_first_line(tmp_path):
    assert tables.read(write(tmp_path, "n\ta, b\nx\t1.5\n", "a.tsv")).columns == ("a, b",)


def test_how_a_file_was_read_is_told(tmp_path):
    path = write(tmp_path, "n,a\nx,1.5\n", "a.csv")
    assert tables.read(path).reading == "table with a header and 1 column of labels"
    path = write(tmp_path, MOVIELENS, "b.csv")
    read = tables.read(path, columns="userId,movieId,rating")
    assert read.reading == "triplets of column 'userId', column 'movieId', column 'rating'"


def test_a_hundred_thousand_triplets_take_about_a_second(tmp_path):
    # 0.5 s of one processor's time on the machine this was written on
    rng = np.random.default_rng(0)
    cells = rng.choice(943 * 1682, 100_000, replace=False)
    values = rng.integers(1, 6, cells.size)
    lines = (
        f"{k // 1682}\t{k % 1682}\t{v}\t881250949\n"
        for k, v in zip(cells.tolist(), values.tolist(), strict=True)
    )
    path = write(tmp_path, "".join(lines), "u.data")
    begun = time.process_time()
    table = tables.read(path, columns="1,2,3")
    assert time.process_time() - begun < 5
    i, j = np.divmod(cells, 1682)
    expected = np.full((943, 1682), NAN)
    expected[i, j] = values
    assert_array_equal(table.values, expected)
