"""Cold-start splits: the held-out items and nothing of them in training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from random_interactions import pairs, random_interactions, renumbered, tiny

from beekit.data import Interactions
from beekit.errors import SplitError
from beekit.split import Split, cold_start_split, load_split

seeds = st.integers(0, 2**32)


def ids_of(split: Split, part: str) -> list:
    return sorted(split.interactions.item_ids[split.parts[part].candidates])


@st.composite
def cold_start_splits(draw) -> Split:
    """Splits by number and by share, with every way to say what is for validation."""
    interactions = draw(random_interactions())
    share = draw(st.sampled_from([{"items": 2}, {"items": 3}, {"fraction": 0.3}]))
    validation = draw(
        st.sampled_from(
            [{}, {"validation_items": 0}, {"validation_items": 1}, {"validation_fraction": 0.2}]
        )
    )
    try:
        return cold_start_split(interactions, **share, **validation, seed=draw(seeds))
    except SplitError:
        reject()


@settings(deadline=None, max_examples=100)
@given(split=cold_start_splits())
def test_cold_items_never_reach_training(split):
    warm = {item for _, item in pairs(split.train, split.interactions)}
    for name, part in split.parts.items():
        assert warm.isdisjoint(ids_of(split, name))
        assert {item for _, item in pairs(part.source, split.interactions)} <= warm
    held_out = np.concatenate([part.candidates for part in split.parts.values()])
    assert set(held_out.tolist()) <= set(split.cold_items.tolist())
    assert sorted(warm) == sorted(split.training_item_ids)


@settings(deadline=None, max_examples=100)
@given(split=cold_start_splits())
def test_training_and_targets_are_all_of_the_interactions_once(split):
    parts = [split.train, *(part.target for part in split.parts.values())]
    read = [pairs(part, split.interactions) for part in parts]
    assert sum(map(len, read)) == split.interactions.n_interactions
    assert set.union(*read) == pairs(split.interactions.matrix, split.interactions)


@settings(deadline=None, max_examples=100)
@given(split=cold_start_splits())
def test_candidates_are_the_held_out_items_and_no_others(split):
    used = set(split.interactions.used_items.tolist())
    drawn = []
    for part in split.parts.values():
        assert set(part.target.indices.tolist()) == set(part.candidates.tolist())
        assert part.candidates.tolist() == sorted(set(part.candidates.tolist()))
        assert set(part.candidates.tolist()) <= used
        drawn += part.candidates.tolist()
    assert len(drawn) == len(set(drawn))


@settings(deadline=None, max_examples=100)
@given(split=cold_start_splits())
def test_source_and_target_by_loops(split):
    everything = pairs(split.interactions.matrix, split.interactions)
    cold = {item for name in split.parts for item in ids_of(split, name)}
    for name, part in split.parts.items():
        source = {pair for pair in everything if pair[1] not in cold}
        target = {pair for pair in everything if pair[1] in ids_of(split, name)}
        assert pairs(part.source, split.interactions) == source
        assert pairs(part.target, split.interactions) == target
        both = {user for user, _ in source} & {user for user, _ in target}
        assert sorted(split.interactions.user_ids[part.users]) == sorted(both)


@settings(deadline=None, max_examples=60)
@given(interactions=random_interactions(), count=st.integers(1, 4), seed=seeds)
def test_exactly_the_number_asked_for_is_held_out(interactions, count, seed):
    try:
        split = cold_start_split(interactions, items=count, validation_items=1, seed=seed)
    except SplitError:
        reject()
    assert len(set(split.test.candidates.tolist())) == count
    assert len(split.validation.candidates) == 1
    assert len(np.setdiff1d(interactions.used_items, split.cold_items)) == (
        len(interactions.used_items) - count - 1
    )


@settings(deadline=None, max_examples=40)
@given(interactions=random_interactions(), seed=seeds, order=seeds)
def test_neither_row_order_nor_catalog_order_changes_the_split(interactions, seed, order):
    try:
        split = cold_start_split(interactions, items=3, seed=seed)
    except SplitError:
        reject()
    again = cold_start_split(renumbered(interactions, order), items=3, seed=seed)
    assert again.hash == split.hash
    for name in split.parts:
        assert ids_of(again, name) == ids_of(split, name)


def test_items_nobody_used_are_neither_trained_on_nor_candidates():
    split = cold_start_split(tiny(), items=9, validation_items=0)
    assert 99 not in ids_of(split, "test")
    assert 99 not in split.training_item_ids
    assert len(split.cold_items) == 10


def test_the_seed_decides_and_repeats():
    first, same, other = (cold_start_split(tiny(), items=4, seed=seed) for seed in (1, 1, 2))
    assert first.hash == same.hash
    assert first.hash != other.hash
    assert ids_of(first, "test") != ids_of(other, "test")


def test_a_larger_test_part_contains_the_smaller_one():
    small, large = (cold_start_split(tiny(), items=count, validation_items=0) for count in (2, 5))
    assert set(ids_of(small, "test")) < set(ids_of(large, "test"))


def test_validation_is_a_quarter_unless_it_is_said_otherwise():
    def validation(**options):
        return cold_start_split(tiny(), items=4, **options).validation

    assert len(validation().candidates) == 1
    assert len(validation(validation_items=3).candidates) == 3
    assert len(validation(validation_fraction=0.2).candidates) == 2
    assert validation(validation_items=0) is None
    assert validation(validation_fraction=0.0) is None


def test_the_validation_part_does_not_change_the_test_items():
    without, with_some = (
        cold_start_split(tiny(), items=3, validation_items=count) for count in (0, 3)
    )
    assert ids_of(without, "test") == ids_of(with_some, "test")


def test_settings_say_the_numbers_held_out():
    split = cold_start_split(tiny(), fraction=0.4, seed=7)
    assert split.settings == {"items": 4, "validation_items": 1, "seed": 7}


def test_the_split_is_the_same_on_every_machine():
    # A published result names its split by this hash: it may only change with the split's meaning,
    # never with a release of numpy, the platform or the order of a file.
    split = cold_start_split(tiny(), items=4, seed=42)
    assert ids_of(split, "test") == [1, 4, 8, 9]
    assert ids_of(split, "validation") == [3]
    assert split.hash == "6e2c451036921e4f4eb6b62595c96a92f8aecc7a4eb6ea2430067b5ff147ae6d"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"items": 2, "fraction": 0.2},
        {"items": 0},
        {"items": 10},  # eleven in the catalog, ten of them used
        {"fraction": 1.0},
        {"fraction": 0.001},
        {"items": 4, "validation_items": 6},
        {"items": 4, "validation_items": 1, "validation_fraction": 0.1},
        {"items": 4, "validation_items": -1},
        {"items": 4, "seed": -1},
    ],
)
def test_impossible_shares_are_refused_in_one_line(options):
    with pytest.raises(SplitError) as caught:
        cold_start_split(tiny(), **options)
    assert "\n" not in str(caught.value)


def test_a_split_nobody_can_be_evaluated_on_is_refused():
    # Every user has one item only, so nobody has both a source and a target.
    interactions = Interactions.from_arrays([1, 2, 3, 4], [1, 2, 3, 4])
    with pytest.raises(SplitError, match="no test user with a source and a target"):
        cold_start_split(interactions, items=1, validation_items=0)


@settings(deadline=None, max_examples=60)
@given(interactions=random_interactions(), share=st.sampled_from([0.2, 0.5]), seed=seeds)
def test_warm_part_holds_out_besides_what_cold_items_take(
    tmp_path_factory, interactions, share, seed
):
    try:
        plain = cold_start_split(interactions, items=2, seed=seed)
        split = cold_start_split(interactions, items=2, warm_fraction=share, seed=seed)
    except SplitError:
        reject()
    train, warm, cold, overall = (
        pairs(matrix, interactions)
        for matrix in (
            split.train,
            split.warm.target,
            split.test.target,
            split.parts["overall"].target,
        )
    )
    assert train | warm == pairs(plain.train, interactions)
    assert not train & warm
    assert cold == pairs(plain.test.target, interactions)
    assert overall == warm | cold
    assert set(ids_of(split, "overall")) == {*ids_of(split, "warm"), *ids_of(split, "test")}
    assert set(ids_of(split, "warm")) == {item for _, item in train}
    assert split.hash != plain.hash
    folder = tmp_path_factory.mktemp("split") / "split"
    split.save(folder)
    loaded = load_split(folder, interactions)
    assert loaded.hash == split.hash
    assert list(loaded.parts) == list(split.parts)
