"""Dataset folders: the same data in any dress, and bad data named in one line."""

from __future__ import annotations

import logging
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beekit.data import Catalog, Dataset, Interactions
from beekit.errors import DataError

EVENTS = {
    "user_id": [2, 1, 1, 3, 3],
    "item_id": [20, 10, 30, 30, 20],
    "value": [5.0, 1.0, 4.0, 3.0, 2.0],
    "timestamp": [500, 100, 400, 300, 200],
}
ITEMS = {
    "item_id": [30, 10, 40, 20],
    "title": ["Drum", "Toner", "Case", "Tray"],
    "plot": ["turns", None, "holds", "feeds"],
    "year": [1984, 1999, None, 2001],
}
# (user, item): timestamp, what every test that loads these tables must find
STAMPS = {(2, 20): 500, (1, 10): 100, (1, 30): 400, (3, 30): 300, (3, 20): 200}


def sales(**columns) -> dict:
    return {**EVENTS, **columns}


def goods(**columns) -> dict:
    return {**ITEMS, **columns}


def without(table: dict, name: str) -> dict:
    return {key: column for key, column in table.items() if key != name}


def reordered(table: dict, order: list[int]) -> dict:
    return {key: [column[i] for i in order] for key, column in table.items()}


def as_text(column: list[int]) -> list[str]:
    return [f"id-{value}" for value in column]


def as_dictionary(interactions: Interactions) -> dict:
    coo = interactions.matrix.tocoo()
    users, items = interactions.user_ids[coo.row], interactions.item_ids[coo.col]
    return dict(zip(zip(users, items, strict=True), interactions.timestamps, strict=True))


def assert_same(first: Dataset, second: Dataset) -> None:
    assert first.fingerprint == second.fingerprint
    assert first.catalog.item_ids.tolist() == second.catalog.item_ids.tolist()
    assert first.catalog.texts == second.catalog.texts
    assert as_dictionary(first.interactions) == as_dictionary(second.interactions)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_folder_by_hand(write_folder, kind):
    folder = write_folder(EVENTS, ITEMS, kind)
    dataset = Dataset.load(folder, text="{title} {plot} ({year})")
    assert dataset.name == folder.name
    assert dataset.interactions.user_ids.tolist() == [1, 2, 3]
    assert dataset.interactions.item_ids.tolist() == [10, 20, 30, 40]
    assert dataset.interactions.matrix.toarray().tolist() == [
        [1, 0, 1, 0],
        [0, 1, 0, 0],
        [0, 1, 1, 0],
    ]
    assert as_dictionary(dataset.interactions) == STAMPS
    assert dataset.catalog.texts == [
        "Toner  (1999)",
        "Tray feeds (2001)",
        "Drum turns (1984)",
        "Case holds ()",
    ]


@pytest.mark.parametrize("textual_items", [False, True])
@pytest.mark.parametrize("textual_users", [False, True])
def test_parquet_and_csv_hold_the_same_dataset(write_folder, textual_users, textual_items):
    events, items = dict(EVENTS), dict(ITEMS)
    if textual_users:
        events["user_id"] = as_text(events["user_id"])
    if textual_items:
        events["item_id"], items["item_id"] = as_text(events["item_id"]), as_text(items["item_id"])
    loaded = [
        Dataset.load(write_folder(events, items, kind), text="{title} {plot} {year}")
        for kind in ("parquet", "csv")
    ]
    assert_same(*loaded)


def test_ids_that_are_integers_in_one_table_and_strings_in_the_other_meet(write_folder):
    textual = goods(item_id=[str(i) for i in ITEMS["item_id"]])
    dataset = Dataset.load(write_folder(EVENTS, textual))
    assert dataset.catalog.item_ids.tolist() == ["10", "20", "30", "40"]
    assert as_dictionary(dataset.interactions) == {(u, str(i)): t for (u, i), t in STAMPS.items()}
    events = sales(item_id=[str(i) for i in EVENTS["item_id"]])
    assert_same(Dataset.load(write_folder(events, ITEMS)), dataset)


def test_csv_ids_with_leading_zeros_stay_apart(write_folder):
    dataset = Dataset.load(
        write_folder("user_id,item_id\n1,007\n2,7\n", "item_id,title\n7,a\n007,b\n")
    )
    assert dataset.catalog.item_ids.tolist() == ["007", "7"]
    assert dataset.interactions.matrix.toarray().tolist() == [[1, 0], [0, 1]]


