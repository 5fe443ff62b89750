"""`task: rating` through the command line: values reach the models, errors reach the tables."""

from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from beekit import Dataset
from beekit.cli import main
from beekit.evaluation import evaluate_ratings
from beekit.models import AutoRec, BiasedMF, UserMean
from beekit.split import random_split
from beekit.split.entries import entries

MODELS = {"GlobalMean": None, "UserMean": None, "BiasedMF": {"embedding_dim": 2}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 users rate 40 films from 1 to 5; there is no table of items."""
    place = tmp_path_factory.mktemp("films") / "films"
    place.mkdir()
    generator = np.random.default_rng(0)
    users, items = np.nonzero(generator.random((60, 40)) < 0.4)
    mean = 3 + generator.normal(size=60)[users] + 0.7 * generator.normal(size=40)[items]
    values = np.clip(np.round(mean + 0.5 * generator.normal(size=len(users))), 1, 5)
    table = {
        "user_id": users,
        "item_id": items,
        "value": values,
        "timestamp": np.arange(len(users)),
    }
    pq.write_table(pa.table(table), place / "interactions.parquet")
    return place


@pytest.fixture
def configure(tmp_path, folder):
    def write(**changes):
        content = {
            "data": str(folder),
            "out": str(tmp_path / "run"),
            "task": "rating",
            "split": {"kind": "random", "fraction": 0.2, "validation": 0.1, "seed": 3},
            "models": MODELS,
            **changes,
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return str(path)

    return write


def results_in(place):
    return json.loads((place / "results.json").read_text())


def test_rows_are_what_the_library_says(configure, tmp_path, folder):
    assert main(["evaluate", configure()]) == 0
    results = results_in(tmp_path / "run")
    assert results["task"] == "rating"
    interactions = Dataset.load(folder, missing_items="ids").interactions
    split = random_split(interactions, fraction=0.2, validation_fraction=0.1, seed=3)
    train = interactions.valued(split.train, "values")
    for name, model in {"UserMean": UserMean(), "BiasedMF": BiasedMF(embedding_dim=2)}.items():
        expected = evaluate_ratings(model.fit(train), split.rated("test")).metrics
        (row,) = [row for row in results["rows"] if row["model"] == name]
        assert row["metrics"]["rmse"]["value"] == expected["rmse"]["value"]
        assert row["metrics"]["mae"] == json.loads(json.dumps(expected["mae"]))
        assert row["ratings"] == split.test.target.nnz


def test_tables_and_report_say_what_is_best(configure, tmp_path, capsys):
    assert main(["evaluate", configure()]) == 0
    shown = capsys.readouterr().out
    row = results_in(tmp_path / "run")["rows"][0]
    assert f"{row['ratings']} ratings of {row['users']} users" in shown
    rows = list(csv.DictReader((tmp_path / "run" / "table.csv").read_text().splitlines()))
    best = min(rows, key=lambda row: float(row["rmse"]))
    markdown = (tmp_path / "run" / "table.md").read_text()
    (line,) = [line for line in markdown.splitlines() if line.startswith(f"| {best['model']} ")]
    assert line.count("**") == 4
    assert markdown.count("**") == 4
    report = (tmp_path / "run" / "report.html").read_text()
    for said in (
        "the lowest rmse of 3 models",
        "Root mean squared error",
        "predicted the same ratings",
        "By length of history",
        "the best value in each column",
    ):
        assert said in " ".join(report.split())
    for unsaid in ("ranks the same candidates", "By popularity of items", "rmse@k"):
        assert unsaid not in report
    results = results_in(tmp_path / "run")
    assert results["comparisons"][0]["first"] == best["model"]


def test_repeats_are_ordered_by_the_lowest_error(configure, tmp_path, capsys):
    assert main(["evaluate", configure(repeats=3)]) == 0
    results = results_in(tmp_path / "run")
    means = {row["model"]: row["metrics"]["rmse"]["value"] for row in results["rows"]}
    assert results["order"][0]["models"] == sorted(means, key=means.get)
    first = results["comparisons"][0]
    assert first["first"] == min(means, key=means.get)
    assert first["difference"] < 0
    each = {row["model"]: row["metrics"]["rmse"]["values"] for row in results["rows"]}
    better = np.array(each[first["first"]]) < np.array(each[first["second"]])
    assert first["held"] == better.sum()
    assert "the lowest mean rmse of 3 models" in capsys.readouterr().out
    assert all(isinstance(row["ratings"], int) for row in results["rows"])


def test_networks_stop_by_the_error_on_the_validation_part(configure, tmp_path, folder):
    settings = {"embedding_dim": 8, "regularization": 1.0, "learning_rate": 0.02, "epochs": 30}
    assert main(["evaluate", configure(models={"AutoRec": {**settings, "patience": 3}})]) == 0
    (row,) = results_in(tmp_path / "run")["rows"]
    learning = row["learning"]
    assert learning["metric"] == "rmse"
    assert learning["value"] == min(learning["curve"])
    interactions = Dataset.load(folder, missing_items="ids").interactions
    split = random_split(interactions, fraction=0.2, validation_fraction=0.1, seed=3)
    train = interactions.valued(split.train, "values")
    model = AutoRec(**settings, patience=0)
    model.epochs = learning["best_epoch"]
    found = evaluate_ratings(model.fit(train), split.rated("validation"))
    assert found.metrics["rmse"]["value"] == pytest.approx(learning["value"], rel=1e-6)


def test_no_rating_of_the_test_part_is_known_to_a_model(configure, tmp_path, folder, monkeypatch):
    """Other ratings in the test part change no prediction."""
    interactions = Dataset.load(folder, missing_items="ids").interactions
    split = random_split(interactions, fraction=0.2, validation_fraction=0.1, seed=3)
    seen = {}

    def fit_and_predict(values):
        told = interactions.valued(interactions.matrix, "values").copy()
        told.data = values
        train = entries(told, split.train.toarray()[told.nonzero()] != 0)
        model = BiasedMF(embedding_dim=2).fit(train)
        return model.predict(train, *split.test.target.nonzero())

    hidden = split.test.target.toarray()[interactions.matrix.nonzero()] != 0
    for name, change in (("as they are", 0), ("others", 1)):
        seen[name] = fit_and_predict(interactions.values + change * hidden)
    np.testing.assert_array_equal(*seen.values())


def test_an_interrupted_comparison_goes_on(configure, tmp_path, monkeypatch):
    assert main(["evaluate", configure()]) == 0
    whole = results_in(tmp_path / "run")
    from beekit.run import evaluate as module

    def killed(*_, **__):
        raise KeyboardInterrupt

    other = configure(out=str(tmp_path / "other"))
    with monkeypatch.context() as patched:
        patched.setattr(module, "write_tables", killed)
        assert main(["evaluate", other]) != 0
    assert (tmp_path / "other" / ".evaluated").is_dir()
    (tmp_path / "other" / "results.json").unlink(missing_ok=True)
    with monkeypatch.context() as patched:
        patched.setattr(module, "_tried", killed)
        assert main(["evaluate", other]) == 0
    again = results_in(tmp_path / "other")
    assert again["comparisons"] == whole["comparisons"]
    assert [row["metrics"] for row in again["rows"]] == [row["metrics"] for row in whole["rows"]]
    assert again["by_history"] == whole["by_history"]


def test_values_below_the_least_that_counts_are_left_out(configure, tmp_path):
    assert main(["evaluate", configure(min_value=2)]) == 0
    results = results_in(tmp_path / "run")
    assert results["dataset"]["rows_kept"][0]["rule"] == "min_value=2"


@pytest.mark.parametrize("kind", [{"kind": "time"}, {"kind": "user", "fraction": 0.3}])
def test_other_splits_hold_out_ratings_too(configure, tmp_path, kind):
    assert main(["evaluate", configure(split=kind)]) == 0
    assert results_in(tmp_path / "run")["rows"][0]["scenario"] == f"{kind['kind']}/test"


def test_other_ratings_are_other_data(configure, tmp_path, folder):
    """Also where the same users rated the same items."""
    other = tmp_path / "other"
    other.mkdir()
    table = pq.read_table(folder / "interactions.parquet")
    changed = pa.array(6 - table["value"].to_numpy())
    pq.write_table(table.set_column(2, "value", changed), other / "interactions.parquet")
    found = []
    for place in (folder, other):
        out = str(tmp_path / f"of {place.name}")
        assert main(["evaluate", configure(data=str(place), out=out)]) == 0
        found.append(results_in(tmp_path / f"of {place.name}")["dataset"]["fingerprint"])
    assert found[0] != found[1]


def test_rating_models_rank_too(configure, tmp_path):
    changes = {"task": "ranking", "evaluation": {"metrics": ["recall@5"], "top_k": 5}}
    assert main(["evaluate", configure(**changes)]) == 0
    results = results_in(tmp_path / "run")
    assert "task" not in results
    assert set(results["rows"][0]["metrics"]) == {"recall@5"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": {"EASE": None}}, "models.EASE in task: rating, a EASE without predict"),
        ({"split": {"kind": "cold_start"}}, "task: rating with split.kind=cold_start"),
        ({"split": {"kind": "zero_shot"}}, "task: rating with split.kind=zero_shot"),
        ({"encoder": "some/encoder"}, "task: rating with encoder=some/encoder"),
        ({"evaluation": {"metrics": ["ndcg@10"]}}, "metric 'ndcg@10' of predicted ratings"),
        ({"evaluation": {"top_k": 10}}, "task: rating with evaluation.top_k=10"),
        ({"task": "rate"}, "task='rate'"),
        ({"task": "ranking", "evaluation": {"metrics": ["rmse"]}}, "metric 'rmse'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(configure, capsys, changes, message):
    assert main(["evaluate", configure(**changes)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def test_a_dataset_without_values_is_refused_in_one_line(configure, folder, tmp_path, capsys):
    bare = tmp_path / "bare"
    bare.mkdir()
    table = pq.read_table(folder / "interactions.parquet").drop_columns("value")
    pq.write_table(table, bare / "interactions.parquet")
    assert main(["evaluate", configure(data=str(bare))]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "interactions without values" in line
    assert "column value" in line
