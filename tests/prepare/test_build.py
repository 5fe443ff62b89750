"""A dataset folder, all or nothing, and what its manifest says."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beekit import Dataset
from beekit.errors import ConfigError, DataError
from beekit.prepare.build import RawDataset, build, summary
from beekit.prepare.interactions import Filters
from beekit.prepare.lines import Malformed
from beekit.prepare.published import PublicDataset, Published
from beekit.prepare.raw import RawFile

FILTERS = Filters(None, 5)


class Given:
    """Tables at hand."""

    def __init__(self, raw, name, *tables):
        self.raw = RawFile.local(raw)
        self.malformed = Malformed(name)
        self.tables = tables

    def __iter__(self):
        for table in self.tables:
            self.malformed.rows += len(table)
            yield table


def source(*published):
    return PublicDataset("Toys", "https://toys.example", "free", "A. Nobody. 2020.", published)


def make(
    out,
    *published,
    filters=FILTERS,
    text=False,
    rows=1 << 21,
    seed=0,
    pictures=None,
    shelf=None,
    **options,
):
    generator = np.random.default_rng(seed)
    users, items = generator.integers(0, 60, 800), generator.integers(0, 40, 800)
    events = {"user_id": users, "item_id": items, "value": np.ones(800, np.float32)}
    if text:
        events |= {"user_id": [f"u{u:02x}" for u in users], "item_id": [f"i{i}" for i in items]}
    ids = [f"i{i}" if text else i for i in generator.permutation(40).tolist()]
    titles = [" A  toy," if i % 7 else None for i in range(40)]
    catalog = pa.table({"item_id": ids, "title": pa.array(titles, pa.string())})
    raw = out.parent / "raw.csv"
    raw.write_text("raw")
    shelves = [Given(raw, "shelves.csv")] if shelf else []
    for table in shelves:
        table.malformed.add(3, shelf)
    dataset = RawDataset(
        source(*published),
        items=Given(raw, "items.csv", catalog),
        interactions=Given(raw, "ratings.csv", pa.table(events)),
        pictures=pictures,
        also_read=shelves,
    )
    return build(out, dataset, filters, rows=rows, **options)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("rows", [50, 1 << 21])
def test_the_fingerprint_is_that_of_the_loaded_dataset(tmp_path, text, rows):
    prepared = make(tmp_path / "toys", text=text, rows=rows)
    dataset = Dataset.load(tmp_path / "toys")
    assert prepared["fingerprint"] == dataset.fingerprint
    counts = prepared["counts"]
    assert counts["users"] == dataset.interactions.n_users
    assert counts["items"] == dataset.interactions.n_items == len(dataset.interactions.used_items)
    assert counts["interactions"] == dataset.interactions.n_interactions
    other = make(tmp_path / "toys", text=text, rows=rows, seed=1)
    assert other["fingerprint"] != prepared["fingerprint"]


def test_what_is_written_does_not_depend_on_how_much_is_in_memory(tmp_path):
    make(tmp_path / "a", rows=50)
    make(tmp_path / "b")
    for name in ("interactions.parquet", "items.parquet"):
        assert pq.read_table(tmp_path / "a" / name).equals(pq.read_table(tmp_path / "b" / name))
    a, b = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in "ab")
    assert a == b


def test_the_manifest_says_from_what_and_how(tmp_path):
    listed = tmp_path / "some.txt"
    listed.write_text("\n".join(map(str, range(30))))
    manifest = make(tmp_path / "toys", item_list=listed)
    assert manifest == json.loads((tmp_path / "toys" / "manifest.json").read_text())
    assert manifest["licence"] == "free"
    assert manifest["citation"] == "A. Nobody. 2020."
    assert [file["name"] for file in manifest["raw"]] == ["raw.csv"]  # once, of two tables
    assert len(manifest["raw"][0]["sha256"]) == 64
    assert manifest["filters"] == {
        "min_value": None,
        "user_min_support": 5,
        "duplicates": "latest",
        "items": {
            "name": "some.txt",
            "sha256": hashlib.sha256(listed.read_bytes()).hexdigest(),
            "ids": 30,
            "in_catalog": 26,
        },
    }
    assert manifest["catalog"]["without_title"] == 6
    assert manifest["malformed"]["ratings.csv"]["rows"] == manifest["counts"]["rows"] == 800


def test_published_counts_are_compared_and_said(tmp_path):
    counts = make(tmp_path / "toys")["counts"]
    right = {name: counts[name] for name in ("users", "items", "interactions")}
    made = make(
        tmp_path / "toys",
        Published("README", rows=800),
        Published("Equal", **right, user_min_support=5),
        Published("Unlike", **{**right, "users": 7}, user_min_support=5, note="of red toys"),
        Published("Others", users=7, min_value=4.0, user_min_support=5),
    )
    assert [expected["equal"] for expected in made["expected"]] == [*(True, True, False, None)]
    said = summary(made, tmp_path / "toys")
    assert "equal to published counts: 800 rows (README)" in said
    assert f"equal to published counts: {right['users']} users, " in said
    assert "different from published counts: 7 users, " in said
    assert "(Unlike); of red toys" in said
    assert "published counts with other filters: 7 users (Others)" in said


def test_counts_of_a_list_compare_only_with_counts_of_a_list(tmp_path):
    listed = tmp_path / "some.txt"
    listed.write_text("\n".join(map(str, range(30))))
    right = make(tmp_path / "toys", item_list=listed)["counts"]
    right = {name: right[name] for name in ("users", "items", "interactions")}
    published = (
        Published("All", **right, user_min_support=5),
        Published("Some", **right, user_min_support=5, listed=True),
        Published("Fewer", **right, user_min_support=9, listed=True),
        Published("Rows", rows=800),
    )
    made = make(tmp_path / "toys", *published, item_list=listed)
    assert [expected["equal"] for expected in made["expected"]] == [None, True, None, True]
    assert f"published counts with other items: {right['users']} users" in summary(
        made, tmp_path / "toys"
    )
    assert "some.txt: 26 of 30 listed ids are in the catalog" in summary(made, tmp_path / "toys")
    made = make(tmp_path / "toys", *published)
    assert made["expected"][2]["other"] == ["filters", "items"]
    assert [expected["equal"] for expected in made["expected"]] == [*(False, None, None, True)]
    assert "published counts with other filters and items" in summary(made, tmp_path / "toys")


def test_which_row_of_a_repeated_pair_stays_changes_no_count(tmp_path):
    latest = make(tmp_path / "a", filters=Filters(None, 12, "latest"))["counts"]
    first = make(tmp_path / "b", filters=Filters(None, 12, "first"))["counts"]
    assert latest == first
    assert latest["repeated"]
    assert latest["few_items"]


def test_malformed_lines_of_every_table_are_told(tmp_path):
    made = make(tmp_path / "toys", shelf="rubbish")
    assert made["malformed"]["shelves.csv"]["malformed"] == 1
    assert "malformed lines skipped: 1 (line 3: 'rubbish')" in summary(made, tmp_path / "toys")


@pytest.mark.parametrize("name", ["notes.txt", "descriptions.jsonl", "images", ".hidden"])
def test_a_folder_with_further_files_is_not_replaced(tmp_path, name):
    make(tmp_path / "toys")
    make(tmp_path / "toys")
    (tmp_path / "toys" / name).write_text("mine")
    with pytest.raises(ConfigError, match=f"that `beekit prepare` did not make: {name}"):
        make(tmp_path / "toys")
    assert (tmp_path / "toys" / name).read_text() == "mine"


def test_items_with_a_column_added_since_are_not_replaced(tmp_path):
    make(tmp_path / "toys")
    path = tmp_path / "toys" / "items.parquet"
    items = pq.read_table(path)
    pq.write_table(items.append_column("description", [["A toy."] * len(items)]), path)
    with pytest.raises(ConfigError, match="was changed after `beekit prepare` made it"):
        make(tmp_path / "toys")
    assert "description" in pq.read_table(path).column_names


def test_what_came_into_the_folder_meanwhile_is_not_replaced(tmp_path):
    make(tmp_path / "toys")

    class Pictures:
        @contextmanager
        def placing(self, folder):
            (tmp_path / "toys" / "late.txt").write_text("mine")
            yield lambda items: items

        def describe(self):
            return {}

    with pytest.raises(ConfigError, match=r"late\.txt"):
        make(tmp_path / "toys", pictures=Pictures())
    assert (tmp_path / "toys" / "late.txt").exists()


def test_a_folder_made_before_is_replaced_and_any_other_refused(tmp_path):
    (tmp_path / "home").mkdir()
    make(tmp_path / "home")
    (tmp_path / "home" / "interactions.parquet").unlink()
    with pytest.raises(ConfigError, match="files that `beekit prepare` did not make"):
        make(tmp_path / "home")
    assert (tmp_path / "home" / "items.parquet").exists()


def test_a_failure_leaves_the_dataset_that_was_there(tmp_path):
    before = make(tmp_path / "toys")
    with pytest.raises(DataError, match="no user is left"):
        make(tmp_path / "toys", filters=Filters(None, 99))
    assert json.loads((tmp_path / "toys" / "manifest.json").read_text()) == before
    assert Dataset.load(tmp_path / "toys").fingerprint == before["fingerprint"]