def test_an_integer_id_does_not_meet_its_text_with_leading_zeros(write_folder):
    items = {"item_id": ["007"], "title": ["a"]}
    with pytest.raises(DataError, match="first: '7'"):
        Dataset.load(write_folder({"user_id": [1], "item_id": [7]}, items))


def test_row_order_of_the_interactions_changes_nothing(write_folder):
    original = Dataset.load(write_folder(EVENTS, ITEMS))
    shuffled = Dataset.load(write_folder(reordered(EVENTS, [4, 0, 3, 1, 2]), ITEMS))
    assert_same(original, shuffled)
    assert (original.interactions.matrix != shuffled.interactions.matrix).nnz == 0


def test_row_order_of_the_items_changes_nothing(write_folder):
    original = Dataset.load(write_folder(EVENTS, ITEMS))
    shuffled = Dataset.load(write_folder(EVENTS, reordered(ITEMS, [2, 0, 3, 1])))
    assert_same(original, shuffled)
    assert original.catalog.fields.equals(shuffled.catalog.fields)
    assert (original.interactions.matrix != shuffled.interactions.matrix).nnz == 0


def test_the_fingerprint_sees_an_interaction_an_id_a_text_and_an_unused_item(write_folder):
    variants = [
        (EVENTS, ITEMS),
        (sales(item_id=[20, 10, 30, 10, 20]), ITEMS),
        (sales(user_id=[9, 1, 1, 3, 3]), ITEMS),
        (EVENTS, goods(item_id=[30, 10, 41, 20])),
        (EVENTS, goods(title=["Drum", "Toner", "Case", "Trax"])),
        (EVENTS, goods(title=["Toner", "Drum", "Case", "Tray"])),
        (EVENTS, reordered(ITEMS, [0, 1, 3])),
    ]
    prints = {Dataset.load(write_folder(*tables)).fingerprint for tables in variants}
    assert len(prints) == len(variants)


def test_the_fingerprint_does_not_see_a_column_no_text_names(write_folder):
    other = goods(plot=["a", "b", "c", "d"])
    first, second = (Dataset.load(write_folder(EVENTS, items)) for items in (ITEMS, other))
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_datetime_columns_become_seconds(write_folder, kind):
    moments = [datetime(2020, 1, 1, 0, 0, second) for second in (5, 1, 4, 3, 2)]
    dataset = Dataset.load(write_folder(sales(timestamp=moments), ITEMS, kind))
    start = 1577836800  # 2020-01-01 UTC
    assert as_dictionary(dataset.interactions) == {k: start + t / 100 for k, t in STAMPS.items()}


def test_values_and_timestamps_are_optional(write_folder):
    bare = {"user_id": EVENTS["user_id"], "item_id": EVENTS["item_id"]}
    dataset = Dataset.load(write_folder(bare, {"item_id": ITEMS["item_id"]}))
    assert dataset.interactions.timestamps is None
    assert dataset.catalog.text is None
    assert dataset.interactions.n_interactions == 5


def test_min_value_and_supports_leave_the_catalog_whole(write_folder):
    dataset = Dataset.load(
        write_folder(EVENTS, ITEMS), min_value=2.0, user_min_support=1, item_min_support=2
    )
    # Below 2: (1, 10). Items with two interactions left: 20 and 30.
    assert as_dictionary(dataset.interactions) == {
        pair: t for pair, t in STAMPS.items() if pair != (1, 10)
    }
    strict = Dataset.load(
        write_folder(EVENTS, ITEMS), min_value=2.0, user_min_support=2, item_min_support=1
    )
    assert as_dictionary(strict.interactions) == {(3, 20): 200, (3, 30): 300}
    assert dataset.catalog.item_ids.tolist() == strict.catalog.item_ids.tolist() == [10, 20, 30, 40]


def test_the_text_column_is_the_usual_text_and_else_the_title(write_folder):
    texts = ["a", "b", "c", "d"]
    titled = Dataset.load(write_folder(EVENTS, ITEMS))
    texted = Dataset.load(write_folder(EVENTS, goods(text=texts)))
    assert titled.catalog.text == "{title}"
    assert texted.catalog.texts == ["b", "d", "a", "c"]  # of items 10, 20, 30 and 40


