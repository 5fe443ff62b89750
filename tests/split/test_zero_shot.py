"""Zero-shot splits: everybody asked, nothing learnt."""

from __future__ import annotations

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from random_interactions import pairs, random_interactions

from beekit.errors import SplitError
from beekit.split import load_split, zero_shot_split


@settings(deadline=None, max_examples=60)
@given(random_interactions(), st.sampled_from([0.2, 0.5, 0.9]), st.integers(0, 2**32))
def test_source_and_target_are_all_of_the_interactions_once(interactions, share, seed):
    try:
        split = zero_shot_split(interactions, source_fraction=share, seed=seed)
    except SplitError:
        reject()
    source, target = (pairs(m, interactions) for m in (split.test.source, split.test.target))
    assert source | target == pairs(interactions.matrix, interactions)
    assert not source & target
    assert split.train.nnz == 0
    assert {user for user, _ in source} == set(interactions.user_ids)


@settings(deadline=None, max_examples=20)
@given(random_interactions())
def test_saved_split_is_loaded_back(tmp_path_factory, interactions):
    try:
        split = zero_shot_split(interactions)
    except SplitError:
        reject()
    folder = tmp_path_factory.mktemp("split")
    split.save(folder / "split")
    assert load_split(folder / "split", interactions).hash == split.hash


@pytest.mark.parametrize("share", [0, 1, 1.5])
def test_shares_that_leave_one_side_empty_are_refused(shop_dataset, share):
    with pytest.raises(SplitError, match="source_fraction"):
        zero_shot_split(shop_dataset.interactions, source_fraction=share)
