"""The same dataset from files of every kind: what is detected is said, and nothing is guessed."""

from __future__ import annotations

import bz2
import gzip
import json
import logging
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beekit.data import Dataset
from beekit.data.columns import id_column, number_column, value_column
from beekit.data_folder import HUB, dataset_name, named_files, require_data_folder
from beekit.errors import BeekitError, ConfigError, DataError

USERS = ["u1", "u1", "u2", "u3"]
ITEMS = ["a", "b", "b", "c"]
RATINGS = [5.0, 3.5, 4.0, 1.0]
TITLES = {"a": 'Été, "late"', "b": "Tea; or not", "c": "Pipe | 5"}
COLUMNS = {"user_id": "userId", "item_id": "movieId", "value": "rating"}
# What every form of the tables below has to be.
PAIRS = {("u1", "a"), ("u1", "b"), ("u2", "b"), ("u3", "c")}


def pairs(dataset: Dataset) -> set[tuple]:
    coo = dataset.interactions.matrix.tocoo()
    users = dataset.interactions.user_ids[coo.row]
    return set(zip(users, dataset.interactions.item_ids[coo.col], strict=True))


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def csv_texts(separator: str = ",") -> dict[str, str]:
    """Ratings and movies as CSV."""
    rows = zip(USERS, ITEMS, RATINGS, strict=True)
    ratings = [separator.join(("userId", "movieId", "rating"))]
    ratings += [separator.join(map(str, row)) for row in rows]
    movies = [separator.join(("movieId", "title"))]
    movies += [f"{item}{separator}{quoted(title)}" for item, title in TITLES.items()]
    return {"ratings": "\n".join(ratings) + "\n", "movies": "\n".join(movies) + "\n"}


def compressed(data: bytes, suffix: str) -> bytes:
    if suffix == ".zst":
        return pa.compress(data, codec="zstd", asbytes=True)
    return {".gz": gzip.compress, ".bz2": bz2.compress, "": bytes}[suffix](data)


def load(folder: Path, ratings: object, movies: object, **options) -> Dataset:
    return Dataset.load(
        folder, interactions=ratings, items=movies, columns=COLUMNS, text="{title}", **options
    )


def require_same(dataset: Dataset) -> None:
    assert pairs(dataset) == PAIRS
    assert dict(zip(dataset.catalog.item_ids, dataset.catalog.texts, strict=True)) == TITLES


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".zst"])
def test_csv_is_read_whatever_stands_between_columns_and_around_the_file(
    tmp_path, separator, encoding, suffix
):
    for name, text in csv_texts(separator).items():
        (tmp_path / f"{name}.csv{suffix}").write_bytes(compressed(text.encode(encoding), suffix))
    dataset = load(tmp_path, f"ratings.csv{suffix}", f"movies.csv{suffix}")
    require_same(dataset)
    said = dataset.tables["interactions"]
    assert said["file"] == f"ratings.csv{suffix}"
    assert said["separator"] == separator
    assert said["encoding"] == encoding.removesuffix("-sig")
    assert said["columns"] == COLUMNS


def test_what_was_detected_is_logged_with_the_columns_that_nobody_reads(tmp_path, caplog):
    for name, text in csv_texts(";").items():
        (tmp_path / f"{name}.csv").write_text(text)
    called = {"user_id": "userId", "item_id": "movieId"}
    with caplog.at_level(logging.INFO, logger="beekit"):
        Dataset.load(tmp_path, interactions="ratings.csv", items="movies.csv", columns=called)
    line = next(m for m in caplog.messages if m.startswith("interactions:"))
    assert "ratings.csv as CSV, separator=';', encoding='utf-8'" in line
    assert "user_id from userId" in line
    assert line.endswith("not read: rating")