def test_merged_duplicates_keep_the_earliest_time(write_folder):
    events = {"user_id": [1, 1, 2], "item_id": [10, 10, 20], "timestamp": [9, 3, 5]}
    dataset = Dataset.load(write_folder(events, ITEMS), duplicates="merge")
    assert as_dictionary(dataset.interactions) == {(1, 10): 3, (2, 20): 5}


def test_dropping_unknown_items_leaves_the_others_with_their_times(write_folder):
    known = reordered(ITEMS, [0, 1])  # 30 and 10
    dataset = Dataset.load(write_folder(EVENTS, known), unknown_items="drop")
    assert as_dictionary(dataset.interactions) == {(1, 10): 100, (1, 30): 400, (3, 30): 300}
    assert dataset.catalog.item_ids.tolist() == [10, 30]


def test_dropping_items_without_text_drops_their_interactions(write_folder):
    items = goods(title=["Drum", " ", None, "Tray"])  # 10 and 40 have none
    dataset = Dataset.load(write_folder(EVENTS, items), missing_text="drop")
    assert dataset.catalog.item_ids.tolist() == [20, 30]
    assert dataset.catalog.texts == ["Tray", "Drum"]
    assert as_dictionary(dataset.interactions) == {
        pair: t for pair, t in STAMPS.items() if pair[1] != 10
    }


def test_dropping_items_without_text_does_not_hide_unknown_items(write_folder):
    items = {**reordered(ITEMS, [0, 1]), "title": ["Drum", None]}
    with pytest.raises(DataError, match=r"name 1 items .*first: 20"):
        Dataset.load(write_folder(EVENTS, items), missing_text="drop")
    dataset = Dataset.load(write_folder(EVENTS, items), missing_text="drop", unknown_items="drop")
    assert as_dictionary(dataset.interactions) == {(1, 30): 400, (3, 30): 300}


def test_filters_apply_after_dropping(write_folder):
    known = reordered(ITEMS, [0, 1])
    dataset = Dataset.load(write_folder(EVENTS, known), unknown_items="drop", user_min_support=2)
    assert as_dictionary(dataset.interactions) == {(1, 10): 100, (1, 30): 400}


def test_each_rule_says_what_it_keeps_and_silence_means_all(write_folder, caplog):
    events = sales(user_id=[2, 1, 1, 3, 3], item_id=[20, 10, 10, 30, 20])
    items = {**reordered(ITEMS, [0, 1, 2]), "title": ["Drum", "Toner", None]}
    with caplog.at_level(logging.INFO, logger="beekit"):
        dataset = Dataset.load(
            write_folder(events, items),
            unknown_items="drop",
            missing_text="drop",
            min_value=1,
            duplicates="merge",
            user_min_support=1,
        )
    assert [message for message in caplog.messages if " keeps " in message] == [
        "unknown_items=drop keeps 3 of 5 interactions",
        "missing_text=drop keeps 2 of 3 items",
        "duplicates=merge keeps 2 of 3 interactions",
    ]
    assert [(k.rule, k.kept, k.of, k.rows) for k in dataset.interactions.kept] == [
        ("unknown_items=drop", 3, 5, "interactions"),
        ("missing_text=drop", 2, 3, "items"),
        ("duplicates=merge", 2, 3, "interactions"),
    ]


def test_supports_say_what_they_keep_one_after_the_other(write_folder, caplog):
    # User 2 has one interaction; without it item 20 has one, of user 3, who then has one.
    with caplog.at_level(logging.INFO, logger="beekit"):
        Dataset.load(write_folder(EVENTS, ITEMS), user_min_support=2, min_value=1.5)
    assert [message for message in caplog.messages if " keeps " in message] == [
        "min_value=1.5 keeps 4 of 5 interactions",
        "user_min_support=2 keeps 2 of 4 interactions",
    ]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1.0, 0.0, 2.0, -1.0, 0.0], r"3 of 5 interactions .* \(0\.0, -1\.0\)|\(0, -1\)"),
        ([1, 1, -1, 1, 1], r"1 of 5 interactions .* \(-1\)"),
        ([True, False, True, True, True], r"5 of 5 .* \(True, False\)"),
        ([True] * 5, r"5 of 5 .* \(True\)"),
    ],
)
def test_values_that_may_mean_no_are_refused_unless_something_says_what_counts(
    write_folder, kind, values, found
):
    folder = write_folder(sales(value=values), ITEMS, kind)
    with pytest.raises(DataError, match=found) as caught:
        Dataset.load(folder)
    assert "min_value=" in caught.value.remedy
    loaded = Dataset.load(folder, min_value=1)
    assert loaded.interactions.n_interactions == sum(value >= 1 for value in values)


