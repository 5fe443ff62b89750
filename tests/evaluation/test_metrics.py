"""Metrics against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit.errors import ConfigError
from beekit.evaluation import metrics


def by_loops(name: str, ranked: np.ndarray, target: np.ndarray, k: int) -> list[float]:
    values = []
    for row, wanted in zip(ranked, target, strict=True):
        relevant = {int(i) for i in np.flatnonzero(wanted)}
        if not relevant:
            values.append(float("nan"))
            continue
        hit = [int(item) in relevant for item in row[:k]] + [False] * (k - len(row[:k]))
        ideal = min(k, len(relevant))
        if name == "recall":
            value = sum(hit) / len(relevant)
        elif name == "calibrated_recall":
            value = sum(hit) / ideal
        elif name == "precision":
            value = sum(hit) / k
        elif name == "ndcg":
            gain = sum(1 / np.log2(rank + 2) for rank, h in enumerate(hit) if h)
            value = gain / sum(1 / np.log2(rank + 2) for rank in range(ideal))
        elif name == "mrr":
            value = next((1 / (rank + 1) for rank, h in enumerate(hit) if h), 0.0)
        else:
            value = float(any(hit))
        values.append(value)
    return values


@given(
    users=st.integers(1, 12),
    items=st.integers(1, 25),
    width=st.integers(1, 25),
    k=st.integers(1, 30),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=120, deadline=None)
@pytest.mark.parametrize("name", list(metrics.FROM_HITS))
def test_metric_is_what_plain_loops_give(name, users, items, width, k, seed):
    generator = np.random.default_rng(seed)
    width = min(width, items)
    ranked = np.stack([generator.permutation(items)[:width] for _ in range(users)])
    ended = generator.integers(0, width + 1, users)
    ranked[np.arange(width) >= ended[:, None]] = -1
    target = generator.random((users, items)) < 0.2
    sparse = sp.csr_array(target.astype(np.float32))
    found = getattr(metrics, name)(ranked, sparse, k)
    np.testing.assert_allclose(found, by_loops(name, ranked, target, k), rtol=1e-12)


def test_a_case_by_hand():
    ranked = np.array([[4, 2, 0]])
    target = sp.csr_array(np.array([[1, 0, 1, 1, 0]]))
    assert metrics.recall(ranked, target)[0] == pytest.approx(2 / 3)
    assert metrics.calibrated_recall(ranked, target, 2)[0] == pytest.approx(1 / 2)
    assert metrics.precision(ranked, target)[0] == pytest.approx(2 / 3)
    assert metrics.mrr(ranked, target)[0] == pytest.approx(1 / 2)
    assert metrics.hit_rate(ranked, target, 1)[0] == 0
    gain = 1 / np.log2(3) + 1 / np.log2(4)
    ideal = 1 / np.log2(2) + 1 / np.log2(3) + 1 / np.log2(4)
    assert metrics.ndcg(ranked, target)[0] == pytest.approx(gain / ideal)


def test_without_a_cut_the_whole_list_counts():
    ranked = np.array([[0, 1]])
    target = sp.csr_array(np.array([[0, 1, 1, 1]]))
    assert metrics.calibrated_recall(ranked, target)[0] == pytest.approx(1 / 2)


def test_padding_is_never_a_hit():
    ranked = np.array([[-1, -1], [1, -1]])
    target = sp.csr_array(np.array([[0, 1], [0, 1]]))
    assert metrics.hit_rate(ranked, target).tolist() == [0, 1]


def test_targets_outside_the_candidates_still_count_against_recall():
    ranked = np.array([[0]])
    assert metrics.recall(ranked, sp.csr_array(np.array([[1, 1]])))[0] == pytest.approx(1 / 2)


def test_coverage_counts_distinct_items_of_all_lists():
    ranked = np.array([[0, 1], [1, -1], [3, 0]])
    assert metrics.coverage(ranked, np.arange(5)) == pytest.approx(3 / 5)
    assert metrics.coverage(ranked, 5, k=1) == pytest.approx(3 / 5)
    assert metrics.coverage(ranked[:2], 4) == pytest.approx(2 / 4)


def test_a_target_stored_twice_is_one_target():
    twice = sp.csr_array((np.ones(3), np.array([1, 1, 2]), np.array([0, 3])), shape=(1, 4))
    assert metrics.recall(np.array([[1, 2]]), twice).tolist() == [1.0]
    zero = sp.csr_array((np.array([1.0, 0.0]), np.array([1, 2]), np.array([0, 2])), shape=(1, 4))
    assert metrics.target_counts(zero).tolist() == [1]


@pytest.mark.parametrize("k", [0, -1])
def test_a_cut_below_one_is_refused(k):
    ranked, target = np.array([[1, 0]]), sp.csr_array(np.array([[1.0, 0.0]]))
    for metric in (metrics.recall, metrics.ndcg):
        with pytest.raises(ConfigError, match=f"k={k}"):
            metric(ranked, target, k)
    with pytest.raises(ConfigError, match=f"k={k}"):
        metrics.coverage(ranked, 2, k)