def test_an_encoding_that_no_mark_tells_is_named(tmp_path):
    texts = csv_texts()
    (tmp_path / "ratings.csv").write_text(texts["ratings"])
    (tmp_path / "movies.csv").write_bytes(texts["movies"].encode("latin-1"))
    with pytest.raises(DataError, match=r"line 2: invalid UTF8.* encoding: latin-1"):
        load(tmp_path, "ratings.csv", "movies.csv")
    require_same(load(tmp_path, "ratings.csv", {"file": "movies.csv", "encoding": "latin-1"}))
    with pytest.raises(DataError, match="is not ascii text"):
        load(tmp_path, "ratings.csv", {"file": "movies.csv", "encoding": "ascii"})
    (tmp_path / "movies.csv").write_bytes(texts["movies"].encode("utf-16"))
    with pytest.raises(DataError, match="begins with the mark of utf-16, and encoding=latin-1"):
        load(tmp_path, "ratings.csv", {"file": "movies.csv", "encoding": "latin-1"})


def test_quotes_behind_backslashes_are_read_where_it_is_said(tmp_path):
    texts = csv_texts()
    (tmp_path / "ratings.csv").write_text(texts["ratings"])
    rows = [("a", 'Été, \\"late\\"'), ("b", "C:\\\\"), ("c", 'say \\"x\\"')]
    lines = ["movieId;title", *(f'"{item}";"{title}"' for item, title in rows)]
    (tmp_path / "movies.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r'line 2: a quote behind a backslash.*escape: "'):
        load(tmp_path, "ratings.csv", "movies.csv")
    told = {"file": "movies.csv", "escape": "\\"}
    found = load(tmp_path, "ratings.csv", told)
    assert found.catalog.texts == ['Été, "late"', "C:\\", 'say "x"']
    (tmp_path / "movies.csv").write_text("\n".join([*lines, '"d";"open \\"']))
    with pytest.raises(DataError, match="line 5: a quote that is never closed"):
        load(tmp_path, "ratings.csv", told)


def test_quotes_that_mean_nothing_are_signs_like_others(tmp_path):
    (tmp_path / "ratings.csv").write_text(csv_texts()["ratings"])
    (tmp_path / "movies.tsv").write_text('movieId\ttitle\na\t"x\nb\ty "z"\nc\t5"\n')
    with pytest.raises(DataError, match=r"behind the quote .* quote: null"):
        load(tmp_path, "ratings.csv", "movies.tsv")
    found = load(tmp_path, "ratings.csv", {"file": "movies.tsv", "quote": None})
    assert found.catalog.texts == ['"x', 'y "z"', '5"']


def test_a_separator_of_two_signs_and_columns_without_a_header(tmp_path):
    rows = zip(USERS, ITEMS, RATINGS, strict=True)
    text = "".join("::".join(map(str, row)) + "::9\n" for row in rows)
    (tmp_path / "ratings.dat").write_text(text)
    (tmp_path / "movies.dat").write_text('a::X|Y, 5"::1\nb::Z::2\nc::W::3\n')
    names = ["user_id", "item_id", "value"]
    movies = {"file": "movies.dat", "separator": "::", "header": ["item_id", "title"]}
    found = Dataset.load(
        tmp_path,
        interactions={"file": "ratings.dat", "header": names},
        items=movies,
        text="{title} {column_3}",
    )
    assert pairs(found) == PAIRS
    assert found.catalog.texts == ['X|Y, 5" 1', "Z 2", "W 3"]
    assert found.tables["interactions"]["separator"] == "::"
    with pytest.raises(DataError, match=r"ratings.dat has the columns u1, a, 5.0, 9; .* `header`"):
        Dataset.load(tmp_path, interactions="ratings.dat", items=movies)
    ambiguous = {"file": "movies.dat", "header": ["item_id", "title"]}
    with pytest.raises(DataError, match=r"can be split by .* Name it beside the file"):
        Dataset.load(tmp_path, interactions="ratings.dat", items=ambiguous)
    with pytest.raises(DataError, match="has 4 columns, and `header` names 5"):
        Dataset.load(
            tmp_path,
            interactions={"file": "ratings.dat", "separator": "::", "header": [*"abcde"]},
            items=movies,
        )


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_json_lines_are_read_key_by_key(tmp_path, suffix):
    rows = zip(USERS, ITEMS, RATINGS, strict=True)
    events = [
        {"userId": u, "movieId": i, "rating": r, "more": {f"k{n}": n}}
        for n, (u, i, r) in enumerate(rows)
    ]
    goods = [{"movieId": i, "title": t, "details": {i: 1}} for i, t in TITLES.items()]
    for name, objects in (("ratings", events), ("movies", goods)):
        text = "\n".join(map(json.dumps, objects)) + "\n"
        (tmp_path / f"{name}.json{suffix}").write_bytes(compressed(text.encode(), suffix))
    dataset = load(tmp_path, f"ratings.json{suffix}", f"movies.json{suffix}")
    require_same(dataset)
    assert dataset.catalog.fields.column_names == ["title"]
    listed = json.dumps(goods)
    (tmp_path / "list.json").write_text(listed)
    require_same(load(tmp_path, f"ratings.json{suffix}", "list.json"))
    (tmp_path / "python.json").write_text("\n".join(map(repr, goods)))
    found = load(tmp_path, f"ratings.json{suffix}", "python.json")
    require_same(found)
    assert found.tables["items"]["format"] == "lines of Python dictionaries"


def test_values_of_several_types_under_a_json_key_are_text_and_it_is_said(tmp_path, monkeypatch):
    (tmp_path / "interactions.jsonl").write_text('{"user_id": 1, "item_id": 12345678901234567890}')
    prices = [5, "from $4", "z", ["a", ["b", None]], True, 2.5]
    ids = [12345678901234567890, *range(5)]
    rows = [{"item_id": i, "title": p} for i, p in zip(ids, prices, strict=True)]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for size in (1, 2, 100):
        monkeypatch.setattr("beekit.data.json_table._ROWS", size)
        found = Dataset.load(tmp_path)
        texts = dict(zip(found.catalog.item_ids, found.catalog.texts, strict=True))
        assert texts["12345678901234567890"] == "5"
        assert [texts[str(n)] for n in range(5)] == ["from $4", "z", "a, b", "true", "2.5"]
        assert found.tables["items"]["read_as_text"] == ["item_id", "title"]


@pytest.mark.parametrize("name", ["items.csv", "items.csv.GZ", "items.csv.bz2", "items.tsv.zst"])
@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst", ""])
def test_compression_is_known_by_the_content_not_the_name(tmp_path, name, suffix):
    text = (name.endswith("tsv.zst") and "item_id\ttitle\n1\ta\n") or "item_id,title\n1,a\n"
    (tmp_path / name).write_bytes(compressed(text.encode(), suffix))
    (tmp_path / "interactions.csv").write_text("user_id,item_id\n1,1\n")
    assert Dataset.load(tmp_path).catalog.texts == ["a"]
    (tmp_path / name).write_bytes(compressed(b"", suffix))
    with pytest.raises(DataError, match="is empty"):
        Dataset.load(tmp_path)


def test_keys_of_json_that_nobody_reads_are_told(tmp_path, caplog):
    (tmp_path / "interactions.jsonl").write_text('{"userId": "u", "item_id": 1, "Value": 0}')
    (tmp_path / "items.jsonl").write_text('{"item_id": 1, "title": "a", "more": 2}')
    with pytest.raises(DataError, match=r"userId, item_id, Value; .* column user_id"):
        Dataset.load(tmp_path, columns={"value": "Value"})
    with pytest.raises(DataError, match="has a column 'Value'"):
        Dataset.load(tmp_path, columns={"user_id": "userId"})
    with caplog.at_level(logging.INFO, logger="beekit"):
        named = {"user_id": "userId", "value": "Value"}
        Dataset.load(tmp_path, columns=named, min_value=0)
    assert "not read" not in caplog.text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"item_id": 1}\n{"item_id": 2', "line 2: "),
        ('{"item_id": 1}\n[1]\n', "line 2: list"),
        ("[1, 2]", "a list of something else"),
        ("item_id,title\n1,a\n", "line 1: "),
        ('{"item_id": "\\ud800"}', "lone surrogate"),
        ('{"title": "a"}', "has the columns"),
    ],
)
def test_json_that_is_none_is_refused_in_one_line(tmp_path, text, found):
    (tmp_path / "items.jsonl").write_text(text)
    (tmp_path / "interactions.csv").write_text("user_id,item_id\n1,1\n")
    with pytest.raises(DataError) as caught:
        Dataset.load(tmp_path)
    assert found in caught.value.found
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
def test_a_file_that_was_cut_off_is_refused(tmp_path, kind, suffix):
    noise = np.random.default_rng(0).integers(0, 10**12, 5000)
    lines = [f"{n},{n}" for n in noise] if kind == "csv" else [f'{{"item_id": {n}}}' for n in noise]
    text = "\n".join((["item_id,title"] if kind == "csv" else []) + lines)
    whole = compressed(text.encode(), suffix)
    (tmp_path / f"items.{kind}{suffix}").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "interactions.csv").write_text("user_id,item_id\n1,1\n")
    with pytest.raises(DataError, match="cannot be decompressed"):
        Dataset.load(tmp_path)