def test_a_value_is_compared_as_precisely_as_it_is_stored(write_folder):
    # As a float64 the nearest float32 to 4.1 is below 4.1.
    values = pa.array([4.1, 4.1, 3.9, 4.1, 5], pa.float32())
    folder = write_folder(sales(value=values), ITEMS)
    assert Dataset.load(folder, min_value=4.1).interactions.n_interactions == 4


@pytest.mark.parametrize("name", ["Value", " value", "TIMESTAMP", "User_ID"])
def test_a_column_that_almost_has_a_known_name_is_not_passed_over(write_folder, name):
    meant = name.strip().lower()
    events = {name if key == meant else key: column for key, column in EVENTS.items()}
    with pytest.raises(DataError, match=f"has a column '{name}'; expected the name '{meant}'"):
        Dataset.load(write_folder(events, ITEMS))
    assert len(Dataset.load(write_folder(EVENTS, goods(Value=[1, 2, 3, 4]))).catalog) == 4


def test_ids_to_leave_out_that_no_item_has_change_nothing(write_folder):
    dataset = Dataset.load(write_folder(EVENTS, ITEMS), leave_out=np.array([99]))
    assert dataset.catalog.item_ids.tolist() == [10, 20, 30, 40]


# tables, options, and parts of what was found and of what was expected
NAN, INF = float("nan"), float("inf")
BAD = {
    "no user_id": (without(EVENTS, "user_id"), ITEMS, {}, "interactions", "a column user_id"),
    "no item_id": (without(EVENTS, "item_id"), ITEMS, {}, "interactions", "a column item_id"),
    "no item_id in items": (EVENTS, without(ITEMS, "item_id"), {}, "title, plot", "column item_id"),
    "float user ids": (sales(user_id=[1.0] * 5), ITEMS, {}, "user_id of type double", "i"),
    "float item ids": (EVENTS, goods(item_id=[1.5] * 4), {}, "item_id of type double", "i"),
    "list ids": (sales(item_id=[[1]] * 5), ITEMS, {}, "item_id of type list", "strings"),
    "text values": (sales(value=["good"] * 5), ITEMS, {}, "value of type", "numbers"),
    "text times": (sales(timestamp=["now"] * 5), ITEMS, {}, "timestamp of t", "numbers"),
    "null user": (sales(user_id=[2, 1, None, 3, 3]), ITEMS, {}, "1 rows without user_id", ""),
    "null item": (sales(item_id=[20, 10, None, None, 20]), ITEMS, {}, "2 rows without", ""),
    "null in items": (EVENTS, goods(item_id=[30, 10, None, 20]), {}, "items has 1 rows", ""),
    "null value": (sales(value=[1, 2, None, 3, 3]), ITEMS, {}, "1 rows whose value", "finite"),
    "nan value": (sales(value=[1, 2, NAN, 3, NAN]), ITEMS, {}, "2 rows whose value", "finite"),
    "infinite value": (sales(value=[1, 2, INF, 3, 3]), ITEMS, {}, "1 rows whose", "finite"),
    "null time": (sales(timestamp=[1, 2, None, 3, 3]), ITEMS, {}, "whose timestamp", "finite"),
    "duplicates": (
        sales(user_id=[2, 1, 1, 3, 3], item_id=[20, 10, 10, 30, 30]),
        ITEMS,
        {},
        "2 interactions repeat",
        "each pair once",
    ),
    "unknown item": (EVENTS, reordered(ITEMS, [0, 1]), {}, "2 interactions name 1 items", "among"),
    "no text": (EVENTS, goods(title=["a", None, "", "b"]), {}, "2 of 4 items", "a text for"),
    "no text at all": (
        EVENTS,
        goods(title=[None] * 4),
        {"missing_text": "drop"},
        "4 of 4 items",
        "a text for",
    ),
    "nobody left": (EVENTS, ITEMS, {"user_min_support": 3}, "user_min_support=3", "one user"),
    "nothing above": (
        EVENTS,
        ITEMS,
        {"min_value": 9},
        "5 interactions after min_value=9",
        "one user",
    ),
    "all unknown": (
        EVENTS,
        {"item_id": ["x"], "title": ["a"]},
        {"unknown_items": "drop"},
        "no user is left",
        "one user",
    ),
    "repeated item": (EVENTS, goods(item_id=[30, 10, 10, 20]), {}, "first: 10", "once"),
    "absent column": (EVENTS, ITEMS, {"text": "{titel}"}, "names titel", "title, plot, year"),
    "open brace": (EVENTS, ITEMS, {"text": "{title"}, "cannot be read", "braces"),
    "format": (EVENTS, ITEMS, {"text": "{year:04d}"}, "{year:04d}", "plain column names"),
    "no values": (without(EVENTS, "value"), ITEMS, {"min_value": 4}, "min_value=4", "column value"),
    "unknown_items": (EVENTS, ITEMS, {"unknown_items": "skip"}, "unknown_items='skip'", "or drop"),
    "missing_text": (EVENTS, ITEMS, {"missing_text": "skip"}, "missing_text='skip'", "or drop"),
    "duplicates policy": (EVENTS, ITEMS, {"duplicates": "sum"}, "duplicates='sum'", "or merge"),
    "no interactions": (None, ITEMS, {}, "items.parquet", "interactions.parquet or"),
    "no items": (EVENTS, None, {}, "interactions.parquet", "items.parquet or"),
    "empty csv": ("", ITEMS, {}, "interactions.csv is empty", "header"),
    "ragged csv": ("user_id,item_id\n1,10\n2\n", ITEMS, {}, "got 1: 2", "as many fields"),
    "empty id in csv": ("user_id,item_id\n1,10\n,20\n", ITEMS, {}, "1 rows without user_id", ""),
    "text value in csv": (
        "user_id,item_id,value\n1,10,high\n",
        ITEMS,
        {},
        "value of type",
        "numbers",
    ),
    "empty value in csv": (
        "user_id,item_id,value\n1,10,\n2,10,3\n",
        ITEMS,
        {},
        "1 rows whose",
        "finite",
    ),
    "no rows": (
        {"user_id": pa.array([], pa.int64()), "item_id": pa.array([], pa.int64())},
        ITEMS,
        {},
        "interactions.parquet has no rows",
        "one row",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_in_one_line(write_folder, case):
    events, items, options, found, expected = BAD[case]
    with pytest.raises(DataError) as caught:
        Dataset.load(write_folder(events, items), **options)
    error = caught.value
    assert found in error.found
    assert expected in error.expected
    assert error.remedy.endswith(".")
    assert "\n" not in str(error)
    assert "np." not in str(error)
    assert all(part in str(error) for part in (error.found, error.expected, error.remedy))


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no folder .*nowhere"):
        Dataset.load(tmp_path / "nowhere")


def test_a_parquet_file_that_is_not_parquet_is_named(write_folder):
    folder = write_folder(EVENTS, ITEMS)
    (folder / "items.parquet").write_text("item_id,title\n1,a\n")
    with pytest.raises(DataError, match=r"items.parquet cannot be read as Parquet"):
        Dataset.load(folder)


def test_interactions_and_catalog_of_different_items_do_not_make_a_dataset():
    interactions = Interactions.from_arrays([1, 2], [1, 2])
    with pytest.raises(DataError, match="list different items"):
        Dataset("x", interactions, Catalog(np.array([2, 1]), pa.table({})))


def test_a_folder_written_in_several_row_groups_is_read_whole(write_folder):
    folder = write_folder(EVENTS, ITEMS)
    whole = Dataset.load(folder)
    for stem, table in (("interactions", EVENTS), ("items", ITEMS)):
        pq.write_table(pa.table(table), folder / f"{stem}.parquet", row_group_size=2)
    assert_same(Dataset.load(folder), whole)
