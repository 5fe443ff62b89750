"""Splits as artefacts: hashed by content, saved by ids, loaded equal or not at all."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from random_interactions import pairs, random_interactions, renumbered, tiny

from beekit.data import Interactions
from beekit.errors import SplitError
from beekit.split import (
    HeldOut,
    Split,
    cold_start_split,
    load_split,
    load_training_item_ids,
    random_split,
    time_split,
    user_split,
)


def no_split(interactions: Interactions) -> Split:
    return Split("none", {}, interactions, interactions.matrix)


KINDS = {
    "cold_start": lambda X: cold_start_split(X, items=3, seed=5),
    "cold_start without validation": lambda X: cold_start_split(X, items=3, validation_items=0),
    "user": lambda X: user_split(X, users=2, validation_users=1, source_fraction=0.5),
    "user first": lambda X: user_split(X, users=2, validation_users=1, source="first"),
    "time": lambda X: time_split(X, fraction=0.3, validation_fraction=0.2),
    "random": lambda X: random_split(X, fraction=0.3, validation_fraction=0.2),
    "none": no_split,
}


def assert_equal(first: Split, second: Split) -> None:
    assert second.kind == first.kind
    assert dict(second.settings) == dict(first.settings)
    assert second.hash == first.hash
    assert np.array_equal(second.train.toarray(), first.train.toarray())
    assert second.parts.keys() == first.parts.keys()
    for name, part in first.parts.items():
        loaded = second.parts[name]
        assert np.array_equal(loaded.source.toarray(), part.source.toarray())
        assert np.array_equal(loaded.target.toarray(), part.target.toarray())
        assert loaded.candidates.tolist() == part.candidates.tolist()
        assert loaded.users.tolist() == part.users.tolist()


@settings(deadline=None, max_examples=60)
@given(interactions=random_interactions(), kind=st.sampled_from(sorted(KINDS)))
def test_a_saved_split_loads_equal(tmp_path_factory, interactions, kind):
    try:
        split = KINDS[kind](interactions)
    except SplitError:
        reject()
    folder = tmp_path_factory.mktemp("split") / "split"
    split.save(folder)
    assert_equal(split, load_split(folder, interactions))
    assert load_training_item_ids(folder).tolist() == split.training_item_ids.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_split_loads_over_a_catalog_in_another_order(tmp_path, kind):
    split = KINDS[kind](tiny())
    split.save(tmp_path / "split")
    loaded = load_split(tmp_path / "split", renumbered(tiny(), 1))
    assert loaded.hash == split.hash
    assert pairs(loaded.train, loaded.interactions) == pairs(split.train, split.interactions)
    for name, part in split.parts.items():
        other = loaded.parts[name]
        assert pairs(other.source, loaded.interactions) == pairs(part.source, split.interactions)
        assert pairs(other.target, loaded.interactions) == pairs(part.target, split.interactions)


def others() -> dict[str, Interactions]:
    """Interactions that a split of `tiny` does not belong to."""
    coo = tiny().matrix.tocoo()
    users, items = tiny().user_ids[coo.row], tiny().item_ids[coo.col]
    stamps, catalog = tiny().timestamps, tiny().item_ids

    def build(users, items, stamps, catalog):
        return Interactions.from_arrays(users, items, timestamps=stamps, catalog_ids=catalog)

    return {
        "one interaction less": build(users[1:], items[1:], stamps[1:], catalog),
        "one interaction more": build(
            np.append(users, 1), np.append(items, 99), np.append(stamps, 0.0), catalog
        ),
        "one item more": build(users, items, stamps, np.append(catalog, 100)),
        "the unused item less": build(users, items, stamps, catalog[catalog != 99]),
        "other users": build(users + 1, items, stamps, catalog),
        "other items": build(users, items + 100, stamps, catalog + 100),
        "ids of another type": build(
            users.astype(str), items.astype(str), stamps, catalog.astype(str)
        ),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("difference", others())
def test_a_split_does_not_load_over_other_interactions(tmp_path, kind, difference):
    KINDS[kind](tiny()).save(tmp_path / "split")
    with pytest.raises(SplitError, match="does not belong to these interactions"):
        load_split(tmp_path / "split", others()[difference])


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_does_not_load_if_any_one_interaction_is_gone(tmp_path, kind):
    KINDS[kind](tiny()).save(tmp_path / "split")
    X = tiny()
    coo = X.matrix.tocoo()
    for gone in range(X.n_interactions):
        keep = np.arange(X.n_interactions) != gone
        less = Interactions.from_arrays(
            X.user_ids[coo.row[keep]], X.item_ids[coo.col[keep]], catalog_ids=X.item_ids
        )
        with pytest.raises(SplitError, match="does not belong"):
            load_split(tmp_path / "split", less)


def test_a_tampered_split_does_not_load(tmp_path):
    folder = tmp_path / "split"
    cold_start_split(tiny(), items=3).save(folder)
    held_out = pq.read_table(folder / "held_out.parquet")
    pq.write_table(held_out.slice(1), folder / "held_out.parquet")
    with pytest.raises(SplitError, match="does not belong"):
        load_split(folder, tiny())


def test_a_folder_without_a_split_is_refused(tmp_path):
    with pytest.raises(SplitError, match=r"no split.json in"):
        load_split(tmp_path, tiny())
    with pytest.raises(SplitError, match=r"no training_items.parquet in"):
        load_training_item_ids(tmp_path)


def test_saving_replaces_the_split_that_was_there(tmp_path):
    folder = tmp_path / "split"
    cold_start_split(tiny(), items=3).save(folder)
    no_split(tiny()).save(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "split.json",
        "training_items.parquet",
    ]
    assert load_split(folder, tiny()).kind == "none"


def test_saved_files_hold_the_callers_ids(tmp_path):
    split = cold_start_split(tiny(), items=3)
    split.save(tmp_path / "split")
    held_out = pq.read_table(tmp_path / "split" / "held_out.parquet").to_pylist()
    assert {row["role"] for row in held_out} == {"target"}
    for name, part in split.parts.items():
        rows = {(row["user_id"], row["item_id"]) for row in held_out if row["part"] == name}
        assert rows == pairs(part.target, split.interactions)
    saved = json.loads((tmp_path / "split" / "split.json").read_text())
    assert saved["hash"] == split.hash
    assert saved["settings"] == split.settings


def test_the_hash_sees_every_part():
    X = tiny()
    base = cold_start_split(X, items=3)
    test = base.test
    fewer = test.target.copy()
    fewer.data[0] = 0
    fewer.eliminate_zeros()
    variants = [
        base,
        Split(base.kind, base.settings, X, base.train, None, test),
        Split("user", base.settings, X, base.train, base.validation, test),
        Split(base.kind, base.settings, X, X.matrix, base.validation, test),
        Split(base.kind, base.settings, X, base.train, test, base.validation),
        *(
            Split(base.kind, base.settings, X, base.train, base.validation, part)
            for part in (
                HeldOut(X.matrix, test.target, test.candidates),
                HeldOut(test.source, fewer, test.candidates),
                HeldOut(test.source, test.target, test.candidates[1:]),
            )
        ),
    ]
    assert len({split.hash for split in variants}) == len(variants)


def test_the_hash_is_of_the_content_not_of_the_settings():
    base = cold_start_split(tiny(), items=3)
    by_share = cold_start_split(tiny(), fraction=0.3)
    assert base.hash == by_share.hash
    relabelled = Split("cold_start", {"note": 1}, tiny(), base.train, base.validation, base.test)
    assert relabelled.hash == base.hash


def test_the_summary_counts_what_the_parts_hold():
    split = cold_start_split(tiny(), items=3)
    summary = split.summary()
    assert summary["train"] == {"interactions": split.train.nnz, "cold_items": 3 + 1 + 1}
    assert summary["test"] == {
        "users": len(split.test.users),
        "targets": split.test.target.nnz,
        "candidates": 3,
    }
    assert json.loads(json.dumps(summary)) == summary


def test_a_split_without_held_out_parts_trains_on_everything():
    split = no_split(tiny())
    assert split.parts == {}
    assert split.cold_items.tolist() == [0]  # item 99, which nobody used
    assert sorted(split.training_item_ids.tolist()) == list(range(10))


def test_a_split_without_training_interactions_is_refused():
    X = tiny()
    nothing = (X.matrix * 0).tocsr()
    nothing.eliminate_zeros()
    with pytest.raises(SplitError, match="leaves no training interactions"):
        Split("none", {}, X, nothing)


def test_a_zero_is_a_number_and_changes_no_user():
    generator = np.random.default_rng(0)
    users, items = np.nonzero(generator.random((40, 12)) < 0.4)
    values = generator.integers(0, 2, len(users))
    known = Interactions.from_arrays(users, items, values, np.arange(len(users)), min_value=0)
    split = user_split(known, users=20)
    for part in (split.read_as("values").test, split.read_as("order").test, split.rated("test")):
        np.testing.assert_array_equal(part.users, split.test.users)
        assert part.target.nnz == split.test.target.nnz