def events_table(**columns) -> pa.Table:
    return pa.table({"user_id": USERS, "item_id": ITEMS, "value": RATINGS, **columns})


def write_items(folder: Path) -> None:
    goods = {"item_id": list(TITLES), "title": list(TITLES.values())}
    pq.write_table(pa.table(goods), folder / "items.parquet")


@pytest.mark.parametrize("name", ["interactions", "interactions.parquet", "events"])
def test_parts_of_parquet_in_a_folder_are_one_table(tmp_path, name):
    write_items(tmp_path)
    folder = tmp_path / name
    folder.mkdir()
    table = events_table()
    for number, part in enumerate((table[:1], table[1:])):
        pq.write_table(part, folder / f"part-{number}.snappy.parquet")
    (folder / "_SUCCESS").touch()
    (folder / "._SUCCESS.crc").write_bytes(b"crc")
    (folder / ".part-0.snappy.parquet.crc").write_bytes(b"crc")
    (folder / "_metadata").write_bytes(b"PAR1")
    found = Dataset.load(tmp_path, interactions="events" if name == "events" else None)
    require_same(found)
    assert found.tables["interactions"]["parts"] == 2
    whole = tmp_path / "whole"
    whole.mkdir()
    write_items(whole)
    pq.write_table(table, whole / "interactions.parquet")
    assert Dataset.load(whole).fingerprint == found.fingerprint
    pattern = Dataset.load(tmp_path, interactions=f"{name}/part-*.parquet")
    assert pattern.fingerprint == found.fingerprint
    pq.write_table(table.drop_columns("value"), folder / "part-2.snappy.parquet")
    with pytest.raises(DataError, match=r"part-0\..* and part-2\..* differ"):
        Dataset.load(tmp_path, interactions=name)
    (folder / "part-2.snappy.parquet").unlink()
    (folder / "part-3.csv").write_text("user_id,item_id\n1,1\n")
    with pytest.raises(DataError, match=r"part-3.csv \(CSV\) and part-0.* of one table"):
        Dataset.load(tmp_path, interactions=name)


