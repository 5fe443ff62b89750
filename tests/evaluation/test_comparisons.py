"""Holm's correction, and how often equally good models are called different."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp

from beekit import evaluate
from beekit.errors import DataError
from beekit.evaluation import best_against_others, compare_metrics, compare_models, holm
from beekit.evaluation.comparisons import holm_of_all_pairs
from beekit.evaluation.intervals import paired_p_value
from beekit.models import Random
from beekit.split import HeldOut


def test_holm_steps_down_and_never_turns_the_order_round():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]) == pytest.approx([0.2])
    assert len(holm([])) == 0


def test_twelve_equal_models_are_called_different_in_one_table_of_twenty():
    random, tables, models = np.random.default_rng(0), 200, 12
    raw = winner_alone = all_pairs = 0
    for _ in range(tables):
        values = random.beta(0.5, 2, size=(80, 1)) + 0.2 * random.normal(size=(80, models))
        values = list(values[:, np.argsort(-values.mean(axis=0))].T)
        p_values = [paired_p_value(values[0] - other) for other in values[1:]]
        raw += min(p_values) < 0.05
        winner_alone += holm(p_values).min() < 0.05
        all_pairs += holm_of_all_pairs(values)[: models - 1].min() < 0.05
    # Three binomial standard deviations of 5% in 200 tables. The winner is chosen from the same
    # values, so correcting for its own 11 comparisons is not enough.
    highest = 0.05 + 3 * np.sqrt(0.05 * 0.95 / tables)
    assert all_pairs / tables <= highest
    assert winner_alone / tables > highest
    assert raw / tables > 0.5


@pytest.fixture
def evaluations():
    random = np.random.default_rng(0)
    source, target = (random.random((2, 80, 30)) < 0.2).astype(np.float32)
    part = HeldOut(sp.csr_array(source), sp.csr_array(target * (source == 0)), np.arange(30))
    metrics = ["recall@5", "ndcg@10", "coverage@5"]
    return [
        evaluate(Random(seed), part, metrics=metrics, top_k=10, model=str(seed))
        for seed in (0, 50, 100, 150)
    ]


def test_the_best_is_compared_with_all_others_and_corrected_over_all_pairs(evaluations):
    found = best_against_others(evaluations, "ndcg@10")
    ordered = sorted(evaluations, key=lambda e: -e.metrics["ndcg@10"]["value"])
    assert [(c["first"], c["second"]) for c in found] == [
        (ordered[0].model, other.model) for other in ordered[1:]
    ]
    for one, other in zip(found, ordered[1:], strict=True):
        paired = compare_models(ordered[0], other, "ndcg@10")
        assert one["p_value"] == paired.p_value <= one["p_holm"] <= 1
        assert one["ci95_items"] == paired.ci95_items
        assert one["family"] == 6
    assert best_against_others(evaluations[:1], "ndcg@10") == []


def test_two_models_are_corrected_over_the_metrics_listed(evaluations):
    found = compare_metrics(*evaluations[:2])
    assert [one["metric"] for one in found] == ["recall@5", "ndcg@10"]
    assert [one["p_holm"] for one in found] == pytest.approx(holm([c["p_value"] for c in found]))


def test_evaluations_of_other_tasks_are_not_compared(evaluations):
    one = evaluations[0]
    with pytest.raises(DataError, match="at least one"):
        best_against_others([], "ndcg@10")
    with pytest.raises(DataError, match="no values of coverage@5 for the users"):
        compare_models(one, evaluations[1], "coverage@5")
    fewer = dataclasses.replace(one, users=one.users + 1)
    target = one.lists.target.copy()
    target.indices = (target.indices + 1) % target.shape[1]
    hidden = dataclasses.replace(one, lists=dataclasses.replace(one.lists, target=target))
    candidates = dataclasses.replace(one.lists, candidates=one.lists.candidates[1:])
    for other in (fewer, hidden, dataclasses.replace(one, lists=candidates)):
        with pytest.raises(DataError, match="different users, targets or candidates"):
            compare_metrics(one, other)


def test_metrics_that_one_alone_has_are_left_out(evaluations):
    one, other = evaluations[:2]
    fewer = {"ndcg@10": other.per_user["ndcg@10"]}
    found = compare_metrics(one, dataclasses.replace(other, per_user=fewer))
    assert [(c["metric"], c["family"]) for c in found] == [("ndcg@10", 1)]
