"""Intervals over users and items: each item's share by removing it, and how often they hold."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from beekit import evaluate
from beekit.evaluation import compare_models
from beekit.evaluation.intervals import edge_interval, mean_intervals, rate_intervals
from beekit.evaluation.item_intervals import Lists, _changes, item_interval
from beekit.evaluation.metrics import FROM_HITS
from beekit.models import Random
from beekit.split import HeldOut

STUDY = runpy.run_path(str(Path(__file__).parents[2] / "eval" / "benchmark_intervals.py"))


def _lists(k: int, width: int, items: int = 14, users: int = 60) -> Lists:
    random = np.random.default_rng(k)
    target = random.random((users, items)) < 0.2
    target[np.arange(users), random.integers(0, items, users)] = True  # at least one
    ranked = random.random((users, items)).argsort(axis=1)[:, :width]
    ranked[::7, -2:] = -1  # some lists end early
    return Lists(ranked, sp.csr_array(target.astype(float)), np.arange(items))


@pytest.mark.parametrize("metric", FROM_HITS)
@pytest.mark.parametrize(("k", "width"), [(1, 4), (5, 6), (5, 5), (9, 14)])
def test_what_an_item_adds_is_the_metric_less_that_of_lists_without_it(metric, k, width):
    lists = _lists(k, width)
    users, items = lists.target.shape
    values = FROM_HITS[metric](lists.found[:, :k], lists.counts)
    (found,) = _changes(lists, metric, k, values)
    target = lists.target.toarray() > 0
    for user in range(users):
        for item in range(items):
            wanted = set(np.flatnonzero(target[user])) - {item}
            closed_up = [i for i in lists.ranked[user] if i not in (item, -1)][:k]
            hit = np.zeros((1, k), dtype=bool)
            hit[0, : len(closed_up)] = [i in wanted for i in closed_up]
            without = FROM_HITS[metric](hit, np.array([len(wanted)]))[0]
            without = values.mean() if not wanted else without
            assert found[user, item] == pytest.approx(values[user] - without, abs=1e-12)


def test_variance_is_that_over_users_and_items_less_that_of_pairs():
    lists = _lists(5, 6)
    users, items = lists.target.shape
    values = FROM_HITS["ndcg"](lists.found[:, :5], lists.counts)
    (changes,) = _changes(lists, "ndcg", 5, values)
    d = changes.toarray()
    of_item = d.sum(axis=0) / users
    over_items = (items - 1) / items * ((of_item - of_item.mean()) ** 2).sum()
    pairs = d - d.mean(axis=0) - d.mean(axis=1, keepdims=True) + d.mean()
    over_users = values.var(ddof=1) / users
    variance = over_users + max(0, over_items - (pairs**2).sum() / users**2)
    low, high = item_interval(lists, "ndcg", 5, values)
    # Student's t is at least the normal's 1.96, and below 4 from 3 degrees of freedom on.
    assert 1.959 * variance**0.5 <= (high - low) / 2 <= 4 * variance**0.5
    assert (low + high) / 2 == pytest.approx(values.mean())


def test_blocks_of_users_change_nothing(monkeypatch):
    lists = _lists(5, 6)
    values = FROM_HITS["recall"](lists.found[:, :5], lists.counts)
    whole = item_interval(lists, "recall", 5, values)
    monkeypatch.setattr("beekit.evaluation.item_intervals._BLOCK", 7)
    assert item_interval(lists, "recall", 5, values) == pytest.approx(whole)


@pytest.fixture
def part() -> HeldOut:
    random = np.random.default_rng(0)
    source, target = (random.random((2, 80, 30)) < 0.2).astype(np.float32)
    return HeldOut(sp.csr_array(source), sp.csr_array(target * (source == 0)), np.arange(30))


def test_lists_are_no_longer_than_asked_for_and_coverage_has_no_such_interval(part):
    evaluation = evaluate(Random(), part, metrics=["recall@5", "coverage@5"], top_k=5)
    assert evaluation.ranked.shape[1] == 5
    assert set(evaluation.metrics["recall@5"]) == {"value", "ci95", "ci95_items"}
    assert set(evaluation.metrics["coverage@5"]) == {"value", "ci95"}
    without = evaluate(Random(), part, metrics=["recall@5"], top_k=5, intervals=False)
    assert set(without.metrics["recall@5"]) == {"value", "ci95"}
    np.testing.assert_array_equal(without.ranked, evaluation.ranked)


def test_one_user_or_one_item_has_no_interval_over_items():
    target = sp.csr_array(np.eye(2))
    lists = Lists(np.array([[0], [1]]), target, np.arange(2))
    low, high = item_interval(lists, "recall", 1, np.array([1.0, 1.0]))
    assert low < 0.5
    assert high == 1
    alone = Lists(lists.ranked[:1], target[:1], np.arange(2))
    assert item_interval(alone, "recall", 1, np.array([1.0])) is None
    one = Lists(np.zeros((2, 1), int), sp.csr_array(np.ones((2, 1))), np.arange(1))
    assert item_interval(one, "recall", 1, np.array([1.0, 1.0])) is None


def test_a_model_compared_with_itself_has_no_difference_and_the_other_way_round_its_negative(part):
    one, two = (evaluate(Random(s), part, metrics=["ndcg@5"], top_k=10) for s in (0, 7))
    same = compare_models(one, one, "ndcg@5")
    assert same.difference == 0
    # No difference among so many users leaves room for one among the next.
    for low, high in (same.ci95, same.ci95_items):
        assert -low == high == pytest.approx(2 / same.users, rel=0.1)
    there, back = compare_models(one, two, "ndcg@5"), compare_models(two, one, "ndcg@5")
    assert there.ci95_items == pytest.approx([-end for end in reversed(back.ci95_items)])
    assert there.ci95_items[0] < there.difference < there.ci95_items[1]


DRAWS = 100
# 95% of 100 draws, four binomial standard deviations below.
FEWEST = 0.95 - 4 * np.sqrt(0.95 * 0.05 / DRAWS)


@pytest.mark.parametrize("world", ["ranked", "found"])
def test_other_users_and_items_stay_within_the_interval_over_both_and_leave_that_over_users(world):
    metrics = ("recall@20", "calibrated_recall@20", "ndcg@20")
    for kinds in STUDY["study"](STUDY[world], 120, 60, DRAWS, 3, metrics).values():
        limits = kinds["users and items"]
        assert STUDY["held"](limits) >= FEWEST
        # Not by being wide: half the width against 1.96 times the spread between draws. A spread of
        # 100 draws is known to 7%; a fifth is what Student's t and small worlds add.
        half = (limits[:, 2] - limits[:, 1]).mean() / 2
        assert half / (1.96 * limits[:, 0].std(ddof=1)) < 1.2 * (1 + 3 * 0.07)
        assert STUDY["held"](kinds["users"]) < FEWEST


def test_where_items_do_not_matter_both_intervals_hold_the_truth():
    for kinds in STUDY["study"](STUDY["alike"], 120, 60, DRAWS, 3, ("recall@20",)).values():
        for kind in ("users", "users and items"):
            assert STUDY["held"](kinds[kind]) >= FEWEST


@pytest.mark.parametrize("mirrored", [False, True])
def test_nearly_every_user_hit_is_no_certainty(mirrored):
    """Of shares near 0 and 1 the intervals hold the truth, which resamples of them do not."""
    users, most = 400, 60
    values = np.arange(users)[:, None] < np.arange(most)
    values = (values != mirrored).astype(float)  # each column another number of hits
    for intervals, least in ((rate_intervals, 0.91), (mean_intervals, 0.19)):
        low, high = np.array(intervals(values)).T
        assert (low <= values.mean(axis=0)).all()
        assert (values.mean(axis=0) <= high).all()
        holding = []
        for chance in np.linspace(0.0005, 0.02, 79):
            truth = 1 - chance if mirrored else chance
            holds = (low <= truth) & (truth <= high)
            holding.append(stats.binom.pmf(np.arange(most), users, chance)[holds].sum())
        # Shares of 400 take few values, so no interval holds all truths equally often.
        assert min(holding) == pytest.approx(least, abs=0.01)
        assert (0.94 < np.mean(holding) < 0.98) == (intervals is rate_intervals)


def test_far_from_the_ends_nothing_changes():
    values = np.random.default_rng(0).random((300, 2)) < [0.1, 0.9]
    assert rate_intervals(values.astype(float)) == mean_intervals(values.astype(float))
    assert edge_interval(0.5, 0.0, 300) is None