def test_folders_of_partitions_are_columns(tmp_path):
    write_items(tmp_path)
    for user, item, value in zip(USERS, ITEMS, RATINGS, strict=True):
        folder = tmp_path / "interactions" / f"user_id={user}"
        folder.mkdir(parents=True, exist_ok=True)
        part = pa.table({"item_id": [item], "value": [value]})
        pq.write_table(part, folder / f"{item}.parquet")
    require_same(Dataset.load(tmp_path))


def test_parts_of_csv_as_spark_writes_them(tmp_path):
    write_items(tmp_path)
    folder = tmp_path / "interactions"
    folder.mkdir()
    for number, user in enumerate(dict.fromkeys(USERS)):
        rows = [f"{u},{i}" for u, i in zip(USERS, ITEMS, strict=True) if u == user]
        text = "\n".join(["user_id,item_id", *rows]) + "\n"
        (folder / f"part-0000{number}-x.csv.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "_SUCCESS").touch()
    (folder / "part-00009-x.csv.gz").touch()
    require_same(Dataset.load(tmp_path))


def test_what_the_datasets_library_saved(tmp_path):
    datasets = pytest.importorskip("datasets")
    saved = datasets.DatasetDict(
        {
            "interactions": datasets.Dataset(events_table()).select([0, 1, 2, 3]),
            "items": datasets.Dataset.from_dict(
                {"item_id": list(TITLES), "title": list(TITLES.values())}
            ).select([2, 0, 1]),
        }
    )
    saved.save_to_disk(str(tmp_path / "saved"))
    found = Dataset.load(tmp_path / "saved")
    require_same(found)
    assert found.tables["items"]["format"] == "a saved datasets folder"
    with pytest.raises(DataError, match="holds the splits interactions, items"):
        Dataset.load(tmp_path, interactions="saved", items="saved/items")
    named = Dataset.load(tmp_path, interactions="saved/interactions", items="saved/items")
    assert named.fingerprint == found.fingerprint


def test_a_dataset_of_the_hub_without_a_network_is_one_line(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="cannot be fetched from the Hub") as caught:
        Dataset.load(f"{HUB}somebody/something")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=f"expected {HUB}user/name"):
        Dataset.load(f"{HUB}something")


