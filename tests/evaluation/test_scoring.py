"""Evaluating recommenders: one right answer, whatever the batch size."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit import ItemIndex, evaluate
from beekit.encoders import ItemTokens
from beekit.errors import BeekitError, ConfigError, DataError
from beekit.evaluation import (
    DEFAULT_METRICS,
    HeldOutEvaluator,
    MeanEvaluator,
    by_history,
    by_support,
    neighbours,
)
from beekit.evaluation.named_metrics import usual_metrics
from beekit.models import Random
from beekit.ranking.ties import history_keys, tie_keys
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
        ties = tie_keys(history_keys(part.source[[user]]), part.candidates)
        drawn = dict(zip(part.candidates, ties, strict=True))
        best = sorted(part.candidates, key=lambda i: (-round(scores[i], 9), drawn[i]))[:5]
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
    # There are 20 candidates.
    assert set(row["metrics"]["recall@20"]) == {"value", "ci95", "ci95_items", "reaches_all"}
    assert set(row["metrics"]["coverage@20"]) == {"value", "ci95", "reaches_all"}


def nobody(part: HeldOut, which: str) -> HeldOut:
    nothing = sp.csr_array(part.source.shape, dtype=np.float32)
    zeros = part.target.copy()
    zeros.data[:] = 0  # stored, and no interactions
    return {
        "no users": HeldOut(part.source[:0], part.target[:0], part.candidates),
        "no source": HeldOut(nothing, part.target, part.candidates),
        "no target": HeldOut(part.source, nothing, part.candidates),
        "stored zeros": HeldOut(part.source, zeros, part.candidates),
        "no candidates": HeldOut(part.source, part.target, part.candidates[:0]),
    }[which]


@pytest.mark.parametrize(
    "which", ["no users", "no source", "no target", "stored zeros", "no candidates"]
)
def test_nobody_to_evaluate_is_said_in_one_line(part, index, which):
    with pytest.raises(DataError, match="nobody to evaluate"):
        evaluate(index, nobody(part, which))


def test_a_target_of_stored_zeros_makes_no_metric_nan(part, index):
    part.target.data[part.target.indptr[100] : part.target.indptr[101]] = 0
    evaluation = evaluate(index, part)
    assert 100 not in evaluation.users
    assert all(np.isfinite(m["value"]) for m in evaluation.metrics.values())


@pytest.mark.parametrize(
    "asked", [{"metrics": []}, {"metrics": "recall@20"}, {"top_k": 0}, {"batch_size": 0}]
)
def test_nothing_to_measure_is_refused(part, index, asked):
    with pytest.raises(ConfigError, match="top_k="):
        evaluate(index, part, **asked)


def test_lists_too_short_for_the_usual_metrics_are_refused():
    with pytest.raises(ConfigError, match="Set metrics, for example recall@10"):
        usual_metrics([], 10)


def test_source_and_target_of_different_shapes_are_refused(part):
    with pytest.raises(DataError, match="target with 299 users; expected 300 users"):
        HeldOut(part.source, part.target[:-1], part.candidates)


def test_breakdowns_and_evaluators_of_nothing_are_refused(part, index):
    one = evaluate(index, part, top_k=20, metrics=["recall@20", "coverage@20"], model="one")
    fewer = HeldOut(part.source[:250], part.target[:250], part.candidates)
    other = evaluate(index, fewer, top_k=20, metrics=["recall@20"], model="other")
    X = part.source
    for call in (
        lambda: by_history([], part.source, "recall@20"),
        lambda: by_history([one], part.source, "ndcg@20"),
        lambda: by_history([one], part.source, "coverage@20"),
        lambda: by_history([one, other], part.source, "recall@20"),
        lambda: by_support([], part, X, "recall@20"),
        lambda: by_support([one, other], part, X, "recall@20"),
        lambda: MeanEvaluator({}),
    ):
        with pytest.raises(BeekitError) as refused:
            call()
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["recal@20", "recall", "recall@0", "recall@200", "ndcg@x", "mrr@²"]
)
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


@pytest.mark.parametrize("intervals", [True, False])
def test_an_approximate_index_is_scored_by_the_lists_it_serves(intervals):
    generator = np.random.default_rng(3)
    items, top_k = 2000, 28
    vectors = generator.normal(size=(items, 16)).astype(np.float32)
    X = generator.random((200, items)) < 0.0135
    hidden = X & (generator.random(X.shape) < 0.5)
    hidden[:, 0] = X[:, 0] = True
    X[:, 1] = True
    part = HeldOut(sp.csr_array(X & ~hidden), sp.csr_array(hidden), np.arange(items))
    # With 12 to 15 items in the history, 128 are fetched for lists of 28, and 256 for lists of 29.
    index = ItemIndex(vectors, factory="PQ4x4", gpu=False)
    assert not index.nested_lists
    served = index.recommend(part.source, top_k, part.candidates)[0]
    longer = index.recommend(part.source, top_k + 1, part.candidates)[0]
    assert (served != longer[:, :top_k]).any()
    metrics = [f"recall@{top_k}", "ndcg@5", f"coverage@{top_k}"]
    found = evaluate(index, part, metrics=metrics, top_k=top_k, intervals=intervals, batch_size=64)
    np.testing.assert_array_equal(found.ranked, served)
    recall = [
        len({*row} & {*np.flatnonzero(wanted)}) / wanted.sum()
        for row, wanted in zip(served, hidden, strict=True)
    ]
    np.testing.assert_allclose(found.per_user[metrics[0]], recall, rtol=1e-12)
    if intervals:
        place = found.lists.ranked[:, top_k]
        for row, after, item in zip(served, longer, place, strict=True):
            assert item == next(one for one in after if one not in row)
    else:
        assert found.lists.ranked.shape[1] == top_k


class Counted:
    """An index that counts its requests."""

    scores_cold_items = True

    def __init__(self, index: ItemIndex) -> None:
        self.index, self.asked = index, []

    def recommend(self, X, k, candidates=None, exclude_seen=True):
        self.asked.append(k)
        return self.index.recommend(X, k, candidates, exclude_seen)


def test_lists_that_begin_alike_are_asked_for_once(part, index):
    model = Counted(index)
    found = evaluate(model, part, metrics=["recall@10"], top_k=10)
    assert model.asked == [11]
    assert index.nested_lists
    served = index.recommend(part.source[found.users], 10, part.candidates)[0]
    np.testing.assert_array_equal(found.ranked, served)
