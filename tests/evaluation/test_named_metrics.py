"""Metrics from outside: named by import path, or given as functions."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import scipy.sparse as sp

from beekit import evaluate
from beekit.errors import BeekitError, ConfigError, DataError
from beekit.evaluation import best_against_others, by_history, by_support, compare_models
from beekit.evaluation.named_metrics import kind_and_cut, named_metric, usual_metrics
from beekit.evaluation.repeats import over_repeats
from beekit.models import Random
from beekit.results import main_metric
from beekit.split import HeldOut

FILE = """\
import numpy as np


def novelty(ranked, target):
    users = np.bincount(target.indices, minlength=target.shape[1]) + 1
    return np.where(ranked >= 0, -np.log2(users[ranked] / len(ranked)), 0).mean(axis=1)
"""
BROKEN = """
import numpy as np
number = 7
def too_few(ranked, target): return np.zeros(3)
def table(ranked, target): return np.zeros(ranked.shape)
def words(ranked, target): return np.array(["a"] * len(ranked))
def nothing(ranked, target): return None
def fails(ranked, target): return ranked[:, 99]
def some_nan(ranked, target): return np.where(np.arange(len(ranked)) == 2, np.nan, 1.0)
"""
NAME = "metrics_of_mine.breadth:novelty@5"


def recall_of_mine(ranked, target):
    rows = target.toarray() > 0
    found = [
        sum(item >= 0 and row[item] for item in one) for one, row in zip(ranked, rows, strict=True)
    ]
    return np.array(found) / rows.sum(axis=1)


@pytest.fixture(scope="module")
def part() -> HeldOut:
    generator = np.random.default_rng(0)
    X = generator.random((120, 50)) < 0.2
    hidden = X & (generator.random(X.shape) < 0.5)
    source, target = (sp.csr_array(one.astype(np.float32)) for one in (X & ~hidden, hidden))
    return HeldOut(source, target, np.arange(50))


@pytest.fixture
def outside(tmp_path, monkeypatch):
    package = tmp_path / "metrics_of_mine"
    package.mkdir()
    (package / "breadth.py").write_text(FILE)
    (package / "broken.py").write_text(BROKEN)
    (package / "unreadable.py").write_text("def (")
    monkeypatch.syspath_prepend(tmp_path)


def test_a_metric_from_outside_is_a_file_of_ten_lines(outside, part):
    assert len(FILE.splitlines()) <= 10
    found = evaluate(Random(), part, metrics=["recall@5", NAME], top_k=10)
    assert list(found.metrics) == ["recall@5", NAME]
    ranked, target = found.ranked[:, :5], part.target[found.users]
    users = np.bincount(target.indices, minlength=50) + 1
    by_hand = [np.mean([-np.log2(users[i] / len(ranked)) for i in row]) for row in ranked]
    np.testing.assert_allclose(found.per_user[NAME], by_hand, rtol=1e-12)
    value = found.metrics[NAME]
    assert value["value"] == pytest.approx(np.mean(by_hand))
    assert set(value) == {"value", "ci95"}
    assert value["ci95"][0] < value["value"] < value["ci95"][1]
    assert value["value"] > 1  # no share, so no interval of a share
    json.dumps(found.row(), allow_nan=False)


def test_what_is_made_of_metrics_takes_one_from_outside(outside, part):
    first, second = (
        evaluate(Random(seed), part, metrics=[NAME], top_k=10, model=f"m{seed}") for seed in (0, 1)
    )
    gap = first.per_user[NAME] - second.per_user[NAME]
    paired = compare_models(first, second, NAME)
    assert paired.difference == pytest.approx(gap.mean())
    assert paired.ci95_items is None
    (described,) = best_against_others([first, second], NAME)
    assert described["metric"] == NAME
    assert by_history([first, second], part.source, NAME)["metric"] == NAME
    X = sp.csr_array(part.source + part.target)
    assert by_support([first, second], part, X, NAME)["metric"] == "recall@5"
    assert main_metric([NAME]) == NAME
    assert over_repeats([e.metrics[NAME]["value"] for e in (first, second)]).spread > 0


def test_functions_go_by_their_import_path_or_by_a_name_given(part):
    own = evaluate(Random(), part, metrics=["recall@10", "recall@4"], top_k=10).per_user
    listed = evaluate(Random(), part, metrics=["recall@4", recall_of_mine], top_k=10).per_user
    assert list(listed) == ["recall@4", f"{__name__}:recall_of_mine@10"]
    np.testing.assert_allclose(listed[f"{__name__}:recall_of_mine@10"], own["recall@10"])
    named = {"mine@4": recall_of_mine, "mine": recall_of_mine}
    mapped = evaluate(Random(), part, metrics=named, top_k=10).per_user
    assert list(mapped) == ["mine@4", "mine@10"]
    np.testing.assert_allclose(mapped["mine@4"], own["recall@4"])
    np.testing.assert_allclose(mapped["mine@10"], own["recall@10"])


def test_a_metric_cannot_change_what_the_others_read(part):
    def spoils(ranked, target):
        ranked[:] = 0
        target.data[:] = 0
        return np.ones(len(ranked))

    found = evaluate(Random(), part, metrics={"spoils@5": spoils, "r@5": recall_of_mine}, top_k=5)
    alone = evaluate(Random(), part, metrics=["recall@5"], top_k=5)
    np.testing.assert_allclose(found.per_user["r@5"], alone.per_user["recall@5"])


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("metrics_of_mine.nowhere:f@5", ConfigError, "cannot be imported .ModuleNotFoundError"),
        ("metrics_of_mine.unreadable:f@5", ConfigError, "cannot be imported .SyntaxError"),
        ("metrics_of_mine.broken:f@5", ConfigError, "cannot be imported .AttributeError"),
        (":novelty@5", ConfigError, "cannot be imported"),
        ("metrics_of_mine.breadth:@5", ConfigError, "cannot be imported"),
        ("metrics_of_mine.broken:number@5", ConfigError, "of type int"),
        ("metrics_of_mine.breadth:novelty", ConfigError, "expected a cut"),
        ("metrics_of_mine.breadth:novelty@500", ConfigError, "expected a cut"),
        ("metrics_of_mine.broken:too_few@5", DataError, r"returns an array of shape \(3,\)"),
        ("metrics_of_mine.broken:table@5", DataError, r"returns an array of shape \(\d+, 5\)"),
        ("metrics_of_mine.broken:words@5", DataError, "type <U1"),
        ("metrics_of_mine.broken:nothing@5", DataError, "type object"),
        ("metrics_of_mine.broken:fails@5", DataError, "broken:fails@5 .IndexError: index 99"),
        ("metrics_of_mine.broken:some_nan@5", DataError, "not finite: 1 of"),
    ],
)
def test_what_is_no_metric_is_said_in_one_line(outside, part, name, error, said):
    with pytest.raises(error, match=said) as refused:
        evaluate(Random(), part, metrics=[name], top_k=10)
    assert isinstance(refused.value, BeekitError)
    assert "\n" not in str(refused.value)
    assert name in str(refused.value)


def test_two_functions_of_one_name_are_refused(part):
    functions = [lambda ranked, target: np.zeros(len(ranked)) for _ in range(2)]
    with pytest.raises(ConfigError, match="two metrics named"):
        evaluate(Random(), part, metrics=functions, top_k=10)
    for name in ("recall@5", "coverage"):
        with pytest.raises(ConfigError, match="two metrics named"):
            evaluate(Random(), part, metrics={name: recall_of_mine}, top_k=10)
    with pytest.raises(ConfigError, match="of type int"):
        evaluate(Random(), part, metrics={"mine": 3}, top_k=10)


def test_a_configuration_is_checked_before_anything_is_fitted(outside):
    assert usual_metrics([NAME], 20) == (NAME,)
    with pytest.raises(ConfigError, match="cannot be imported"):
        usual_metrics(["metrics_of_mine.nowhere:f@5"], 20)
    assert named_metric(NAME).k == 5
    assert kind_and_cut(NAME) == ("metrics_of_mine.breadth:novelty", 5)


def test_an_evaluation_read_again_names_a_metric_that_is_found_again(outside, part):
    found = evaluate(Random(), part, metrics=[NAME], top_k=10)
    again = evaluate(Random(), part, metrics=tuple(found.row()["metrics"]), top_k=10)
    assert (
        dataclasses.replace(again, seconds=0).row() == dataclasses.replace(found, seconds=0).row()
    )