def test_a_dataset_of_the_hub_is_the_folder_that_was_fetched(monkeypatch, tmp_path):
    write_items(tmp_path)
    pq.write_table(events_table(), tmp_path / "interactions.parquet")
    asked = {}

    def fetched(repo, **options):
        asked.update(options, repo=repo)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)
    found = Dataset.load(f"{HUB}user/films@v1.0")
    require_same(found)
    assert found.name == "films"
    assert asked == {"repo": "user/films", "repo_type": "dataset", "revision": "v1.0"}


def test_a_column_of_a_known_name_gives_way_to_the_one_that_is_named(tmp_path):
    text = "item_id,movieId,userId,rating\nx,a,u1,5\ny,b,u1,3\nz,b,u2,4\nx,c,u3,1\n"
    (tmp_path / "ratings.csv").write_text(text)
    (tmp_path / "movies.csv").write_text(csv_texts()["movies"])
    require_same(load(tmp_path, "ratings.csv", "movies.csv"))
    own = {"file": "movies.csv", "columns": {"item_id": "movieId"}}
    called = {**COLUMNS, "item_id": "item_id"}
    (tmp_path / "ratings.csv").write_text(text.replace("item_id,movieId", "more,item_id"))
    found = Dataset.load(tmp_path, interactions="ratings.csv", items=own, columns=called)
    assert pairs(found) == PAIRS


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"columns": {"user": "userId"}}, "unknown key columns.user"),
        ({"columns": {"user_id": 5}}, "columns.user_id=5"),
        ({"columns": {**COLUMNS, "value": "stars"}}, "has the columns userId, movieId, rating"),
        ({"interactions": "rating.csv"}, "no rating.csv in"),
        ({"interactions": "../ratings.csv"}, "interactions='../ratings.csv'"),
        ({"items": "/etc/passwd"}, "items='/etc/passwd'"),
        ({"items": 5}, "items=5"),
        ({"items": {"file": "movies.csv", "seperator": ";"}}, "unknown key items.seperator"),
        ({"items": {"file": "movies.csv", "separator": ""}}, "separator=''"),
        ({"items": {"file": "movies.csv", "escape": "ab"}}, "escape='ab'"),
        ({"items": {"file": "movies.csv", "encoding": "klingon"}}, "encoding='klingon'"),
        ({"items": {"file": "movies.csv", "encoding": "base64"}}, "encoding='base64'"),
        ({"items": {"file": "movies.csv", "header": ["a", "a"]}}, "header=['a', 'a']"),
        ({"items": {"separator": ";"}}, "no key items.file"),
        ({"items": {"file": "movies.parquet", "separator": ";"}}, "separator for movies.parquet"),
        ({"items": "movies.zip"}, "is a .zip file"),
        ({"items": "empty"}, "holds no file with rows"),
    ],
)
def test_a_table_that_is_named_wrongly_is_answered_in_one_line(tmp_path, options, found):
    for name, text in csv_texts().items():
        (tmp_path / f"{name}.csv").write_text(text)
    pq.write_table(pa.table({"movieId": ["a"]}), tmp_path / "movies.parquet")
    (tmp_path / "movies.zip").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    given = {"interactions": "ratings.csv", "items": "movies.csv", "columns": COLUMNS, **options}
    with pytest.raises((DataError, ConfigError)) as caught:
        Dataset.load(tmp_path, **given)
    assert found in caught.value.found
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_called_so_is_named_in_the_remedy(tmp_path):
    for name, text in csv_texts().items():
        (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(DataError, match=r"holds movies.csv, ratings.csv.*interactions: |items: "):
        Dataset.load(tmp_path)
    with pytest.raises(DataError, match=r"Did you mean ratings.csv\?"):
        load(tmp_path, "rating.csv", "movies.csv")


TOGETHER = pa.chunked_array([[b"\x00\xff", b"\x01\xfe", b"\x00\xff"]])
NUMBER = UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("column", "ids"),
    [
        (pa.array(["b", "a"], pa.string_view()), ["b", "a"]),
        (pa.array([b"b", b"a"]), ["b", "a"]),
        (pa.array([b"b", b"a"], pa.binary_view()), ["b", "a"]),
        (pa.array([b"bb", b"aa"], pa.binary(2)), ["bb", "aa"]),
        (TOGETHER, ["00ff", "01fe", "00ff"]),
        (pa.array([NUMBER.bytes], pa.uuid()), [str(NUMBER)]),
        (pa.array([Decimal(7), Decimal(-5)], pa.decimal128(20, 0)), [7, -5]),
        (pa.array([Decimal("7.00")], pa.decimal128(20, 2)), [7]),
        (pa.array([Decimal(10**25)], pa.decimal128(38, 0)), [f"{10**25}"]),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ["b", "a", "b"]),
    ],
)
def test_ids_of_every_type_that_can_be_one(tmp_path, column, ids):
    pq.write_table(pa.table({"item_id": column}), tmp_path / "x.parquet")
    assert id_column(pa.table({"item_id": column}), "item_id", "x").to_pylist() == ids
    again = pq.read_table(tmp_path / "x.parquet")
    assert id_column(again, "item_id", "x").to_pylist() == ids


