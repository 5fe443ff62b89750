"""Metrics that cannot tell one model from another: not used to choose, and marked in tables."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit import evaluate
from beekit.errors import ConfigError
from beekit.evaluation.telling_metric import telling_metric
from beekit.models import Random
from beekit.report.table import results_table
from beekit.report.table_files import markdown_table
from beekit.run.repeat_results import join_results
from beekit.run.summary import summary_table
from beekit.split import HeldOut

ITEMS = 12


def part(candidates: int, seen: int = 0) -> HeldOut:
    """Three users, of whom each has used item 11 and `seen` of the candidates."""
    source = np.zeros((3, ITEMS), dtype=np.float32)
    source[:, [*range(seen), ITEMS - 1]] = 1
    target = np.zeros((3, ITEMS), dtype=np.float32)
    target[range(3), [seen, seen + 1, seen + 1]] = 1
    return HeldOut(sp.csr_array(source), sp.csr_array(target), np.arange(candidates))


@pytest.mark.parametrize(
    ("metric", "chosen", "expected"),
    [
        ("recall@7", True, "recall@7"),
        ("ndcg@20", True, "ndcg@20"),  # the order counts
        ("mrr@8", False, "mrr@8"),
        ("calibrated_recall@20", False, "calibrated_recall@2"),
        ("hit_rate@8", False, "hit_rate@2"),
    ],
)
def test_a_metric_that_cannot_move_is_not_taken_by_default(metric, chosen, expected, caplog):
    assert telling_metric(metric, [part(8)], chosen=chosen) == expected
    assert bool(caplog.records) == (metric != expected)


@pytest.mark.parametrize("metric", ["recall@8", "calibrated_recall@20", "precision@9"])
def test_a_metric_that_cannot_move_is_refused_where_it_was_chosen(metric):
    with pytest.raises(ConfigError, match=r"8 candidates a user.*the same at every step.*@2"):
        telling_metric(metric, [part(8)], chosen=True)


def test_candidates_that_were_seen_do_not_count_and_the_largest_part_decides():
    with pytest.raises(ConfigError, match="6 candidates"):
        telling_metric("recall@6", [part(8, seen=2)], chosen=True)
    assert telling_metric("recall@7", [part(4), part(8)], chosen=True) == "recall@7"


def test_a_part_with_one_candidate_chooses_nothing():
    with pytest.raises(ConfigError, match="Hold out more items"):
        telling_metric("ndcg@10", [part(1)], chosen=False)


def results(candidates: int) -> dict:
    split = {"kind": "cold_start", "hash": "0" * 64}
    split["test"] = {"users": 3, "candidates": candidates, "targets": 3}
    metrics = ["recall@3", "recall@8"]
    found = [
        evaluate(
            Random(seed), part(candidates), metrics=metrics, top_k=8, model=f"random {seed}",
            scenario="cold_start/test",
        )
        for seed in range(2)
    ]  # fmt: skip
    return {
        "schema": 1,
        "dataset": {
            **{"name": "toy", "users": 3, "items": ITEMS, "interactions": 9, "fingerprint": "f"}
        },
        "split": split,
        "environment": {},
        "rows": [one.row() for one in found],
    }


def test_a_cut_that_reaches_all_candidates_is_marked_in_every_table():
    reached = results(8)
    first = reached["rows"][0]["metrics"]
    assert first["recall@8"]["reaches_all"] is True
    assert "reaches_all" not in first["recall@3"]
    said = "* lists that hold every candidate, whatever the model: recall@8."
    for text in (summary_table(reached), markdown_table(reached)):
        assert "1.0000*" in text
        assert said in text
    group = results_table([reached], ["toy"]).groups[0]
    assert said in group.settings
    assert [cell.value.endswith("*") for cell in group.rows[0].cells] == [False, True]
    joined = join_results([results(8), results(8)], folders=["1", "2"], seeds=[0, 1])
    assert joined["rows"][0]["metrics"]["recall@8"]["reaches_all"] is True


def test_nothing_is_marked_where_lists_leave_something_out():
    text = summary_table(results(9))
    assert "*" not in text
