"""Random splits: every interaction in exactly one part, each as likely as any other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from random_interactions import pairs, random_interactions, renumbered, tiny

from beekit.data import Interactions
from beekit.errors import SplitError
from beekit.split import Split, random_split

seeds = st.integers(0, 2**32)


@st.composite
def random_splits(draw) -> Split:
    shares = {"fraction": draw(st.sampled_from([0.1, 0.3, 0.5]))}
    shares["validation_fraction"] = draw(st.sampled_from([None, 0, 0.2]))
    try:
        return random_split(draw(random_interactions()), **shares, seed=draw(seeds))
    except SplitError:
        reject()


@settings(deadline=None, max_examples=100)
@given(split=random_splits())
def test_training_and_targets_are_all_of_the_interactions_once(split):
    parts = [split.train, *(part.target for part in split.parts.values())]
    read = [pairs(part, split.interactions) for part in parts]
    assert sum(map(len, read)) == split.interactions.n_interactions
    assert set.union(*read) == pairs(split.interactions.matrix, split.interactions)


@settings(deadline=None, max_examples=100)
@given(split=random_splits())
def test_the_parts_have_the_shares_asked_for(split):
    total, fraction = split.interactions.n_interactions, split.settings["fraction"]
    assert split.test.target.nnz == round(total * fraction)
    if split.validation is not None:
        assert split.validation.target.nnz == round(total * split.settings["validation_fraction"])
    assert ("validation" in split.parts) == (split.settings["validation_fraction"] > 0)


@settings(deadline=None, max_examples=60)
@given(split=random_splits())
def test_sources_are_the_training_interactions_and_candidates_its_items(split):
    warm = {item for _, item in pairs(split.train, split.interactions)}
    for part in split.parts.values():
        assert np.array_equal(part.source.toarray(), split.train.toarray())
        assert set(split.interactions.item_ids[part.candidates]) == warm


@settings(deadline=None, max_examples=40)
@given(interactions=random_interactions(), seed=seeds, order=seeds)
def test_neither_row_order_nor_catalog_order_changes_the_split(interactions, seed, order):
    try:
        split = random_split(interactions, fraction=0.3, seed=seed)
    except SplitError:
        reject()
    again = random_split(renumbered(interactions, order), fraction=0.3, seed=seed)
    assert again.hash == split.hash
    for name, part in split.parts.items():
        theirs = again.parts[name]
        assert pairs(theirs.target, again.interactions) == pairs(part.target, interactions)


def test_users_and_items_without_training_interactions_keep_their_targets():
    # Users 1 to 6 have one item each, and users 7 and 8 all three.
    rated = [(user, user // 2) for user in range(6)] + [(u, i) for u in (7, 8) for i in range(3)]
    interactions = Interactions.from_arrays(*zip(*rated, strict=True))
    for seed in range(10):
        split = random_split(interactions, fraction=0.5, validation_fraction=0, seed=seed)
        target = np.asarray(split.test.target.sum(axis=1)) > 0
        known = np.asarray(split.train.sum(axis=1)) > 0
        assert split.test.users.tolist() == np.flatnonzero(target & known).tolist()
        assert target.sum() > len(split.test.users)


def test_each_interaction_is_held_out_about_as_often_as_any_other():
    interactions, times = tiny(), 400
    total = interactions.n_interactions
    counts = sum(
        random_split(interactions, fraction=0.25, validation_fraction=0, seed=seed).test.target
        for seed in range(times)
    )
    chance = round(total / 4) / total
    # Binomial: five standard deviations.
    limit = 5 * np.sqrt(times * chance * (1 - chance))
    assert counts.nnz == total
    assert np.abs(counts.data - times * chance).max() < limit


def test_the_seed_decides_and_repeats():
    first, same, other = (random_split(tiny(), fraction=0.3, seed=seed) for seed in (1, 1, 2))
    assert first.hash == same.hash
    assert first.hash != other.hash


def test_validation_changes_no_test_part():
    first, other = (
        random_split(tiny(), fraction=0.3, validation_fraction=share) for share in (0, 0.3)
    )
    assert np.array_equal(first.test.target.toarray(), other.test.target.toarray())


def test_the_split_is_the_same_on_every_machine():
    # A published result names its split by this hash.
    split = random_split(tiny(), fraction=0.3, seed=42)
    assert split.hash.startswith("dcec3411b63fb479")


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"fraction": 0.001}, "less than one"),
        ({"fraction": 1.0}, "above 0 and below 1"),
        ({"fraction": 0.5, "validation_fraction": 0.5}, "left to train on"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_shares_that_leave_nothing_are_refused(shares, message):
    with pytest.raises(SplitError, match=message):
        random_split(tiny(), **shares)