def test_a_fraction_is_no_id():
    with pytest.raises(DataError, match="item_id of type decimal"):
        id_column(pa.table({"item_id": [Decimal("7.5")]}), "item_id", "x")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pa.array([Decimal("4.5"), Decimal(1)]), [4.5, 1]),
        (pa.array(["4.5", "1"]), [4.5, 1]),
        (pa.array(["4.5", "1"], pa.string_view()), [4.5, 1]),
        (pa.array(np.array([4.5, 1], np.float16)), [4.5, 1]),
        (pa.array([4, 1], pa.uint8()), [4, 1]),
    ],
)
def test_values_of_every_type_that_is_a_number(column, values):
    assert value_column(pa.table({"value": column}), "x").tolist() == values


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (["2020-01-01", "1969-12-31"], [1577836800, -86400]),
        (["2020-01-01 00:00:01", "2020-01-01T00:00:02"], [1577836801, 1577836802]),
        (["2020-01-01T01:00:00+01:00", "2020-01-01T00:00:00.5Z"], [1577836800, 1577836800.5]),
        (["Fri Nov 17 13:37:05 -0800 2017"], [1510954625]),
        (["1577836800", "-5"], [1577836800, -5]),
    ],
)
def test_moments_as_text_are_seconds(texts, seconds):
    table = pa.table({"timestamp": texts})
    assert number_column(table, "timestamp", "x").tolist() == seconds


@pytest.mark.parametrize(
    "texts", [["01/02/2020"], ["2020-01-01", "yesterday"], ["5", "2020-01-01"]]
)
def test_moments_that_may_be_several_are_refused(texts):
    with pytest.raises(DataError, match="timestamp of type"):
        number_column(pa.table({"timestamp": texts}), "timestamp", "x")


@pytest.mark.parametrize(
    ("events", "items", "change"),
    [
        (["5.0", "6.0"], ["5", "x"], "1 of 2 would match after removing .0"),
        (["007", "008"], ["7", "8"], "2 of 2 would match after removing leading zeros"),
        ([" a", "b "], ["a", "b"], "2 of 2 would match after removing blanks"),
        (["Cafe\u0301", "b"], ["Caf\u00e9", "b"], "1 of 1 would match after writing them in one"),
        (["abc", "DEF"], ["ABC", "def"], "2 of 2 would match after writing them in small letters"),
        (
            [" A ", "00B"],
            ["a", "b"],
            "2 of 2 would match after removing blanks around ids, removing l",
        ),
        (["p", "q"], ["a", "b"], ""),
    ],
)
def test_ids_that_nearly_match_say_after_which_change_they_would(
    write_folder, events, items, change, caplog
):
    folder = write_folder(
        {"user_id": ["1", "2", "3"], "item_id": [*events, items[1]]},
        {"item_id": items, "title": ["x", "y"]},
    )
    with pytest.raises(DataError, match="the catalog does not have") as caught:
        Dataset.load(folder)
    assert change in caught.value.found
    assert ("would match" in caught.value.found) == bool(change)
    with caplog.at_level(logging.WARNING, logger="beekit"):
        Dataset.load(folder, unknown_items="drop")
    assert change in caplog.text


