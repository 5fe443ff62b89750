"""Repeats of a job: other draws each time, resumable one by one, and one result over all."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import yaml
from scipy import stats

from beekit import Dataset, cold_start_split, evaluate
from beekit.cli import main
from beekit.errors import ConfigError, RunError
from beekit.models import EASE, ItemKNN
from beekit.run.comparison import load_comparison
from beekit.run.config import load_config
from beekit.run.evaluate import run_comparison
from beekit.run.repeat_results import join_results
from beekit.run.train import train
from beekit.run_folder import RunFolder

METRIC = "calibrated_recall@20"
SEEDS = (3, 4, 5)


def comparison(tmp_path, shop_folder, name="table", **changes):
    content = {
        "data": str(shop_folder),
        "out": str(tmp_path / name),
        "repeats": 3,
        "split": {"kind": "cold_start", "items": 40, "warm_fraction": 0.2, "seed": 3},
        "models": {"random": None, "EASE": None, "ItemKNN": None},
        "evaluation": {"metrics": [METRIC, "coverage@20"], "top_k": 20},
        **changes,
    }
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return str(path)


def training(tmp_path, shop_folder, encoder_folder, **changes):
    content = {
        "data": str(shop_folder),
        "out": str(tmp_path / "run"),
        "encoder": str(encoder_folder),
        "text": "{text}",
        "repeats": 2,
        "split": {"fraction": 0.2, "seed": 3},
        "training": {"users_per_step": 50, "items_per_step": 60, "max_steps": 2},
        "evaluation": {"metrics": [METRIC]},
        **changes,
    }
    content["training"] = {"disable_tqdm": True, **content["training"]}
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.fixture(scope="module")
def table(tmp_path_factory, shop_folder) -> RunFolder:
    folder = tmp_path_factory.mktemp("repeats")
    assert main(["evaluate", comparison(folder, shop_folder)]) == 0
    return RunFolder(folder / "table")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, shop_folder, encoder_folder) -> RunFolder:
    folder = tmp_path_factory.mktemp("repeats")
    assert main(["train", training(folder, shop_folder, encoder_folder)]) == 0
    return RunFolder(folder / "run")


def error_of(capsys) -> str:
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("beekit: ")
    assert not any("Traceback" in line for line in lines)
    return lines[-1]


def test_every_repeat_is_a_complete_comparison_of_its_own_split(table):
    assert {path.name for path in table.path.iterdir()} == {
        *("config.yaml", "repeats", "results.json", "report.html", "table.csv", "table.md"),
    }
    assert sorted(path.name for path in table.repeats.iterdir()) == ["1", "2", "3"]
    for number, seed in enumerate(SEEDS, start=1):
        own = {path.name for path in table.repeat(number).path.iterdir()}
        assert {"config.yaml", "split", "results.json", "report.html", "table.md"} <= own
        config = yaml.safe_load(table.repeat(number).config.read_text())
        assert (config["split"]["seed"], config["repeats"]) == (seed, 1)
        assert config["models"]["random"]["seed"] == number - 1
        assert "seed" not in config["models"]["EASE"]
        assert config["evaluation"]["seed"] == 0
    repeats = table.read_results()["repeats"]
    assert repeats["count"] == 3
    assert repeats["seeds"] == list(SEEDS)
    assert len(set(repeats["splits"])) == 3
    assert repeats["folders"] == ["repeats/1", "repeats/2", "repeats/3"]


def test_numbers_are_those_of_a_plain_loop_over_seeds(table, shop_folder):
    dataset = Dataset.load(shop_folder)
    rows = {(r["scenario"], r["model"]): r for r in table.read_results()["rows"]}
    for part in ("test", "warm", "overall"):
        for name, kind in (("EASE", EASE), ("ItemKNN", ItemKNN)):
            values, users = [], []
            for seed in SEEDS:
                split = cold_start_split(
                    dataset.interactions, items=40, warm_fraction=0.2, seed=seed
                )
                found = evaluate(
                    kind().fit(split.train), split.parts[part], metrics=[METRIC], top_k=20
                )
                values.append(found.metrics[METRIC]["value"])
                users.append(len(found.users))
            row = rows[f"cold_start/{part}", name]
            measured = row["metrics"][METRIC]
            assert measured["values"] == values
            assert measured["value"] == pytest.approx(np.mean(values))
            assert measured["spread"] == pytest.approx(np.std(values, ddof=1))
            assert row["interval"] == "repeats"
            assert row["users"] == round(np.mean(users))
            if measured["spread"]:
                expected = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
                assert measured["ci95"] == pytest.approx(expected)


def test_the_best_is_compared_with_every_other_over_repeats_and_the_order_is_stated(table):
    results = table.read_results()
    rows = {r["model"]: r["metrics"][METRIC] for r in results["rows"] if "/test" in r["scenario"]}
    (order,) = results["order"]
    means = [rows[model]["value"] for model in order["models"]]
    assert means == sorted(means, reverse=True)
    assert {c["second"] for c in results["comparisons"]} == set(rows) - {order["models"][0]}
    for paired in results["comparisons"]:
        first, second = rows[paired["first"]]["values"], rows[paired["second"]]["values"]
        gaps = np.subtract(first, second)
        assert paired["difference"] == pytest.approx(gaps.mean())
        assert paired["held"] == (gaps > 0).sum()
        assert paired["repeats"] == 3
        if np.ptp(gaps):
            assert paired["p_value"] == pytest.approx(stats.ttest_rel(first, second).pvalue)
        else:
            assert paired["p_value"] is None
    swapped = [
        [first, second]
        for place, first in enumerate(order["models"])
        for second in order["models"][place + 1 :]
        if np.any(np.subtract(rows[first]["values"], rows[second]["values"]) < 0)
    ]
    assert [[swap["first"], swap["second"]] for swap in order["swaps"]] == swapped
    assert order["same"] == (not swapped)


def test_table_and_page_show_mean_and_spread_and_say_what_the_intervals_mean(table, capsys):
    results = table.read_results()
    row = next(r for r in results["rows"] if r["model"] == "random")
    measured = row["metrics"][METRIC]
    shown = f"{measured['value']:.4f} ± {measured['spread']:.4f}"
    for text in (table.report.read_text(), (table.path / "table.md").read_text()):
        assert shown in text
        plain = " ".join(text.split())
        assert "The interval over repeats is for the mean" in plain
        assert "The interval over users" in plain
        assert "repeat" in plain
    assert "bootstrap over users" not in table.report.read_text()
    assert f'aria-label="{METRIC} in each repeat' in table.report.read_text()
    lines = list(csv.DictReader((table.path / "table.csv").read_text().splitlines()))
    assert [float(lines[0][f"{METRIC} repeat {i}"]) for i in (1, 2, 3)] == measured["values"]
    before = table.report.read_bytes()
    table.report.unlink()
    assert main(["report", str(table.path)]) == 0
    assert table.report.read_bytes() == before
    assert not table.card.exists()
    assert "report written" in capsys.readouterr().out


def test_a_page_of_several_runs_says_which_intervals_are_over_repeats(table, tmp_path):
    out = tmp_path / "both.html"
    assert main(["report", str(table.path), str(table.repeat(1).path), "--out", str(out)]) == 0
    assert "are means over 3 repeats" in " ".join(out.read_text().split())


def test_an_interrupted_job_goes_on_with_the_repeat_it_stopped_in(
    tmp_path, shop_folder, monkeypatch, table
):
    fitted = []
    fit = EASE.fit

    def fit_but_stop_once(self, X):
        fitted.append(X.nnz)
        if len(fitted) == 2:
            raise KeyboardInterrupt
        return fit(self, X)

    monkeypatch.setattr(EASE, "fit", fit_but_stop_once)
    config = comparison(tmp_path, shop_folder)
    assert main(["evaluate", config]) == 130
    folder = RunFolder(tmp_path / "table")
    assert not folder.results.exists()
    first = {p: p.stat().st_mtime_ns for p in folder.repeat(1).path.rglob("*") if p.is_file()}
    assert main(["evaluate", config]) == 0
    assert len(fitted) == 4  # once, broken off, and again two and three
    after = {p: p.stat().st_mtime_ns for p in folder.repeat(1).path.rglob("*") if p.is_file()}
    assert first == after
    assert values(folder) == values(table)


def values(folder: RunFolder) -> dict:
    return {
        (row["scenario"], row["model"]): {m: v["values"] for m, v in row["metrics"].items()}
        for row in folder.read_results()["rows"]
    }


def test_more_repeats_run_the_new_ones_alone(tmp_path, shop_folder, capsys, table):
    config = comparison(tmp_path, shop_folder)
    assert main(["evaluate", config, "repeats=2"]) == 0
    folder = RunFolder(tmp_path / "table")
    before = folder.repeat(2).results.stat().st_mtime_ns
    assert main(["evaluate", config, "repeats=2"]) == 2
    assert "holds 2 finished repeats" in error_of(capsys)
    assert main(["evaluate", config, "repeats=3"]) == 0
    assert folder.repeat(2).results.stat().st_mtime_ns == before
    assert values(folder) == values(table)
    assert yaml.safe_load(folder.config.read_text())["repeats"] == 3
    assert main(["evaluate", config, "repeats=2"]) == 2
    assert "holds more" in error_of(capsys)


def test_a_repeat_killed_after_its_results_gets_table_and_report(tmp_path, shop_folder, table):
    copy = RunFolder(tmp_path / "table")
    shutil.copytree(table.path, copy.path)
    copy.results.unlink()
    lost = [copy.repeat(2).report, copy.repeat(2).path / "table.md"]
    before = [path.read_bytes() for path in lost]
    for path in lost:
        path.unlink()
    assert main(["evaluate", comparison(tmp_path, shop_folder)]) == 0
    assert [path.read_bytes() for path in lost] == before


def test_a_folder_of_repeats_takes_no_other_job(
    tmp_path, shop_folder, encoder_folder, capsys, table
):
    copy = tmp_path / "table"
    shutil.copytree(table.path, copy)
    config = comparison(tmp_path, shop_folder)
    assert main(["evaluate", config, "repeats=1"]) == 2
    assert "several repeats" in error_of(capsys)
    assert main(["evaluate", config, "repeats=4", "models.EASE.regularization=7"]) == 2
    assert "another models" in error_of(capsys)
    (copy / "results.json").unlink()
    assert main(["evaluate", config, "repeats=1"]) == 2
    assert "several repeats" in error_of(capsys)
    assert main(["evaluate", config, "split.items=30"]) == 2
    assert "another split" in error_of(capsys)
    train_config = {"data": str(shop_folder), "out": str(copy), "repeats": 3}
    train_config["encoder"] = str(encoder_folder)
    (tmp_path / "t.yaml").write_text(yaml.safe_dump({**train_config, "text": "{text}"}))
    assert main(["train", str(tmp_path / "t.yaml")]) == 2
    assert "another command" in error_of(capsys)


def test_a_run_without_repeats_gets_none_added(tmp_path, shop_folder, capsys):
    config = comparison(tmp_path, shop_folder)
    assert main(["evaluate", config, "repeats=1"]) == 0
    assert main(["evaluate", config]) == 2
    assert "without repeats" in error_of(capsys)
    (tmp_path / "table" / "results.json").unlink()
    assert main(["evaluate", config]) == 2
    assert "without repeats" in error_of(capsys)


def test_what_cannot_begin_leaves_nothing_behind(tmp_path, shop_folder, capsys):
    config = comparison(tmp_path, shop_folder)
    assert main(["evaluate", config, "data=nowhere"]) == 2
    assert "nowhere" in error_of(capsys)
    assert not (tmp_path / "table").exists()


def test_other_files_are_left_alone(tmp_path, shop_folder, capsys):
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "thesis.tex").write_text("x")
    assert main(["evaluate", comparison(tmp_path, shop_folder)]) == 2
    assert "other files" in error_of(capsys)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"repeats": 0}, "expected 1 or more"),
        ({"repeats": -1}, "expected 1 or more"),
        ({"repeats": 2.5}, "expected an integer"),
        ({"repeats": True}, "expected an integer"),
        ({"repeat": 3}, "Did you mean repeats?"),
        (
            {"split": {"kind": "published", "train": "a", "test": "b"}},
            "repeats=3 with split.kind=published",
        ),
        ({"split": {"kind": "time"}, "models": ["EASE"]}, "repeats=3 with split.kind=time"),
    ],
)
def test_repeats_without_sense_are_refused_in_one_line(
    tmp_path, shop_folder, capsys, changes, message
):
    assert main(["evaluate", comparison(tmp_path, shop_folder, **changes)]) == 2
    assert message in error_of(capsys)


def test_training_everything_is_not_repeated(tmp_path, shop_folder, encoder_folder, capsys):
    config = training(tmp_path, shop_folder, encoder_folder, split={"kind": "none"})
    assert main(["train", config]) == 2
    assert "repeats=2 with split.kind=none" in error_of(capsys)


def test_a_time_split_is_repeated_for_models_that_draw(tmp_path, shop_folder):
    split = {"kind": "time"}
    path = comparison(tmp_path, shop_folder, split=split, models=["random", "EASE"])
    assert load_comparison(path).repeats == 3


def test_python_does_not_drop_repeats_in_silence(tmp_path, shop_folder, encoder_folder):
    with pytest.raises(ConfigError, match="repeats=3 for one run"):
        run_comparison(load_comparison(comparison(tmp_path, shop_folder)))
    with pytest.raises(ConfigError, match="repeats=2 for one run"):
        train(load_config(training(tmp_path, shop_folder, encoder_folder)))


def test_a_model_left_out_of_one_repeat_is_named_and_not_averaged(
    tmp_path, shop_folder, monkeypatch, capsys
):
    fit, calls = ItemKNN.fit, []

    def fit_but_once(self, X):
        calls.append(X)
        if len(calls) == 2:
            raise MemoryError
        return fit(self, X)

    monkeypatch.setattr(ItemKNN, "fit", fit_but_once)
    assert main(["evaluate", comparison(tmp_path, shop_folder)]) == 0
    results = RunFolder(tmp_path / "table").read_results()
    assert {row["model"] for row in results["rows"]} == {"random", "EASE"}
    (left,) = results["left_out"]
    assert left["model"] == "ItemKNN"
    assert left["repeats"] == [2]
    assert left["reason"] == "in repeat 2 of 3: out of memory"
    assert "in repeat 2 of 3" in (tmp_path / "table" / "report.html").read_text()
    assert "left out: ItemKNN, in repeat 2 of 3" in capsys.readouterr().out


def test_what_every_repeat_says_of_a_row_and_any_repeat_notes_is_kept():
    def repeat(value, said, notes):
        metrics = {METRIC: {"value": value, "ci95": [0, 1]}}
        row = {"model": "EASE", "scenario": "user/test", "users": 9, "metrics": metrics}
        return {
            "dataset": {"fingerprint": "x"},
            "split": {"kind": "user", "hash": str(value), "test": {"users": 9}},
            "environment": {"python": "3", "device": said},
            "rows": [{**row, "kind": "EASE", "said": said, "settings": {"seed": value, "k": 2}}],
            "notes": notes,
        }

    each = [repeat(0.1, "a", ["beware"]), repeat(0.3, "b", ["beware", "of the dog"])]
    joined = join_results(each, folders=["repeats/1", "repeats/2"], seeds=[0, 1])
    (row,) = joined["rows"]
    assert row["kind"] == "EASE"
    assert row["settings"] == {"k": 2}
    assert "said" not in row
    assert joined["environment"] == {"python": "3"}
    assert joined["notes"] == ["beware", "repeat 2: of the dog"]


def test_repeats_of_other_data_are_refused(tmp_path, shop, table, capsys):
    copy = tmp_path / "table"
    shutil.copytree(table.path, copy)
    shutil.rmtree(copy / "repeats" / "3")
    config = yaml.safe_load((copy / "config.yaml").read_text())
    changed = json.loads((copy / "repeats" / "2" / "results.json").read_text())
    changed["dataset"]["fingerprint"] = "another"
    (copy / "repeats" / "2" / "results.json").write_text(json.dumps(changed))
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump({**config, "out": str(copy)}))
    (copy / "results.json").unlink()
    assert main(["evaluate", str(path)]) == 2
    assert "another dataset than" in error_of(capsys)


def test_trainings_differ_in_split_and_seed_and_have_a_model_each(trained, capsys):
    results = trained.read_results()
    assert {path.name for path in trained.path.iterdir()} == {
        *("config.yaml", "repeats", "results.json", "report.html"),
    }
    seeds = [trained.repeat(i).read_results()["training"]["seed"] for i in (1, 2)]
    assert seeds == [42, 43]
    assert len(set(results["repeats"]["splits"])) == 2
    for row in results["rows"]:
        each = [
            next(r for r in trained.repeat(i).read_results()["rows"] if r["model"] == row["model"])
            for i in (1, 2)
        ]
        assert row["metrics"][METRIC]["values"] == [r["metrics"][METRIC]["value"] for r in each]
    assert {row["model"] for row in results["rows"]} == {
        *("random", "popularity", "pretrained", "fine-tuned")
    }
    assert "seed" not in results["training"]
    page = " ".join(trained.report.read_text().split())
    assert "<code>repeats/1/model</code>" in page
    for number in (1, 2):
        assert trained.repeat(number).model.is_dir()
        assert trained.repeat(number).card.is_file()


@pytest.mark.parametrize(
    "command",
    [
        ["recommend", "RUN", "--history", "1"],
        ["index", "RUN"],
        ["index", "RUN", "--model", "EASE"],
        ["push", "RUN", "--repo", "a/b", "--dry-run"],
        ["verify", "RUN"],
        ["export", "RUN", "--format", "onnx"],
        ["export", "RUN", "--format", "faiss"],
    ],
)
def test_commands_on_one_model_name_the_folders_of_the_repeats(trained, capsys, command):
    assert main([str(trained.path) if part == "RUN" else part for part in command]) == 2
    error = error_of(capsys)
    assert str(trained.repeat(1).path) in error
    assert str(trained.repeat(2).path) in error


def test_a_repeat_serves_and_can_be_pushed_like_any_run(trained, capsys):
    one = str(trained.repeat(1).path)
    assert main(["recommend", one, "--history", "1,2", "--k", "3", "--json"]) == 0
    assert main(["push", one, "--repo", "a/b", "--dry-run"]) == 0
    assert "model.safetensors" in capsys.readouterr().out


def test_each_repeat_compares_the_encoder_trained_on_its_split(
    trained, tmp_path, shop_folder, encoder_folder, monkeypatch, capsys
):
    embedded = []
    from beekit.run import embeddings as job

    embed = job.embed_items

    def counted(encoder, inputs, **options):
        embedded.append(encoder)
        return embed(encoder, inputs, **options)

    monkeypatch.setattr(job, "embed_items", counted)
    models = {
        "as it came": {"model": "ContentBased", "encoder": str(encoder_folder)},
        "tuned": {"model": "ContentBased", "run": str(trained.path)},
    }
    changes = {"split": {"fraction": 0.2, "seed": 3}, "text": "{text}", "repeats": 2}
    config = comparison(tmp_path, shop_folder, models=models, **changes)
    assert main(["evaluate", config]) == 0
    assert len(embedded) == 3  # the encoder that stays once, the others in each repeat
    found = values(RunFolder(tmp_path / "table"))
    theirs = values(trained)
    for here, there in (("as it came", "pretrained"), ("tuned", "fine-tuned")):
        assert found["cold_start/test", here][METRIC] == pytest.approx(
            theirs["cold_start/test", there][METRIC]
        )
    capsys.readouterr()
    assert main(["evaluate", config, f"out={tmp_path / 'other'}", "repeats=3"]) == 2
    assert "a run with 2 repeats" in error_of(capsys)
    single = f"models.tuned.run={trained.repeat(1).path}"
    assert main(["evaluate", config, f"out={tmp_path / 'other'}", single]) == 2
    assert "a run with no repeats" in error_of(capsys)
    assert main(["evaluate", config, f"out={tmp_path / 'other'}", "repeats=1"]) == 2
    assert str(trained.repeat(1).path) in error_of(capsys)
    assert not (tmp_path / "other").exists()


def test_an_interrupted_training_goes_on_from_its_repeat(
    trained, tmp_path, shop_folder, encoder_folder
):
    again = RunFolder(tmp_path / "run")
    shutil.copytree(trained.path, again.path)
    again.results.unlink()
    again.repeat(1).card.unlink()
    again.repeat(2).results.unlink()
    shutil.rmtree(again.repeat(2).model)
    before = again.repeat(1).results.stat().st_mtime_ns
    for number in (1, 2):  # the folder has moved, as the configuration of each says
        saved = yaml.safe_load(again.repeat(number).config.read_text())
        saved["out"] = str(again.repeat(number).path)
        again.repeat(number).config.write_text(yaml.safe_dump(saved))
    assert main(["train", training(tmp_path, shop_folder, encoder_folder)]) == 0
    assert again.repeat(1).results.stat().st_mtime_ns == before
    assert again.repeat(1).card.is_file()
    assert values(again) == values(trained)
    weights = "model.safetensors"
    assert (again.repeat(2).model / weights).read_bytes() == (
        trained.repeat(2).model / weights
    ).read_bytes()


def test_precision_is_decided_once(tmp_path, shop_folder, encoder_folder, monkeypatch):
    decided = iter([False, True])
    monkeypatch.setattr("beekit.run.train.bf16_pays", lambda *_: next(decided))
    section = {"users_per_step": 50, "items_per_step": 60, "max_steps": 1, "bf16": "auto"}
    assert main(["train", training(tmp_path, shop_folder, encoder_folder, training=section)]) == 0
    folder = RunFolder(tmp_path / "run")
    used = [folder.repeat(i).read_results()["training"]["bf16"] for i in (1, 2)]
    assert used == [False, False]


def test_several_datasets_are_repeated_with_the_seeds_of_each(
    tmp_path, shop, shop_folder, encoder_folder
):
    shop.save(tmp_path / "other")
    data = [str(shop_folder), {"data": str(tmp_path / "other"), "split": {"seed": 9}}]
    assert main(["train", training(tmp_path, shop_folder, encoder_folder, data=data)]) == 0
    folder = RunFolder(tmp_path / "run")
    results = folder.read_results()
    assert [order["scenario"] for order in results["order"]] == [
        "shop/cold_start/test",
        "other/cold_start/test",
    ]
    second = folder.repeat(2).read_results()["datasets"]
    assert [one["split"]["settings"]["seed"] for one in second] == [4, 10]


def test_an_unfinished_run_names_its_state(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.repeats.mkdir(parents=True)
    with pytest.raises(RunError, match="Finish them first"):
        folder.require_not_repeated()
