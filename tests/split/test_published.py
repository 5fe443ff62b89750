"""Splits of others: what they hold out, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from random_interactions import pairs, random_interactions

from beekit.data import Interactions
from beekit.errors import SplitError
from beekit.split import load_split, published_split


def interactions_of(rows) -> Interactions:
    users, items = zip(*rows, strict=True)
    return Interactions.from_arrays(list(users), list(items))


@settings(deadline=None, max_examples=60)
@given(random_interactions(), st.randoms(use_true_random=False))
def test_exactly_the_given_interactions_are_held_out(tmp_path_factory, interactions, random):
    rows = sorted(pairs(interactions.matrix, interactions), key=str)
    test = set(random.sample(rows, len(rows) // 4))
    try:
        split = published_split(interactions, interactions_of(sorted(test, key=str)))
    except SplitError:
        reject()  # nobody left with both a source and a target
    assert pairs(split.test.target, interactions) == test
    assert pairs(split.train, interactions) == set(rows) - test
    assert split.test.candidates.tolist() == list(range(interactions.n_items))
    folder = tmp_path_factory.mktemp("split") / "split"
    split.save(folder)
    assert load_split(folder, interactions).hash == split.hash


def test_test_interactions_must_be_among_all():
    interactions = interactions_of([(1, 1), (1, 2), (2, 1), (2, 3)])
    for stranger in ([(1, 3)], [(9, 1)], [(1, 9)]):
        with pytest.raises(SplitError, match="not among"):
            published_split(interactions, interactions_of(stranger))