def test_rows_of_items_that_are_the_same_count_once_where_it_is_said(write_folder):
    events = {"user_id": ["1", "2"], "item_id": ["a", "b"]}
    goods = {"item_id": ["a", "b", "a"], "title": ["x", "y", "x"]}
    folder = write_folder(events, goods)
    with pytest.raises(DataError, match="repeats 1 item ids"):
        Dataset.load(folder)
    assert Dataset.load(folder, duplicates="merge").catalog.texts == ["x", "y"]
    other = write_folder(events, {**goods, "title": ["x", "y", "z"]})
    with pytest.raises(BeekitError, match="repeats 1 item ids"):
        Dataset.load(other, duplicates="merge")


def test_parts_may_be_empty_and_differ_in_how_text_is_kept(tmp_path):
    parts = tmp_path / "items"
    parts.mkdir()
    plain = pa.table({"item_id": [1], "title": ["a"]})
    pq.write_table(plain, parts / "0.parquet")
    category = pa.array(["b"]).dictionary_encode()
    pq.write_table(pa.table({"item_id": [2], "title": category}), parts / "1.parquet")
    (tmp_path / "u-0.csv.gz").write_bytes(gzip.compress(b"user_id,item_id\n1,1\n1,2\n"))
    (tmp_path / "u-1.csv.gz").write_bytes(gzip.compress(b""))
    found = Dataset.load(tmp_path, interactions="u-*.csv.gz", items="items")
    assert found.catalog.texts == ["a", "b"]
    assert found.interactions.n_interactions == 2


@pytest.mark.parametrize("name", ["rat**.csv", "x" * 300])
def test_a_name_that_no_file_can_have_is_one_line(tmp_path, name):
    with pytest.raises(DataError, match="interactions"):
        named_files(tmp_path, "interactions", name)


def test_columns_of_one_name_or_without_effect_are_refused(tmp_path):
    (tmp_path / "items.csv").write_text("item_id,title,zip\n1,a,8\n2,b,9\n")
    (tmp_path / "interactions.csv").write_text("u,item_id\n1,1\n1,2\n")
    with pytest.raises(ConfigError, match="one name for several"):
        Dataset.load(tmp_path, columns={"user_id": "item_id"})
    items = {"file": "items.csv", "columns": {"value": "zip"}}
    with pytest.raises(ConfigError, match=r"items\.columns\.value"):
        Dataset.load(tmp_path, items=items, columns={"user_id": "u"})


def test_decimal_commas_and_column_names_with_signs(tmp_path):
    (tmp_path / "i.csv").write_text("user_id;item_id;value\n1;1;4,5\n1;2;1,5\n2;1;5\n2;2;5\n")
    (tmp_path / "items.csv").write_text("item_id,movie:token!\n1,a\n2,b\n")
    decimal = {"file": "i.csv", "decimal": ","}
    found = Dataset.load(tmp_path, interactions=decimal, text="{movie:token!}", min_value=4)
    assert found.catalog.texts == ["a", "b"]
    assert found.interactions.matrix.toarray().tolist() == [[1, 0], [1, 1]]
    assert found.tables["interactions"]["decimal"] == ","
    with pytest.raises(DataError, match="`decimal`"):
        Dataset.load(tmp_path, interactions="i.csv", text="{movie:token!}", min_value=4)


def test_a_dataset_of_the_hub_has_one_name(tmp_path):
    assert dataset_name(f"{HUB}user/films@refs/convert/parquet") == "films"
    assert dataset_name(tmp_path / "x") == "x"
    with pytest.raises(DataError, match=f"expected {HUB}user/name"):
        require_data_folder(f"{HUB}films")
