"""Batches of users: each once an epoch, in an order of seed and epoch, datasets by the rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit.errors import ConfigError
from beekit.training import BeeFormerTrainingArguments
from beekit.training.batches import UserBatchSampler
from beekit.training.keys import RULES


@given(
    users=st.integers(1, 60),
    batch=st.integers(1, 25),
    epoch=st.integers(0, 3),
    seed=st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_an_epoch_passes_every_user_once(users, batch, epoch, seed):
    sampler = UserBatchSampler([users], batch, drop_last=False, seed=seed)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert sorted(user for b in batches for user in b) == list(range(users))
    assert all(len(b) == batch for b in batches[:-1])
    assert batches == list(sampler)
    assert len(batches) == len(sampler)


def test_epochs_and_seeds_have_other_orders():
    def order(seed, epoch):
        sampler = UserBatchSampler([100], 100, drop_last=False, seed=seed)
        sampler.set_epoch(epoch)
        return next(iter(sampler))

    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


def test_an_incomplete_batch_can_be_dropped():
    batches = list(UserBatchSampler([10], 4, drop_last=True, seed=0))
    assert [len(b) for b in batches] == [4, 4]


@given(
    users=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    batch=st.integers(1, 15),
    drop_last=st.booleans(),
    rule=st.sampled_from(RULES),
    seed=st.integers(0, 2),
)
@settings(deadline=None)
def test_every_rule_names_each_user_at_most_once(users, batch, drop_last, rule, seed):
    sampler = UserBatchSampler(users, batch, drop_last, seed, rule)
    batches = list(sampler)
    named = [user for one in batches for user in one]
    assert len(batches) == len(sampler)
    assert batches == list(sampler)
    assert len(named) == len(set(named))
    assert all(len(one) == batch for one in batches) or not drop_last
    if rule != "round_robin" and not drop_last:
        assert sorted(named) == list(range(sum(users)))
    if rule != "mixed":
        dataset = np.repeat(np.arange(len(users)), users)
        assert all(len({dataset[user] for user in one}) == 1 for one in batches)


def datasets_of(rule: str, users: list[int], batch: int) -> list[int]:
    ends = np.cumsum(users)
    batches = UserBatchSampler(users, batch, drop_last=False, seed=0, rule=rule)
    return [int(np.searchsorted(ends, one[0], side="right")) for one in batches]


def test_round_robin_takes_turns_until_the_first_has_no_batch_left():
    assert datasets_of("round_robin", [30, 12], 5) == [0, 1] * 3


def test_proportional_gives_each_dataset_its_batches_in_no_fixed_order():
    order = datasets_of("proportional", [300, 100], 5)
    assert order.count(0) == 60
    assert order.count(1) == 20
    assert order != sorted(order)


def test_mixed_batches_hold_users_of_both():
    batches = list(UserBatchSampler([300, 300], 100, drop_last=False, seed=0))
    shares = [sum(user < 300 for user in one) for one in batches]
    assert all(20 < share < 80 for share in shares)


def test_an_unknown_rule_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="one of mixed, proportional, round_robin"):
        BeeFormerTrainingArguments(output_dir=str(tmp_path), dataset_batches="alternate")
