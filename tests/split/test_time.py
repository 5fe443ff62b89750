"""Time splits: the past to learn from, the future to find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from random_interactions import pairs, random_interactions, renumbered, tiny

from beekit.data import Interactions
from beekit.errors import SplitError
from beekit.split import Split, time_split

seeds = st.integers(0, 2**32)


def stamps_of(interactions: Interactions) -> dict:
    coo = interactions.matrix.tocoo()
    users, items = interactions.user_ids[coo.row], interactions.item_ids[coo.col]
    return dict(zip(zip(users, items, strict=True), interactions.timestamps, strict=True))


@st.composite
def time_splits(draw) -> Split:
    """Splits of interactions whose timestamps are distinct, or shared by a few."""
    interactions = draw(random_interactions())
    tied = draw(st.sampled_from([1, 3]))
    interactions = Interactions(
        interactions.matrix,
        interactions.user_ids,
        interactions.item_ids,
        interactions.timestamps // tied,
    )
    try:
        return time_split(
            interactions,
            fraction=draw(st.sampled_from([0.1, 0.3, 0.5])),
            validation_fraction=draw(st.sampled_from([None, 0.0, 0.2])),
        )
    except SplitError:
        reject()


@settings(deadline=None, max_examples=100)
@given(split=time_splits())
def test_nothing_known_is_as_late_as_what_is_to_be_found(split):
    stamps = stamps_of(split.interactions)
    learned = [stamps[pair] for pair in pairs(split.train, split.interactions)]
    cuts = dict(zip(("validation", "test"), split.settings["times"], strict=True))
    for name, part in split.parts.items():
        cut = cuts[name]
        known = [stamps[pair] for pair in pairs(part.source, split.interactions)]
        hidden = [stamps[pair] for pair in pairs(part.target, split.interactions)]
        assert max(known) < cut <= min(hidden)
        assert max(learned) < cut


@settings(deadline=None, max_examples=100)
@given(split=time_splits())
def test_training_and_targets_are_all_of_the_interactions_once(split):
    parts = [split.train, *(part.target for part in split.parts.values())]
    read = [pairs(part, split.interactions) for part in parts]
    assert sum(map(len, read)) == split.interactions.n_interactions
    assert set.union(*read) == pairs(split.interactions.matrix, split.interactions)


@settings(deadline=None, max_examples=100)
@given(split=time_splits())
def test_parts_by_loops_over_their_cuts(split):
    stamps = stamps_of(split.interactions)
    first, second = split.settings["times"]
    assert pairs(split.train, split.interactions) == {p for p, t in stamps.items() if t < first}
    before = {p for p, t in stamps.items() if t < second}
    assert pairs(split.test.source, split.interactions) == before
    assert pairs(split.test.target, split.interactions) == set(stamps) - before
    candidates = set(split.interactions.item_ids[split.test.candidates])
    assert candidates == {item for _, item in before}
    if split.validation is not None:
        between = {p for p, t in stamps.items() if first <= t < second}
        assert pairs(split.validation.target, split.interactions) == between
        assert pairs(split.validation.source, split.interactions) == pairs(
            split.train, split.interactions
        )
        warm = set(split.interactions.item_ids[split.validation.candidates])
        assert warm == set(split.training_item_ids)
    sources = {user for user, _ in before}
    evaluated = {user for user, _ in set(stamps) - before} & sources
    assert set(split.interactions.user_ids[split.test.users]) == evaluated


@settings(deadline=None, max_examples=60)
@given(interactions=random_interactions(), fraction=st.sampled_from([0.1, 0.25, 0.5]))
def test_with_distinct_times_the_shares_are_met_to_one_interaction(interactions, fraction):
    try:
        split = time_split(interactions, fraction=fraction, validation_fraction=0.2)
    except SplitError:
        reject()
    total = interactions.n_interactions
    # Each cut is rounded once: half an interaction a cut, two cuts around validation.
    assert abs(split.test.target.nnz - fraction * total) <= 0.5
    assert abs(split.validation.target.nnz - 0.2 * total) <= 1


@settings(deadline=None, max_examples=40)
@given(interactions=random_interactions(), order=seeds)
def test_neither_row_order_nor_catalog_order_changes_the_split(interactions, order):
    try:
        split = time_split(interactions, fraction=0.3)
    except SplitError:
        reject()
    again = time_split(renumbered(interactions, order), fraction=0.3)
    assert again.hash == split.hash
    assert again.settings == split.settings
    assert pairs(again.test.target, again.interactions) == pairs(split.test.target, interactions)


def test_a_split_by_hand():
    # Times 0..9; a fifth for the test, a fifth for validation.
    users = [0, 0, 1, 1, 0, 1, 0, 1, 0, 1]
    items = [0, 1, 0, 2, 2, 1, 3, 3, 4, 5]
    times = np.arange(10.0)
    interactions = Interactions.from_arrays(users, items, timestamps=times)
    split = time_split(interactions, fraction=0.2, validation_fraction=0.2)
    assert split.settings["times"] == [6.0, 8.0]
    assert split.train.toarray()[:, :3].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert pairs(split.validation.target, interactions) == {(0, 3), (1, 3)}
    assert pairs(split.test.target, interactions) == {(0, 4), (1, 5)}
    assert split.validation.candidates.tolist() == [0, 1, 2]
    assert split.test.candidates.tolist() == [0, 1, 2, 3]
    assert split.cold_items.tolist() == [3, 4, 5]


def test_interactions_of_one_instant_stay_together():
    times = np.array([0.0, 0, 1, 1, 1, 1, 1, 1, 2, 2])
    users, items = [0, 1, 0, 0, 0, 1, 1, 1, 0, 1], [0, 0, 1, 2, 3, 1, 2, 3, 4, 4]
    interactions = Interactions.from_arrays(users, items, timestamps=times)
    # A third would cut the second instant in two; it goes to the test whole.
    split = time_split(interactions, fraction=0.3, validation_fraction=0.0)
    assert split.test.target.nnz == 8
    assert split.train.nnz == 2


def test_validation_is_a_quarter_unless_it_is_said_otherwise():
    usual = time_split(tiny(), fraction=0.4)
    assert usual.settings["validation_fraction"] == 0.1
    assert usual.validation.target.nnz == 5  # of 52
    assert time_split(tiny(), fraction=0.4, validation_fraction=0.0).validation is None


def test_the_split_is_the_same_on_every_machine():
    # A published result names its split by this hash: it may only change with the split's meaning,
    # never with a release of numpy, the platform or the order of a file.
    split = time_split(tiny(), fraction=0.3)
    assert split.settings["times"] == [50.0, 56.0]
    assert split.hash == "7d24214a9f2f3ded1d18536715d4f09d221e19aa48bf0d6a5cec64ea37edbf27"


def test_interactions_without_times_are_refused():
    interactions = Interactions.from_arrays([1, 1, 2], [1, 2, 1])
    with pytest.raises(SplitError, match="without timestamps; expected a column timestamp"):
        time_split(interactions)


@pytest.mark.parametrize(
    "options",
    [
        {"fraction": 0.0},
        {"fraction": 1.0},
        {"fraction": -0.1},
        {"fraction": float("nan")},
        {"fraction": 0.5, "validation_fraction": 0.5},
        {"fraction": 0.1, "validation_fraction": -0.1},
        {"fraction": 0.9},  # a quarter of it for validation leaves nothing
        {"fraction": 0.001, "validation_fraction": 0.001},
    ],
)
def test_impossible_shares_are_refused_in_one_line(options):
    with pytest.raises(SplitError) as caught:
        time_split(tiny(), **options)
    assert "\n" not in str(caught.value)


def test_one_instant_for_everything_is_refused():
    matrix = tiny()
    interactions = Interactions(
        matrix.matrix, matrix.user_ids, matrix.item_ids, np.ones(matrix.n_interactions)
    )
    with pytest.raises(SplitError, match="a source and a target"):
        time_split(interactions, validation_fraction=0.0)
