"""What ids, texts and numbers may hold, in each format: all of it comes through as it is."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beekit.data import Dataset

IDS = [
    *("007", "7", "NA", "null", "None", "nan", "true", "12345678901234567890", "1e5", "-0", "5.0"),
    *("\N{LEMON}", "\u05d0\u05d1", "a,b", 'say "x"', "a;b", "a\tb", "a|b", "<b>"),
    "x" * 5000,
    *(" blank ", "\u2028", "Cafe\u0301", "Caf\u00e9", "back\\slash", "-", "#", "'", "=1+1"),
]
TEXTS = [
    "emoji \N{LEMON}\N{ZERO WIDTH JOINER}\N{SNOWMAN}",
    '<p class="x">HTML &amp; more</p>',
    "\u05e9\u05dc\u05d5\u05dd right to left \u202e\u202c",
    "y" * 100_000,
    "two\nlines, and, commas",
    "NA",
]
HOW = ["parquet", "csv", "crlf", "bom", "jsonl"]


def written(folder: Path, stem: str, table: dict[str, list], how: str) -> None:
    """A table in one of the forms `HOW`."""
    if how == "parquet":
        pq.write_table(pa.table(table), folder / f"{stem}.parquet")
        return
    rows = list(zip(*table.values(), strict=True))
    if how == "jsonl":
        lines = [json.dumps(dict(zip(table, row, strict=True))) for row in rows]
        (folder / f"{stem}.jsonl").write_text("\n".join(lines))
        return
    encoding = "utf-8-sig" if how == "bom" else "utf-8"
    end = "\r\n" if how == "crlf" else "\n"
    with (folder / f"{stem}.csv").open("w", encoding=encoding, newline="") as file:
        csv.writer(file, lineterminator=end).writerows([list(table), *rows])


@pytest.mark.parametrize("how", HOW)
def test_ids_and_texts_come_through_as_they_are(tmp_path, how):
    texts = [TEXTS[n % len(TEXTS)] + str(n) for n in range(len(IDS))]
    written(tmp_path, "items", {"item_id": IDS, "title": texts}, how)
    events = {"user_id": IDS[::-1], "item_id": IDS, "timestamp": [-5 + n for n in range(len(IDS))]}
    written(tmp_path, "interactions", events, how)
    dataset = Dataset.load(tmp_path)
    found = dict(zip(dataset.catalog.item_ids, dataset.catalog.texts, strict=True))
    assert found == dict(zip(IDS, texts, strict=True))
    coo = dataset.interactions.matrix.tocoo()
    users = dataset.interactions.user_ids[coo.row]
    stamps = dict(zip(users, dataset.interactions.timestamps, strict=True))
    assert stamps == dict(zip(IDS[::-1], events["timestamp"], strict=True))


def test_all_forms_have_one_fingerprint(tmp_path):
    prints = set()
    for how in HOW:
        folder = tmp_path / how
        folder.mkdir()
        written(folder, "items", {"item_id": IDS, "title": [f"of {i}" for i in IDS]}, how)
        written(folder, "interactions", {"user_id": IDS, "item_id": IDS}, how)
        prints.add(Dataset.load(folder, text="T {title}").fingerprint)
    assert len(prints) == 1


@pytest.mark.parametrize("how", ["parquet", "jsonl"])
def test_a_nul_comes_through_where_a_format_can_hold_it(tmp_path, how):
    written(tmp_path, "items", {"item_id": ["a\0b", "a"], "title": ["x\0y", "z"]}, how)
    written(tmp_path, "interactions", {"user_id": ["u\0", "u"], "item_id": ["a\0b", "a"]}, how)
    dataset = Dataset.load(tmp_path)
    assert dict(zip(dataset.catalog.item_ids, dataset.catalog.texts, strict=True)) == {
        "a\0b": "x\0y",
        "a": "z",
    }


def test_the_fingerprint_of_a_folder_is_what_earlier_versions_computed(tmp_path):
    items = {"item_id": ["b", "a"], "title": ["Drum", "Toner"]}
    written(tmp_path, "items", items, "parquet")
    written(tmp_path, "interactions", {"user_id": [1, 2], "item_id": ["a", "b"]}, "parquet")
    expected = "c0895c40ebd523f75003c7ea5e2d274ef6257d7bebe67a3ff55f8d124ea7a98b"
    assert Dataset.load(tmp_path).fingerprint == expected


def test_a_user_with_ten_thousand_items(tmp_path):
    items = [f"i{n}" for n in range(10_000)]
    written(tmp_path, "items", {"item_id": items, "title": items}, "csv")
    written(tmp_path, "interactions", {"user_id": ["u"] * 10_000, "item_id": items}, "csv")
    assert Dataset.load(tmp_path).interactions.matrix.nnz == 10_000


def test_tables_of_pandas_with_an_index_categories_and_nullable_numbers(tmp_path):
    moments = pd.to_datetime(["2020-01-01", "2020-06-01", "1960-01-01"])
    events = pd.DataFrame(
        {
            "user_id": pd.Categorical(["u", "v", "u"]),
            "item_id": pd.array(["a", "a", "b"], "string"),
            "value": pd.array([4, 5, 3], "Int8"),
            "timestamp": moments.tz_localize("Europe/Prague"),
        },
        index=[7, 8, 9],
    )
    events.to_parquet(tmp_path / "interactions.parquet")
    goods = pd.DataFrame({"item_id": ["a", "b"], "title": ["x", None], "kind": ["p", "q"]})
    goods.set_index("item_id").to_parquet(tmp_path / "items.parquet")
    dataset = Dataset.load(tmp_path, text="{title} {kind}", min_value=4)
    assert dataset.catalog.texts == ["x p", "q"]
    assert dataset.interactions.matrix.toarray().tolist() == [[1, 0], [1, 0]]
    local = [datetime(2019, 12, 31, 23, tzinfo=UTC), datetime(2020, 5, 31, 22, tzinfo=UTC)]
    assert dataset.interactions.timestamps.tolist() == [moment.timestamp() for moment in local]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.uint8, bool])
def test_values_of_any_width(tmp_path, kind):
    items = {"item_id": [1, 2], "title": ["x", "y"]}
    written(tmp_path, "items", items, "parquet")
    events = {"user_id": [1, 2], "item_id": [1, 2], "value": pa.array(np.array([1, 0], kind))}
    written(tmp_path, "interactions", events, "parquet")
    assert Dataset.load(tmp_path, min_value=1).interactions.n_interactions == 1
