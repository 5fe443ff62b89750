"""Evaluating recommenders: one right answer, whatever the batch size."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit import ItemIndex, evaluate
from beekit.encoders import ItemTokens
from beekit.errors import ConfigError
from beekit.evaluation import (
    DEFAULT_METRICS,
    HeldOutEvaluator,
    by_history,
    by_support,
    neighbours,
)
from beekit.models import Random
from beekit.split import HeldOut, cold_start_split


@pytest.fixture
def part() -> HeldOut:
    generator = np.random.default_rng(0)
    X = generator.random((300, 60)) < 0.2
    cold = np.arange(40, 60)
    source, target = X.copy(), X.copy()
    source[:, cold] = False
    target[:, :40] = False
    source[:5] = False  # without a source
    target[5:9] = False  # without a target
    as_csr = [sp.csr_array(part.astype(np.float32)) for part in (source, target)]
    return HeldOut(*as_csr, cold)


@pytest.fixture
def index() -> ItemIndex:
    # Few distinct vectors: exact ties everywhere.
    vectors = np.random.default_rng(1).normal(size=(12, 8)).astype(np.float32)
    return ItemIndex(vectors[np.random.default_rng(2).integers(0, 12, 60)])


def test_users_without_source_or_target_do_not_enter(part, index):
    evaluation = evaluate(index, part, top_k=20, metrics=["recall@20"])
    assert 0 not in evaluation.users
    assert 5 not in evaluation.users
    assert len(evaluation.users) == len(evaluation.per_user["recall@20"])


def test_average_is_that_of_plain_loops(part, index):
    evaluation = evaluate(index, part, top_k=10, metrics=["calibrated_recall@5"])
    source, target = part.source.toarray(), part.target.toarray()
    values = []
    for user in range(300):
        if not source[user].any() or not target[user].any():
            continue
        vector = source[user].astype(np.float64) @ index.item_vectors.astype(np.float64)
        scores = {i: vector @ index.item_vectors[i].astype(np.float64) for i in part.candidates}
        best = sorted(part.candidates, key=lambda i: (-round(scores[i], 9), i))[:5]
        values.append(target[user][best].sum() / min(5, target[user].sum()))
    assert evaluation.metrics["calibrated_recall@5"]["value"] == pytest.approx(np.mean(values))


@pytest.mark.parametrize("batch_size", [1, 7, 64, 10**6])
def test_batch_size_changes_nothing(part, index, batch_size):
    whole = evaluate(index, part, top_k=15, metrics=["ndcg@15", "coverage@5"])
    cut = evaluate(index, part, top_k=15, metrics=["ndcg@15", "coverage@5"], batch_size=batch_size)
    np.testing.assert_array_equal(whole.ranked, cut.ranked)
    assert whole.metrics == cut.metrics


def test_every_usual_metric_has_a_value_within_its_interval(part, index):
    metrics = evaluate(index, part).metrics
    assert list(metrics) == list(DEFAULT_METRICS)
    for value in metrics.values():
        low, high = value["ci95"]
        assert 0 <= low <= value["value"] <= high <= 1


def test_a_row_is_what_results_json_holds(part, index):
    evaluation = evaluate(index, part, model="m", scenario="s")
    row = evaluation.row()
    assert row["model"] == "m"
    assert row["users"] == len(evaluation.users)
    assert set(row["metrics"]["recall@20"]) == {"value", "ci95", "ci95_items"}
    assert set(row["metrics"]["coverage@20"]) == {"value", "ci95"}


@pytest.mark.parametrize("name", ["recal@20", "recall", "recall@0", "recall@200", "ndcg@x"])
def test_unknown_metrics_are_refused(part, index, name):
    with pytest.raises(ConfigError, match="metric"):
        evaluate(index, part, metrics=[name])


def test_the_nearest_metric_is_suggested(part, index):
    with pytest.raises(ConfigError, match="Did you mean recall@20"):
        evaluate(index, part, metrics=["recal@20"])


def test_validation_evaluator_scores_the_model_as_it_is(encoder, shop_dataset):
    split = cold_start_split(shop_dataset.interactions, fraction=0.2)
    tokens = ItemTokens(encoder, shop_dataset.catalog.texts)
    evaluator = HeldOutEvaluator(split.validation, tokens)
    scores = evaluator(encoder)
    assert list(scores) == [evaluator.primary_metric] == ["calibrated_recall@20"]
    assert 0 <= scores["calibrated_recall@20"] <= 1


def test_history_bins_hold_every_user_once_and_average_back(part, index):
    evaluations = [
        evaluate(index, part, model="a", metrics=["recall@5"]),
        evaluate(Random(), part, model="b", metrics=["recall@5"]),
    ]
    found = by_history(evaluations, part.source, "recall@5")
    lengths = np.diff(part.source.indptr)[evaluations[0].users]
    for entry in found["bins"]:
        members = (lengths >= entry["low"]) & (lengths <= entry["high"])
        assert entry["users"] == members.sum() >= 20
        for evaluation in evaluations:
            value = evaluation.per_user["recall@5"][members].mean()
            assert entry["models"][evaluation.model]["value"] == pytest.approx(value)


def test_neighbours_count_how_often_items_are_used_together(shop_dataset, encoder):
    X = shop_dataset.interactions.matrix
    vectors = np.random.default_rng(0).normal(size=(X.shape[1], 4))
    index = ItemIndex(vectors)
    found = neighbours(index, index, X, shop_dataset.catalog, np.arange(X.shape[1]), items=2, k=3)
    dense = X.toarray()
    titles = shop_dataset.catalog.fields["title"].to_pylist()
    assert found[0]["users"] == dense.sum(axis=0).max()
    for entry in found:
        item = titles.index(entry["label"])
        assert entry["before"] == entry["after"]
        for neighbour in entry["before"]:
            other = titles.index(neighbour["label"])
            assert other != item
            assert neighbour["together"] == (dense[:, item] * dense[:, other]).sum()


def test_recall_by_support_is_that_of_plain_loops(part):
    X = sp.csr_array(part.source + part.target)
    evaluations = [
        evaluate(Random(seed), part, top_k=10, metrics=["calibrated_recall@5"], model=str(seed))
        for seed in (0, 1)
    ]
    described = by_support(evaluations, part, X, "calibrated_recall@5")
    assert described["metric"] == "recall@5"
    support = np.bincount(X.indices, minlength=X.shape[1])
    target = part.target.toarray() > 0
    assert described["bins"]
    for one in described["bins"]:
        inside = (support >= one["low"]) & (support <= one["high"])
        for evaluation in evaluations:
            values = []
            for user, ranked in zip(evaluation.users, evaluation.ranked, strict=True):
                wanted = set(np.flatnonzero(target[user] & inside))
                if wanted:
                    values.append(len(wanted & set(ranked[:5].tolist())) / len(wanted))
            assert one["users"] == len(values)
            value = one["models"][evaluation.model]["value"]
            assert value == pytest.approx(np.mean(values), abs=1e-12)
