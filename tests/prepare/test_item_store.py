"""Items of publishers: records of every form, the store, and lists to restrict to."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from beekit.errors import DataError
from beekit.prepare.amazon import as_text, first_link, main_picture
from beekit.prepare.catalog import ItemStore, read_item_list
from beekit.prepare.movielens import film
from beekit.prepare.raw import RawFile
from beekit.prepare.records import Records, csv_rows, json_lines, python_lines, separated

SCHEMA = pa.schema({"item_id": pa.string(), "title": pa.string()})


def records(tmp_path, content: bytes, form, row=lambda record: record, **options):
    (tmp_path / "items").write_bytes(content)
    found = Records(RawFile.local(tmp_path / "items"), form, row, SCHEMA, **options)
    return [row for table in found for row in table.to_pylist()], found.malformed


def test_lines_of_json_and_of_python_literals(tmp_path):
    product = {"item_id": "B0", "title": "Café 'x'"}
    for form, line in ((json_lines, json.dumps(product)), (python_lines, repr(product))):
        rows, malformed = records(
            tmp_path, f"{line}\n\n__import__('os')\n{line[:-5]}\n".encode(), form, limit=0.7
        )
        assert rows == [product]
        assert (malformed.rows, malformed.count) == (1, 2)
        assert malformed.examples[0] == "line 3: \"__import__('os')\""


def test_records_of_another_shape_are_malformed_and_leave_the_others(tmp_path):
    lines = [{"item_id": "a", "title": "A"}, [1], {"item_id": "b", "title": 5}, 3]
    lines += [{"title": "no id"}, {"item_id": None, "title": "x"}, {"item_id": "c", "title": "C"}]
    content = "\n".join(map(json.dumps, lines)).encode()
    rows, malformed = records(tmp_path, content, json_lines, limit=0.8)
    assert [row["item_id"] for row in rows] == ["a", "c"]
    assert (malformed.rows, malformed.count) == (2, 5)


@pytest.mark.parametrize("line", ["-" * 100_000 + "1", "[" * 100_000, "9" * 5000])
def test_absurd_lines_are_malformed(tmp_path, line):
    for form in (python_lines, json_lines):
        content = f'{{"item_id": "a", "title": "A"}}\n{line}\n'.encode()
        rows, malformed = records(tmp_path, content, form, limit=0.5)
        assert len(rows) == malformed.count == 1


def test_records_whose_values_do_not_fit_are_malformed(tmp_path):
    (tmp_path / "items").write_text(f'{{"id": 1}}\n{{"id": {2**70}}}\n{{"id": "3"}}\n')
    schema = pa.schema({"item_id": pa.int64()})
    found = Records(
        RawFile.local(tmp_path / "items"),
        json_lines,
        lambda record: {"item_id": record["id"] if record["id"] != "3" else record.id},
        schema,
        limit=0.7,
    )
    assert [row for table in found for row in table.to_pylist()] == [{"item_id": 1}]
    assert found.malformed.count == 2


def test_tables_with_quotes_newlines_and_short_rows(tmp_path):
    content = 'item_id,title\n1,"a, ""b""\nc"\n2\n3,x,y\n4,é\n'.encode("latin-1")
    rows, malformed = records(tmp_path, content, csv_rows("latin-1"), limit=0.5)
    assert rows == [{"item_id": "1", "title": 'a, "b"\nc'}, {"item_id": "4", "title": "é"}]
    assert malformed.count == 2
    with pytest.raises(DataError, match="cannot be read after line"):
        records(tmp_path, content, csv_rows())


def test_an_open_quote_in_a_table_is_refused_and_a_spoilt_record_is_malformed(tmp_path):
    spoilt = b'item_id,title\n1,a\n2,"b"c\n3,"d \\"e\\""\n4,f\n'
    rows, malformed = records(tmp_path, spoilt, csv_rows(), limit=0.5)
    assert [row["item_id"] for row in rows] == ["1", "4"]
    assert malformed.count == 2
    cut = b'item_id,title\n1,a\n2,"b\n' + b"3,c\n" * 1000
    with pytest.raises(DataError, match=r"line 2 .unexpected end"):
        records(tmp_path, cut, csv_rows(), limit=0.5)


def test_fields_between_colons(tmp_path):
    form = separated("item_id", "title")
    rows, malformed = records(
        tmp_path, "1::Les Mis\xe9rables\n2\n".encode("latin-1"), form, limit=0.5
    )
    assert rows == [{"item_id": "1", "title": "Les Misérables"}]
    assert malformed.examples == ["line 2: '2'"]


def test_films_have_title_year_and_genres():
    record = {"movieId": "1", "title": "Toy Story (1995)", "genres": "Animation|Comedy"}
    assert film(record) == {
        "item_id": 1,
        "title": "Toy Story",
        "year": 1995,
        "genres": "Animation, Comedy",
    }
    other = film({"movieId": "2", "title": " Babylon 5", "genres": "(no genres listed)"})
    assert (other["title"], other["year"], other["genres"]) == ("Babylon 5", None, "")
    assert (
        film({**record, "title": "Seven (a.k.a. Se7en) (1995)"})["title"] == "Seven (a.k.a. Se7en)"
    )


def test_texts_and_pictures_of_any_shape():
    assert as_text([["Books"], ["Toys &amp; Games", " a\n b "]], ", ") == "Books, Toys & Games, a b"
    assert as_text(None) == as_text([]) == as_text({"a": 1}) == ""
    pictures = [
        {"variant": "PT01", "hi_res": "p"},
        {"variant": "MAIN", "hi_res": None, "large": "main"},
    ]
    assert main_picture(pictures) == "main"
    assert main_picture([{"thumb": "t"}]) == "t"
    assert main_picture(None) is main_picture([]) is main_picture(["x"]) is None
    assert first_link([], None, ["high", "higher"], "low") == "high"
    assert first_link(None, []) is None


def store(tmp_path, ids, titles, allowed=None):
    table = pa.table({"item_id": ids, "title": pa.array(titles, pa.string())})
    parts = [table.slice(k, 2) for k in range(0, len(table), 2)]
    return ItemStore(parts, tmp_path / "store", None if allowed is None else pa.array(allowed))


def test_untitled_unlisted_and_repeated_items_are_left_out(tmp_path):
    made = store(tmp_path, [5, 3, 5, 9, 8, 3, 7], ["a", "b", "c", " ", None, "d", "e"], ["5", "7"])
    assert made.item_ids.to_pylist() == [5, 7]
    assert (made.listed, made.without_title, made.repeated) == (7, 2, 2)
    made.write(tmp_path / "items.parquet", np.array([True, True]))
    assert pq.read_table(tmp_path / "items.parquet")["title"].to_pylist() == ["a", "e"]
    made.write(tmp_path / "items.parquet", np.array([False, True]))
    assert pq.read_table(tmp_path / "items.parquet").to_pylist() == [{"item_id": 7, "title": "e"}]


def test_items_without_any_title_are_one_line(tmp_path):
    with pytest.raises(DataError, match="none of 3 items has a title"):
        store(tmp_path, [5, 6, 7], [None, "", " "])


def test_a_header_or_a_stray_line_in_a_list_leaves_the_others(tmp_path):
    (tmp_path / "list.txt").write_bytes("\ufeff5\nmovieId\n07\n7\n".encode() + b"9" * 19)
    allowed = read_item_list(tmp_path / "list.txt", ("item_id",)).to_pylist()
    assert allowed[0] == "5"
    assert store(tmp_path, [5, 7, 8], ["a", "b", "c"], allowed).item_ids.to_pylist() == [5, 7]


@pytest.mark.parametrize("allowed", [[1, 2], ["x"], ["05"]])
def test_a_list_that_names_none_is_refused(tmp_path, allowed):
    with pytest.raises(DataError, match="none of 1 items is left"):
        store(tmp_path, [5], ["a"], allowed)


def test_lists_of_items_from_any_file(tmp_path):
    table = pa.table({"movieId": [3, 1, 3]})
    pq.write_table(table, tmp_path / "a.parquet")
    feather.write_feather(table, tmp_path / "a.feather")
    (tmp_path / "a.csv").write_text("movieId,x\n3,\n1,\n")
    (tmp_path / "a.txt").write_text("3\n 1\n\n3\n")
    for name in ("a.parquet", "a.feather", "a.csv", "a.txt"):
        found = read_item_list(tmp_path / name, ("item_id", "movieId"))
        assert [int(i) for i in found.to_pylist()] == [3, 1], name


def test_lists_that_are_none_are_one_line(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "a.feather").write_bytes(b"no feather")
    for name in ("a.csv", "empty.txt", "a.feather", "absent.csv", "absent.feather", "absent"):
        with pytest.raises(DataError) as caught:
            read_item_list(tmp_path / name, ("item_id", "movieId"))
        assert "\n" not in str(caught.value)
