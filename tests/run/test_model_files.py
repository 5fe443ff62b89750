"""A model that is not the one that was trained and measured is not used as if it were."""

from __future__ import annotations

import json

import pytest

from beekit.cli import main
from beekit.errors import RunError
from beekit.model_files import model_digests
from beekit.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    (folder.model / "1_Pooling").mkdir(parents=True)
    (folder.model / "model.safetensors").write_bytes(b"weights")
    (folder.model / "1_Pooling" / "config.json").write_text("{}")
    results = {
        "schema": 1,
        "dataset": {
            **{"name": "shop", "users": 1, "items": 1, "interactions": 1},
            "fingerprint": "f",
        },
        "split": {"kind": "none", "hash": "h"},
        "environment": {},
        "rows": [],
        "training": {"model_files": model_digests(folder.model)},
    }
    folder.results.write_text(json.dumps(results))
    return folder


def test_the_model_as_it_was_trained_passes_whatever_its_card_says(folder):
    (folder.model / "README.md").write_text("about it")
    folder.require_as_trained()


@pytest.mark.parametrize("state", ["missing", "changed"])
def test_any_other_is_refused_with_the_file(folder, state):
    weights = folder.model / "model.safetensors"
    if state == "missing":
        weights.unlink()
    else:
        weights.write_bytes(b"others")
    with pytest.raises(RunError, match=f"{weights.name} is {state}"):
        folder.require_as_trained()


def test_a_run_that_noted_nothing_passes(folder):
    results = json.loads(folder.results.read_text())
    del results["training"]["model_files"]
    folder.results.write_text(json.dumps(results))
    (folder.model / "model.safetensors").unlink()
    folder.require_as_trained()


def test_no_command_takes_a_changed_model_for_the_trained_one(
    tmp_path, shop_folder, encoder_folder, capsys
):
    run = tmp_path / "run"
    (tmp_path / "train.yaml").write_text(
        f"data: {shop_folder}\nout: {run}\nencoder: {encoder_folder}\ntext: '{{text}}'\n"
        "split: {kind: cold_start, items: 40}\n"
        "training: {max_steps: 1, users_per_step: 16, items_per_step: 16}\n"
    )
    assert main(["train", str(tmp_path / "train.yaml")]) == 0
    assert main(["index", str(run)]) == 0
    assert main(["verify", str(run)]) == 0
    (run / "model" / "modules.json").unlink()
    (tmp_path / "compare.yaml").write_text(
        f"data: {shop_folder}\nout: {tmp_path / 'table'}\ntext: '{{text}}'\n"
        "split: {kind: cold_start, items: 40}\n"
        f"models: {{ours: {{model: ContentBased, run: {run}}}}}\n"
    )
    (tmp_path / "more.yaml").write_text(
        (tmp_path / "train.yaml").read_text().replace(str(encoder_folder), f"{run}/model")
        + "note: more\n"
    )
    capsys.readouterr()
    for command in (
        ["index", str(run)],
        ["verify", str(run)],
        ["export", str(run), "--format", "faiss"],
        ["evaluate", str(tmp_path / "compare.yaml")],
        ["train", str(tmp_path / "more.yaml"), f"out={tmp_path / 'more'}"],
    ):
        assert main(command) == 2, command
        assert "modules.json is missing since" in capsys.readouterr().err
