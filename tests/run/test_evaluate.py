"""Comparisons through the command line: one table, and nothing learnt from what is held out."""

from __future__ import annotations

import csv
import json
import logging
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from sentence_transformers import SentenceTransformer

from beekit import Dataset, cold_start_split, evaluate
from beekit.cli import main
from beekit.errors import ConfigError
from beekit.models import EASE, DropoutNet, load_model, training_loop
from beekit.run.comparison import make_comparison
from beekit.run.cost import measured
from beekit.run.known_items import KnownItems
from beekit.run.settings_source import settings_chosen

MODELS = {
    "random": None,
    "popularity": None,
    "EASE": {"regularization": 100},
    "weak": {"model": "ease", "regularization": 1e6},
}


@pytest.fixture
def configure(tmp_path, shop_folder):
    def write(**changes):
        content = {
            "data": str(shop_folder),
            "out": str(tmp_path / "run"),
            "split": {"kind": "user", "fraction": 0.3},
            "models": MODELS,
            "evaluation": {"metrics": ["calibrated_recall@20", "coverage@20"], "top_k": 20},
            **changes,
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return str(path)

    return write


def test_folder_holds_table_report_split_and_results(configure, tmp_path, capsys):
    assert main(["evaluate", configure()]) == 0
    names = {path.name for path in (tmp_path / "run").iterdir()}
    expected = {"config.yaml", "split", "results.json", "report.html", "table.csv", "table.md"}
    assert names == expected
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert [row["model"] for row in results["rows"]] == list(MODELS)
    assert all(row["fit_seconds"] >= 0 for row in results["rows"])
    rows = list(csv.DictReader((tmp_path / "run" / "table.csv").read_text().splitlines()))
    assert [row["model"] for row in rows] == list(MODELS)
    best = results["comparisons"][0]["first"]
    assert {c["second"] for c in results["comparisons"]} == set(MODELS) - {best}
    report = (tmp_path / "run" / "report.html").read_text()
    assert "By popularity of items" in report
    assert "Accuracy and cost" in report
    assert "EASE" in capsys.readouterr().out


def test_rows_are_what_the_library_says(configure, tmp_path, shop_dataset):
    split = {"kind": "cold_start", "items": 40, "warm_fraction": 0.2, "seed": 3}
    assert main(["evaluate", configure(split=split)]) == 0
    rows = json.loads((tmp_path / "run" / "results.json").read_text())["rows"]
    ours = cold_start_split(shop_dataset.interactions, items=40, warm_fraction=0.2, seed=3)
    model = EASE(regularization=100).fit(ours.train)
    for part in ("test", "warm", "overall"):
        expected = evaluate(model, ours.parts[part], top_k=20, metrics=["calibrated_recall@20"])
        (row,) = [r for r in rows if r["model"] == "EASE" and r["scenario"] == f"cold_start/{part}"]
        assert row["metrics"]["calibrated_recall@20"] == expected.metrics["calibrated_recall@20"]


def test_published_files_are_taken_as_they_are(configure, tmp_path, shop_dataset):
    X = shop_dataset.interactions
    users = np.repeat(X.user_ids, np.diff(X.matrix.indptr))
    items = X.item_ids[X.matrix.indices]
    is_test = np.random.default_rng(0).random(len(users)) < 0.2
    folder = tmp_path / "published"
    folder.mkdir()
    for name, keep in (("train.csv", ~is_test), ("test.csv", is_test)):
        rows = zip(users[keep], items[keep], strict=True)
        lines = ["user_id,item_id", *(f"{user},{item}" for user, item in rows)]
        (folder / name).write_text("\n".join(lines) + "\n")
    split = {"kind": "published", "train": "train.csv", "test": "test.csv"}
    assert main(["evaluate", configure(data=str(folder), split=split)]) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["split"]["test"]["targets"] == int(is_test.sum())
    assert results["split"]["train"]["interactions"] == int((~is_test).sum())


def test_zero_shot_asks_every_user(configure, tmp_path, shop_dataset):
    config = configure(split={"kind": "zero_shot"}, models=["random"])
    assert main(["evaluate", config]) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    lengths = np.diff(shop_dataset.interactions.matrix.indptr)
    assert results["rows"][0]["users"] == (lengths >= 2).sum()


def test_models_are_kept_when_asked_for(configure, tmp_path, shop_dataset):
    assert main(["evaluate", configure(save_models=True, models={"EASE": None})]) == 0
    model = load_model(tmp_path / "run" / "models" / "EASE")
    X = shop_dataset.interactions.matrix
    assert model.recommend(X, 5)[0].shape == (X.shape[0], 5)


def test_a_model_that_cannot_be_fitted_is_left_out_with_its_reason(
    configure, tmp_path, monkeypatch
):
    monkeypatch.setattr("beekit.models.linear.ease.predicted_bytes", lambda *_: 10**18)
    assert main(["evaluate", configure()]) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert [row["model"] for row in results["rows"]] == ["random", "popularity"]
    assert [one["model"] for one in results["left_out"]] == ["EASE", "weak"]
    assert "Use SANSA" in results["left_out"][0]["reason"]
    assert "could not be fitted" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": {"EASI": None}}, "Did you mean EASE?"),
        ({"models": {"EASE": {"regularisation": 1}}}, "Did you mean models.EASE.regularization?"),
        ({"models": {"EASE": {"regularization": "much"}}}, "expected a number"),
        ({"models": {"EASE": {"regularization": -1}}}, "above 0"),
        ({"models": {"EASE": {"encoder": "x"}}}, "learns from interactions alone"),
        ({"models": {}}, "at least one model"),
        ({"modles": {}}, "Did you mean models?"),
        ({"split": {"kind": "none"}}, "holds something out"),
        ({"split": {"kind": "user", "test": "x"}}, "split"),
        (
            {"split": {"kind": "published", "test": "x"}, "min_value": 4},
            "min_value with split.kind=published",
        ),
        ({"split": {"kind": "time", "items": 3}}, "Remove split.items"),
        ({"evaluation": {"metrics": ["recal@20"]}}, "Did you mean recall@20?"),
    ],
)
def test_what_cannot_be_understood_is_said_in_one_line(configure, capsys, changes, message):
    assert main(["evaluate", configure(**changes)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("beekit: ")
    assert message in error


def test_an_encoder_that_may_know_the_held_out_items_is_refused(
    configure, tmp_path, capsys, encoder_folder, shop_folder
):
    run = tmp_path / "trained"
    run.mkdir()
    shutil.copytree(encoder_folder, run / "model")
    fingerprint = Dataset.load(shop_folder).fingerprint
    split = {"kind": "cold_start", "items": 40}
    config = configure(split=split, models={"tuned": {"model": "ContentBased", "run": str(run)}})

    def trained_on(name, fingerprint, item_ids):
        (run / "split").mkdir(exist_ok=True)
        (run / "config.yaml").write_text("data: gone\nencoder: gone\n")
        items = pa.table({"item_id": item_ids})
        pq.write_table(items, run / "split" / "training_items.parquet")
        counts = {"users": 1, "items": 1, "interactions": 1}
        described = {
            "schema": 1,
            "dataset": {"name": name, "fingerprint": fingerprint, **counts},
            "split": {"kind": "cold_start", "hash": "another"},
            "environment": {},
            "rows": [],
        }
        (run / "results.json").write_text(json.dumps(described))

    # The same data under another name, or with other texts or filters, are still the same data.
    for name, known in (("renamed", fingerprint), (shop_folder.name, "other texts")):
        trained_on(name, known, Dataset.load(shop_folder).catalog.item_ids)
        assert main(["evaluate", config]) == 2
        assert "under another split" in capsys.readouterr().err
    trained_on("another dataset", "another", ["of", "others"])
    assert main(["evaluate", config]) == 0


def test_out_of_memory_leaves_a_model_out_and_the_others_in(
    configure, tmp_path, capsys, monkeypatch
):
    def fit(self, X):
        raise MemoryError

    monkeypatch.setattr(EASE, "fit", fit)
    assert main(["evaluate", configure()]) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert [row["model"] for row in results["rows"]] == ["random", "popularity"]
    assert results["left_out"][0] == {"model": "EASE", "reason": "out of memory"}
    assert "left out: EASE, out of memory" in capsys.readouterr().out


def test_an_encoder_that_is_not_there_ends_the_comparison(configure, tmp_path, capsys):
    models = {"random": None, "content": {"model": "ContentBased", "encoder": "no/such"}}
    assert main(["evaluate", configure(models=models)]) == 2
    assert "cannot load the encoder" in capsys.readouterr().err


def test_hidden_layers_can_be_configured(configure, encoder_folder):
    from beekit.run.comparison import load_comparison

    def entries(**settings):
        model = {"model": "CLCRec", "encoder": str(encoder_folder), **settings}
        return load_comparison(configure(models={"cold": model})).entries()

    assert entries(hidden_dims=[64, 32])[0].settings["hidden_dims"] == [64, 32]
    with pytest.raises(ConfigError, match="hidden_dims"):
        entries(hidden_dims=["wide"])
    with pytest.raises(ConfigError, match="cf_user_side"):
        load_comparison(configure(models={"Heater": {"cf_user_side": "x"}}))


def test_cost_sees_time_and_memory():
    with measured() as cost:
        block = np.ones(30_000_000)
        block.sum()
    assert cost.seconds > 0
    assert 200 < cost.memory_mb < 400


def keep(configure, tmp_path, shop, encoder_folder, models) -> str:
    """A comparison over a copy of the shop, its models kept."""
    shop.save(tmp_path / "shop")
    config = configure(
        data=str(tmp_path / "shop"),
        encoder=str(encoder_folder),
        text="{text}",
        split={"kind": "cold_start", "items": 40},
        models=models,
        save_models=True,
    )
    assert main(["evaluate", config]) == 0
    return str(tmp_path / "run")


def add_item_like_the_first(folder):
    """A new item 7777 that reads as the first one does, whose id is returned."""
    items = pq.read_table(folder / "items.parquet")
    like = items.slice(0, 1).to_pylist()[0]
    new = pa.Table.from_pylist([{**like, "item_id": 7777}], schema=items.schema)
    pq.write_table(pa.concat_tables([items, new]), folder / "items.parquet")
    return like["item_id"]


@pytest.mark.parametrize("kind", ["ContentBased", "FixedSideELSA"])
def test_new_items_reach_a_kept_model_without_fitting_it_again(
    configure, tmp_path, shop, encoder_folder, capsys, kind
):
    run = keep(configure, tmp_path, shop, encoder_folder, {"by content": {"model": kind}})
    like = add_item_like_the_first(tmp_path / "shop")
    assert main(["index", run, "--model", "by content"]) == 0
    assert "1 new item" in capsys.readouterr().out
    ask = ["recommend", run, "--model", "by content", "--history", "2,3", "--candidates", "cold"]
    assert main([*ask, "--k", "60", "--json"]) == 0
    ranked = {one["item_id"]: one["score"] for one in json.loads(capsys.readouterr().out)}
    assert len(ranked) == 51  # cold in test and validation, and the new one
    # The new item reads as its model does, so it scores as that does.
    assert main([*ask[:-2], "--k", "200", "--json"]) == 0
    everything = {one["item_id"]: one["score"] for one in json.loads(capsys.readouterr().out)}
    assert ranked[7777] == pytest.approx(everything[like], abs=1e-5)
    assert main(["index", run, "--model", "by content"]) == 0
    assert "0 new items" in capsys.readouterr().out


def test_a_history_of_new_items_recommends_known_ones(
    configure, tmp_path, shop, encoder_folder, capsys
):
    settings = {"model": "FixedSideELSA", "side": "encoder"}
    run = keep(configure, tmp_path, shop, encoder_folder, {"by history": settings})
    like = add_item_like_the_first(tmp_path / "shop")
    assert main(["index", run, "--model", "by history"]) == 0
    capsys.readouterr()
    lists = []
    for item in (like, 7777):
        ask = ["recommend", run, "--model", "by history", "--history", str(item)]
        assert main([*ask, "--k", "12", "--json"]) == 0
        found = {one["item_id"]: one["score"] for one in json.loads(capsys.readouterr().out)}
        lists.append({i: score for i, score in found.items() if i not in (like, 7777)})
    both = lists[0].keys() & lists[1].keys()
    assert len(both) >= 10
    assert all(lists[0][i] == pytest.approx(lists[1][i], abs=1e-5) for i in both)
    assert all(score > 0 for score in lists[1].values())


def test_a_model_that_knows_items_by_interactions_alone_takes_no_new_ones(
    configure, tmp_path, shop, encoder_folder, capsys
):
    run = keep(configure, tmp_path, shop, encoder_folder, {"EASE": None})
    assert main(["index", run, "--model", "EASE"]) == 2
    assert "by their content" in capsys.readouterr().err
    assert main(["recommend", run, "--history", "1"]) == 2
    assert "Add --model NAME" in capsys.readouterr().err
    assert main(["recommend", run, "--history", "1", "--model", "SLIM"]) == 2
    assert "expected one of EASE" in capsys.readouterr().err


def test_what_a_fit_warns_of_is_noted_in_the_results(configure, tmp_path, monkeypatch):
    monkeypatch.setattr(training_loop, "_WORSE", 0.0)  # any loss is then worse than the first
    models = {"ours": {"model": "BPR", "epochs": 2}, "popularity": None}
    assert main(["evaluate", configure(models=models)]) == 0
    notes = json.loads((tmp_path / "run" / "results.json").read_text())["notes"]
    assert len(notes) == 1
    assert notes[0].startswith("ours: BPR began with a loss of")


def test_warnings_of_a_block_are_part_of_its_cost():
    with measured() as cost:
        logging.getLogger("beekit.models").warning("%s went wrong", "something")
        logging.getLogger("beekit.models").info("all is well")
    logging.getLogger("beekit.models").warning("of another block")
    assert cost.warnings == ["something went wrong"]


def test_an_encoder_that_was_replaced_adds_no_items(
    configure, tmp_path, shop, encoder_folder, capsys
):
    own = tmp_path / "encoder"
    shutil.copytree(encoder_folder, own)
    run = keep(configure, tmp_path, shop, own, {"content": {"model": "ContentBased"}})
    add_item_like_the_first(tmp_path / "shop")
    encoder = SentenceTransformer(str(own))
    torch.manual_seed(1)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    encoder.save(str(own))
    before = (tmp_path / "run" / "models" / "content" / "arrays.npz").read_bytes()
    assert main(["index", run, "--model", "content"]) == 2
    assert "otherwise than when it was fitted" in capsys.readouterr().err
    assert (tmp_path / "run" / "models" / "content" / "arrays.npz").read_bytes() == before


def test_a_kept_model_and_its_items_change_together(
    configure, tmp_path, shop, encoder_folder, monkeypatch
):
    run = keep(configure, tmp_path, shop, encoder_folder, {"content": {"model": "ContentBased"}})
    add_item_like_the_first(tmp_path / "shop")
    place = tmp_path / "run" / "models" / "content"
    before = {path.name: path.read_bytes() for path in place.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KnownItems, "save", full)
    assert main(["index", run, "--model", "content"]) == 2
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_one_encoder_cut_in_two_ways_is_two_rows(configure, tmp_path, shop_folder, encoder_folder):
    train = {
        "data": str(shop_folder),
        "out": str(tmp_path / "trained"),
        "encoder": str(encoder_folder),
        "text": "{text}",
        "split": {"kind": "cold_start", "items": 40},
        "training": {"max_steps": 1, "users_per_step": 16, "items_per_step": 16},
    }
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(train))
    assert main(["train", str(path)]) == 0
    whole = {"model": "ContentBased", "run": str(tmp_path / "trained")}
    cut = {"model": "ContentBased", "encoder": str(tmp_path / "trained" / "model")}
    values = {}
    for name, models in (("both", {"whole": whole, "cut": cut}), ("alone", {"cut": cut})):
        common = {"split": train["split"], "text": "{text}", "max_seq_length": 4}
        out = str(tmp_path / name)
        assert main(["evaluate", configure(models=models, out=out, **common)]) == 0
        results = json.loads((tmp_path / name / "results.json").read_text())
        values[name] = {row["model"]: row["metrics"] for row in results["rows"]}
    assert values["both"]["cut"] == values["alone"]["cut"]
    assert values["both"]["whole"] != values["both"]["cut"]


def test_a_report_of_a_comparison_makes_tables_and_no_model_card(configure, tmp_path):
    assert main(["evaluate", configure()]) == 0
    run = tmp_path / "run"
    table = (run / "table.md").read_text()
    (run / "table.md").unlink()
    assert main(["report", str(run)]) == 0
    assert (run / "table.md").read_text() == table
    assert not (run / "README.md").exists()


def test_settings_of_numpy_are_plain_numbers(encoder_folder):
    settings = {"model": "DropoutNet", "dropout": np.float64(0.5), "hidden_dims": (np.int64(8),)}
    given = {"data": "shop", "out": "run", "encoder": str(encoder_folder), "text": "{text}"}
    comparison = make_comparison({**given, "models": {"net": settings}})
    entry = comparison.entries()[0]
    assert json.loads(json.dumps(dict(entry.settings))) == {"dropout": 0.5, "hidden_dims": [8]}
    assert settings_chosen({"hidden_dims": []}, DropoutNet, None) == "defaults"


def test_a_metric_from_outside_is_in_results_tables_and_reports(
    configure, tmp_path, monkeypatch, capsys
):
    (tmp_path / "shelf.py").write_text(
        "import numpy as np\n\n\n"
        "def listed(ranked, target):\n"
        "    return (ranked >= 0).sum(axis=1) + target.sum(axis=1) / 1000\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    name = "shelf:listed@5"
    asked = {"metrics": [name, "recall@5"], "top_k": 5}
    models = ["random", "popularity"]
    for repeats in (None, 2):
        out = tmp_path / f"run{repeats}"
        more = {} if repeats is None else {"repeats": repeats}
        config = configure(evaluation=asked, models=models, out=str(out), **more)
        assert main(["evaluate", config]) == 0
        results = json.loads((out / "results.json").read_text())
        assert all(5 < row["metrics"][name]["value"] < 6 for row in results["rows"])
        assert {one["metric"] for one in results["comparisons"]} == {name}
        for file in ("report.html", "table.csv", "table.md"):
            assert name in (out / file).read_text()
    capsys.readouterr()
    missing = {"metrics": ["shelf:nothing@5"], "top_k": 5}
    assert main(["evaluate", configure(evaluation=missing, out=str(tmp_path / "other"))]) == 2
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "beekit: " in line]
    assert "shelf:nothing@5" in said
