"""One run on several datasets: one model, and for each dataset what a run on it alone has."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from beekit.cli import main
from beekit.quickstart import make_shop
from beekit.run_folder import RunFolder


@pytest.fixture(scope="module")
def other_folder(tmp_path_factory):
    """A second shop with the same printers, so that what fits together is the same in both."""
    folder = tmp_path_factory.mktemp("other") / "other"
    make_shop(series=8, customers=200, seed=1).save(folder)
    return folder


@pytest.fixture(scope="module")
def configured(tmp_path_factory, shop_folder, other_folder, encoder_folder):
    folder = tmp_path_factory.mktemp("runs")
    content = {
        "data": [str(shop_folder), {"data": str(other_folder), "split": {"items": 30, "seed": 1}}],
        "out": str(folder / "run"),
        "encoder": str(encoder_folder),
        "text": "{text}",
        "split": {"fraction": 0.2, "seed": 3},
        "training": {
            "users_per_step": 100,
            "items_per_step": 150,
            "max_steps": 40,
            "learning_rate": 1e-2,
            "dataset_batches": "round_robin",
            "disable_tqdm": True,
        },
        "evaluation": {"metrics": ["calibrated_recall@5"]},
    }
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def run(configured) -> RunFolder:
    assert main(["train", str(configured)]) == 0
    return RunFolder(configured.parent / "run")


def value(row) -> float:
    return row["metrics"]["calibrated_recall@5"]["value"]


def test_each_dataset_has_its_own_cold_start_evaluation(run):
    results = run.read_results()
    assert [d["name"] for d in results["datasets"]] == ["shop", "other"]
    assert results["dataset"]["users"] == 500
    assert results["datasets"][1]["split"]["test"]["candidates"] == 30
    assert len(results["rows"]) == 8
    for part in run.dataset_folders():
        own = part.read_results()
        rows = {row["model"]: value(row) for row in own["rows"]}
        assert rows["fine-tuned"] > rows["pretrained"]
        assert rows["fine-tuned"] > max(rows["random"], rows["popularity"])
        scenario = f"{own['dataset']['name']}/cold_start/test"
        above = {row["model"]: value(row) for row in results["rows"] if row["scenario"] == scenario}
        assert above == rows
    curve = results["training"]["validation_curve"]
    assert len(curve) == 5
    assert np.isfinite(curve).all()


def test_what_one_dataset_taught_of_the_other_s_cold_items_is_said(run):
    """Both shops sell the same items, and each trains on what the other holds out."""
    notes = run.read_results()["notes"]
    assert any(n.startswith("other, fine-tuned") and "items held out here" in n for n in notes)
    assert any(n.startswith("shop, fine-tuned") and "items held out here" in n for n in notes)
    assert all(note in (run.card).read_text() for note in notes)


def test_each_dataset_s_folder_serves(run, capsys):
    for part in run.dataset_folders():
        assert main(["recommend", str(part.path), "--history", "1,2", "--k", "3", "--json"]) == 0
        before = json.loads(capsys.readouterr().out)
        assert main(["index", str(part.path)]) == 0
        capsys.readouterr()
        assert main(["recommend", str(part.path), "--history", "1,2", "--k", "3", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == before


def test_the_run_itself_names_the_folders_that_serve(run, capsys):
    for command in (["recommend", str(run.path), "--history", "1"], ["index", str(run.path)]):
        assert main(command) == 2
        assert str(run.dataset("other").path) in capsys.readouterr().err


def test_report_and_card_speak_of_both(run, tmp_path):
    assert run.report.read_text().count('<section class="run"') == 2
    assert main(["report", str(run.path), "--out", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").read_text() == run.report.read_text()
    card = run.card.read_text()
    assert "### shop" in card
    assert "### other" in card
    assert card.count("| fine-tuned |") == 2
    assert "recommended from their text." in card
    assert {dataset["text"] for dataset in run.read_results()["datasets"]} == {"{text}"}


def test_an_unfinished_run_goes_on_and_ends_the_same(run, configured, tmp_path):
    import shutil

    again = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, again.path, symlinks=True)
    again.results.unlink()
    shutil.rmtree(again.model)
    (again.checkpoints / "checkpoint-40").rename(tmp_path / "last")
    assert main(["train", str(configured), f"out={again.path}"]) == 0
    name = "model.safetensors"
    assert (again.model / name).read_bytes() == (run.model / name).read_bytes()


def test_a_run_that_saw_a_dataset_is_not_evaluated_on_another_split_of_it(
    run, other_folder, tmp_path, capsys
):
    comparison = {
        "data": str(other_folder),
        "out": str(tmp_path / "table"),
        "text": "{text}",
        "split": {"items": 30, "seed": 1},
        "evaluation": {"metrics": ["calibrated_recall@5"]},
        "models": {"both": {"model": "ContentBased", "run": str(run.path)}},
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(comparison))
    command = ["evaluate", str(tmp_path / "t.yaml")]
    assert main([*command, "split.seed=2"]) == 2
    assert "under another split" in capsys.readouterr().err
    assert main(command) == 0
    (row,) = RunFolder(tmp_path / "table").read_results()["rows"]
    assert value(row) == pytest.approx(
        value(run.dataset_folders()[1].read_results()["rows"][-1]), abs=1e-9
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.1.data=nowhere/shop", "different names"),
        ("data.2.data=x", "a number from 0 to 1"),
        ("data.1.min_vale=3", "min_value"),
        ("data.1.min_value=high", "data.1.min_value='high'"),
        ("data.1.split={kind: zero_shot}", "split.kind=cold_start, zero_shot"),
        ("data.1.split.kind=zero_shot", "Remove data.1.split.items"),
        ("data=[]", "(none)"),
        ("training.dataset_batches=turns", "one of mixed, proportional, round_robin"),
    ],
)
def test_wrong_lists_of_datasets_are_refused(configured, capsys, override, message):
    arguments = ["train", str(configured), override, "out=elsewhere"]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_an_override_reaches_one_dataset(configured, other_folder):
    from beekit.run.config import load_config

    config = load_config(configured, [f"data.0.data={other_folder}x", "data.1.split.items=25"])
    first, second = config.datasets()
    assert first.data == f"{other_folder}x"
    assert first.split.fraction == 0.2
    assert second.split.items == 25
    assert second.split.seed == 1


def test_a_dataset_s_own_split_changes_what_it_says_and_nothing_else(configured):
    from beekit.run.config import load_config

    above = ["split.validation=0.15", "split.seed=7", "split.kind=cold_start"]
    config = load_config(configured, [*above, "data.1.split.fraction=0.3"])
    first, second = (part.split for part in config.datasets())
    assert (first.fraction, first.validation, first.seed) == (0.2, 0.15, 7)
    assert (second.fraction, second.items, second.validation) == (0.3, 30, 0.15)
    config = load_config(configured, [*above, "data.1.split={kind: user}"])
    assert config.datasets()[1].split.seed == 7
    assert config.datasets()[1].split.fraction is None


def test_a_list_of_one_dataset_is_that_dataset(configured, shop_folder):
    from beekit.run.config import load_config

    config = load_config(configured, [f"data=[{{data: {shop_folder}, min_value: 1}}]"])
    assert config.data == str(shop_folder)
    assert config.min_value == 1
