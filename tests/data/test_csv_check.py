"""CSV files: what reads in one way only is read, and all else is refused with its line."""

from __future__ import annotations

import csv
import io

import numpy as np
import pyarrow as pa
import pytest

from beekit.data import Dataset
from beekit.data.tables import read_file
from beekit.errors import DataError

HEAD = "item_id,title\n"


def read_items(tmp_path, content: str | bytes) -> pa.Table:
    path = tmp_path / "items.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(path, id_columns=("item_id",))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (HEAD + '1,"a\n2,b\n3,c\n', "line 2: a quote that is never closed"),
        (HEAD + '1,a\n2,"b"\n3,"c\n4,d\n', "line 4: a quote that is never closed"),
        (HEAD + '1,"a\n2,"b"\n', "line 3: text behind the quote that closes a field of line 2"),
        (HEAD + '1,"a"b\n', "line 2: text behind the quote that closes a field of line 2"),
        (HEAD + '1,"a" \n', "line 2: text behind the quote"),
        (HEAD + '1,"a""b"c"\n', "line 2: text behind the quote"),
        (HEAD + '1,"5\\" pipe"\n', "line 2: a quote behind a backslash"),
        (HEAD + '1,"pipe, 5\\""\n2,"x"\n', "line 2: a quote behind a backslash"),
        (HEAD + '1,"ends with \\"\n', "line 2: a quote behind a backslash"),
        (HEAD + '1,\\"a\\"\n', "line 2: a quote behind a backslash"),
        (HEAD + '1, "a"\n', "line 2: a space before the quote that opens a field"),
        (HEAD + '1,"a\n2,b\n3,c"\n4,d\n', "line 3: a row inside a quoted field"),
        (HEAD + '1,"a\n2,b\n3,5"\n', "line 3: a row inside a quoted field"),
        ("title,item_id\n" + '"a,B07\nb,B08\n"c,B09\n', "text behind the quote"),
        ("title,item_id\n" + 'x,B01\n"a,B07\nb,B08\nc",B09\n', "line 4: a row inside"),
        (HEAD + "1,a\n2\n", "line 3: "),
        (HEAD + "1,a\n\n2,b\n3,c,d\n", "line 5: "),
        (HEAD + "1,a\x00\n", "line 2: a NUL byte"),
        (HEAD + "1,a\rb\n", "line 2: a carriage return in the middle"),
        ((HEAD + "1,a\n2,café\n").encode("latin-1"), "line 3: invalid UTF8"),
        ((HEAD + "1,a\n").encode("utf-16-le"), "line 1: a NUL byte"),
        (" item_id,title\n1,a\n", "a column ' item_id'"),
        ("a" * 200_000, "the first line of"),
        ("item_id,title,title\n1,a,b\n", "more than one column title"),
    ],
)
def test_what_could_be_read_in_several_ways_is_refused_with_its_line(tmp_path, content, line):
    with pytest.raises(DataError) as caught:
        read_items(tmp_path, content)
    assert line in caught.value.found
    assert "items.csv" in caught.value.found


@pytest.mark.parametrize(
    ("content", "titles"),
    [
        (HEAD + '1,"a ""b"""\n2,""\n3,""""\n', ['a "b"', "", '"']),
        (HEAD + '1,5" pipe\n2,"x"\n', ['5" pipe', "x"]),
        (HEAD + '1,The "Best" of\n2,"a, b"\n', ['The "Best" of', "a, b"]),
        (HEAD + '1,"one, two\nthree, four\nfive, six"\n2,b\n', None),
        (HEAD + '1,"Contents:\n1, one\n2, two"\n2,b\n', None),  # both ids have a row of their own
        ('item_id,title\n1001,"Great tool.\n5,000 units sold"\n1002,x\n', None),
        ('item_id,title\nApple,"First\nSecond, more"\nPear,x\n', None),
        (HEAD + '1,"Sizes:\n10,5 cm\n20,3 cm"\n2,x\n', None),
        (HEAD + '1,"' + "x" * 3_000_000 + '"\n2,b\n', None),
        (HEAD + "1,a\\b\n2,b\\\n", ["a\\b", "b\\"]),
        ("\ufeff" + HEAD + '1,"a"\n', ["a"]),
        ('\ufeff"item_id","title"\n1,"a"\n', ["a"]),
        (HEAD.replace("\n", "\r\n") + '1,a\r\n2,"b\r\nc"\r\n', ["a", "b\r\nc"]),
        (HEAD.replace("\n", "\r") + '1,a\r2,"b"\r', ["a", "b"]),
        (HEAD + "\n1,a\n\n2,b", ["a", "b"]),
        (HEAD + "1,\N{SNOWMAN}\n", ["\N{SNOWMAN}"]),
    ],
)
def test_what_reads_in_one_way_is_read(tmp_path, content, titles):
    found = read_items(tmp_path, content)["title"].to_pylist()
    assert found == (titles or found)
    if len(content) > csv.field_size_limit():
        return
    rows = list(csv.reader(io.StringIO(content.lstrip("\ufeff"), newline=""), strict=True))
    assert found == [row[1] for row in rows[1:] if row]


def test_random_files_are_read_as_python_reads_them_or_refused(tmp_path):
    pieces = ['"', '"', '""', ",", "\n", "a", "\\", " ", "\r\n", "7", "é"]
    read = 0
    for seed in range(300):
        body = "".join(np.random.default_rng(seed).choice(pieces, size=seed % 30))
        content = f'{HEAD}1,x\n{body}\n9,"y"\n'
        try:
            table = read_items(tmp_path, content)
        except DataError:
            continue
        read += 1
        rows = list(csv.reader(io.StringIO(content, newline=""), strict=True))
        found = [[str(row["item_id"]), row["title"]] for row in table.to_pylist()]
        assert found == [row for row in rows[1:] if row]
    assert read > 10


def test_an_open_quote_does_not_cut_the_catalog_where_unknown_items_are_dropped(tmp_path):
    (tmp_path / "interactions.csv").write_text("user_id,item_id\n1,1\n1,2\n2,3\n")
    (tmp_path / "items.csv").write_text(HEAD + '1,"a\n2,b\n3,c\n')
    with pytest.raises(DataError, match="line 2: a quote that is never closed"):
        Dataset.load(tmp_path, unknown_items="drop")


def test_a_line_across_the_ends_of_blocks_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("beekit.data.csv_check._BLOCK", 7)
    content = HEAD + "".join(f'{n},"é ""{n}"", x"\n' for n in range(50))
    assert read_items(tmp_path, content)["title"].to_pylist()[49] == 'é "49", x'
    with pytest.raises(DataError, match="line 52: invalid UTF8"):
        read_items(tmp_path, content.encode() + b"50,caf\xe9\n")
    with pytest.raises(DataError, match="line 52: invalid UTF8"):
        read_items(tmp_path, content.encode() + b"50,\xc3")
