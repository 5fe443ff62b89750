"""User splits: the held-out users and nothing of them in training."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from random_interactions import pairs, random_interactions, renumbered, tiny

from beekit.data import Interactions
from beekit.errors import DataError, SplitError
from beekit.split import HeldOut, Split, user_split

seeds = st.integers(0, 2**32)


def users_of(split: Split, part: HeldOut) -> set:
    """Ids of all held-out users of a part, also those that cannot be evaluated."""
    return {user for user, _ in pairs(part.source + part.target, split.interactions)}


@st.composite
def user_splits(draw) -> Split:
    interactions = draw(random_interactions())
    share = draw(st.sampled_from([{"users": 1}, {"users": 2}, {"fraction": 0.4}]))
    validation = draw(
        st.sampled_from(
            [{}, {"validation_users": 0}, {"validation_users": 2}, {"validation_fraction": 0.2}]
        )
    )
    known = draw(st.sampled_from([0.1, 0.5, 0.8, 0.95]))
    source = draw(st.sampled_from(["random", "first"]))
    known_as = {"source_fraction": known, "source": source, "seed": draw(seeds)}
    try:
        return user_split(interactions, **share, **validation, **known_as)
    except SplitError:
        reject()


@settings(deadline=None, max_examples=100)
@given(split=user_splits())
def test_held_out_users_never_reach_training(split):
    training = {user for user, _ in pairs(split.train, split.interactions)}
    held_out = [users_of(split, part) for part in split.parts.values()]
    assert all(training.isdisjoint(users) for users in held_out)
    assert sum(map(len, held_out)) == len(set.union(*held_out))
    assert len(training) + sum(map(len, held_out)) == split.interactions.n_users
    assert len(users_of(split, split.test)) == split.settings["users"]


@settings(deadline=None, max_examples=100)
@given(split=user_splits())
def test_training_sources_and_targets_are_all_of_the_interactions_once(split):
    parts = [split.train]
    for part in split.parts.values():
        parts += [part.source, part.target]
    read = [pairs(part, split.interactions) for part in parts]
    assert sum(map(len, read)) == split.interactions.n_interactions
    assert set.union(*read) == pairs(split.interactions.matrix, split.interactions)


@settings(deadline=None, max_examples=100)
@given(split=user_splits())
def test_the_source_is_the_share_asked_for_at_least_one_and_never_all(split):
    fraction = split.settings["source_fraction"]
    for part in split.parts.values():
        evaluated = set(part.users.tolist())
        for user in range(split.interactions.n_users):
            known = int(part.source.indptr[user + 1] - part.source.indptr[user])
            hidden = int(part.target.indptr[user + 1] - part.target.indptr[user])
            if known + hidden == 1:
                assert (known, hidden) == (1, 0)
            elif known + hidden:
                assert known == min(max(1, round((known + hidden) * fraction)), known + hidden - 1)
            assert (user in evaluated) == (known > 0 and hidden > 0)


@settings(deadline=None, max_examples=60)
@given(interactions=random_interactions(), tied=st.sampled_from([1, 3, 20]), seed=seeds)
def test_first_knows_nothing_that_is_later_than_what_is_to_be_found(interactions, tied, seed):
    stamps = interactions.timestamps // tied
    interactions = dataclasses.replace(interactions, timestamps=stamps)
    times = sp.csr_array((stamps, interactions.matrix.indices, interactions.matrix.indptr))
    try:
        first = user_split(interactions, users=2, source="first", seed=seed)
        random = user_split(interactions, users=2, seed=seed)
    except (SplitError, DataError):
        reject()
    assert users_of(first, first.test) == users_of(random, random.test)
    for part in first.parts.values():
        for user in part.users:
            known = [times[user, item] for item in part.source[[user]].indices]
            hidden = [times[user, item] for item in part.target[[user]].indices]
            assert max(known) <= min(hidden)


def test_among_equal_times_the_seed_decides_and_not_the_item():
    items = np.tile(np.arange(40), 3)
    stamps = np.where(items < 4, 1.0, 2.0)
    interactions = Interactions.from_arrays(np.repeat([0, 1, 2], 40), items, timestamps=stamps)
    known = [
        user_split(
            interactions,
            users=1,
            validation_users=0,
            source_fraction=0.5,
            source="first",
            seed=seed,
        ).test.source.indices.tolist()
        for seed in (1, 2)
    ]
    assert all(set(range(4)) < set(one) for one in known)
    # Of C(36, 16) = 7e9 subsets the first is the one that a rule without chance would take.
    assert known[0] != known[1]
    assert list(range(20)) not in known


def test_first_needs_times_in_order():
    with pytest.raises(DataError, match="without timestamps"):
        user_split(dataclasses.replace(tiny(), timestamps=None), users=2, source="first")
    alike = dataclasses.replace(tiny(), timestamps=np.ones(tiny().n_interactions))
    with pytest.raises(DataError, match="equal for each user"):
        user_split(alike, users=2, source="first")


@settings(deadline=None, max_examples=60)
@given(split=user_splits())
def test_candidates_are_the_items_of_training(split):
    warm = {item for _, item in pairs(split.train, split.interactions)}
    for part in split.parts.values():
        assert set(split.interactions.item_ids[part.candidates]) == warm
        assert part.candidates.tolist() == sorted(part.candidates.tolist())


@settings(deadline=None, max_examples=40)
@given(
    interactions=random_interactions(),
    source=st.sampled_from(["random", "first"]),
    seed=seeds,
    order=seeds,
)
def test_neither_row_order_nor_catalog_order_changes_the_split(interactions, source, seed, order):
    try:
        split = user_split(interactions, users=2, source=source, seed=seed)
    except SplitError:
        reject()
    again = user_split(renumbered(interactions, order), users=2, source=source, seed=seed)
    assert again.hash == split.hash
    for name, part in split.parts.items():
        for role in ("source", "target"):
            assert pairs(getattr(again.parts[name], role), again.interactions) == pairs(
                getattr(part, role), interactions
            )


def test_users_with_one_interaction_are_kept_out_of_training_and_not_evaluated():
    # Users 0..3 have one item, users 4 and 5 two; everybody but one is held out.
    interactions = Interactions.from_arrays([0, 1, 2, 3, 4, 4, 5, 5], [1, 1, 1, 1, 1, 2, 1, 2])
    split = user_split(interactions, users=5, validation_users=0)
    held_out = users_of(split, split.test)
    assert len(held_out) == 5
    assert set(interactions.user_ids[split.test.users]) == held_out & {4, 5}
    assert {user for user, _ in pairs(split.train, interactions)}.isdisjoint(held_out)


def test_the_source_is_drawn_at_random_not_by_item():
    # One long row: the source must be neither its first items nor its last.
    interactions = Interactions.from_arrays(np.repeat([0, 1, 2], 40), np.tile(np.arange(40), 3))
    source = user_split(interactions, users=1, validation_users=0, source_fraction=0.5).test.source
    known = source.indices.tolist()
    assert len(known) == 20
    # Of C(40, 20) = 1.4e11 subsets these two are the ones a rule without chance would take.
    assert known not in (list(range(20)), list(range(20, 40)))


def test_the_seed_decides_and_repeats():
    first, same, other = (user_split(tiny(), users=3, seed=seed) for seed in (1, 1, 2))
    assert first.hash == same.hash
    assert first.hash != other.hash


def test_the_source_fraction_does_not_change_who_is_held_out():
    half, most = (user_split(tiny(), users=3, source_fraction=share) for share in (0.5, 0.8))
    assert users_of(half, half.test) == users_of(most, most.test)
    assert half.hash != most.hash


def test_validation_is_a_quarter_unless_it_is_said_otherwise():
    def validation_users(**options):
        return len(user_split(tiny(), users=4, **options).validation.users)

    assert validation_users() == 1
    assert validation_users(validation_users=3) == 3
    assert validation_users(validation_fraction=0.25) == 2
    assert user_split(tiny(), users=4, validation_users=0).validation is None
    assert user_split(tiny(), users=4, validation_fraction=0.0).validation is None


def test_the_split_is_the_same_on_every_machine():
    # A published result names its split by this hash: it may only change with the split's meaning,
    # never with a release of numpy, the platform or the order of a file.
    split = user_split(tiny(), users=3, seed=42)
    assert users_of(split, split.test) == {1, 3, 4}
    assert split.hash == "633b20c324bdf74b824e720a9d9996a1467aa628c6703aa971ab239e92a060b0"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"users": 2, "fraction": 0.2},
        {"users": 0},
        {"users": 8},
        {"fraction": 1.0},
        {"fraction": 0.01},
        {"users": 4, "validation_users": 4},
        {"users": 4, "validation_users": 1, "validation_fraction": 0.1},
        {"users": 2, "source_fraction": 0.0},
        {"users": 2, "source_fraction": 1.0},
        {"users": 2, "source_fraction": float("nan")},
        {"users": 2, "source": "last"},
        {"users": 2, "seed": -1},
    ],
)
def test_impossible_shares_are_refused_in_one_line(options):
    with pytest.raises(SplitError) as caught:
        user_split(tiny(), **options)
    assert "\n" not in str(caught.value)
