"""What a training that goes on is made of: noticed if it is other than when it began."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file

from beekit.cli import main
from beekit.run import train as train_job
from beekit.run.resume import claim, saved_config
from beekit.run_folder import RunFolder
from beekit.training.read_checkpoint import complete

WITH_WORKER = ("max_steps=100000", "users_per_step=3", "dataloader_num_workers=1")


@pytest.fixture(scope="module")
def base(tmp_path_factory, shop_folder, encoder_folder) -> Path:
    """A folder with a configuration that names paths relative to it, and what they lead to."""
    folder = tmp_path_factory.mktemp("base")
    shutil.copytree(shop_folder, folder / "shop")
    shutil.copytree(encoder_folder, folder / "encoder")
    content = {
        "data": "shop",
        "out": "run",
        "encoder": "encoder",
        "text": "{text}",
        "split": {"fraction": 0.2, "seed": 3},
        "training": {
            **{"users_per_step": 100, "items_per_step": 80, "max_steps": 6, "save_steps": 2},
            **{"eval_strategy": "no", "dataloader_num_workers": 0, "disable_tqdm": True},
        },
        "evaluation": {"metrics": ["ndcg@10"], "top_k": 10},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="module")
def unfinished(base) -> RunFolder:
    """A run told to end in its third step."""
    plainly = train_job.make_trainer

    def make_trainer(*args):
        trainer = plainly(*args)
        step = trainer.training_step

        def training_step(*given, **named):
            if trainer.state.global_step == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(*given, **named)

        trainer.training_step = training_step
        return trainer

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        patch.setattr(train_job, "make_trainer", make_trainer)
        assert main(["train", "config.yaml"]) == 143
    return RunFolder(base / "run")


@pytest.fixture
def copy(base, unfinished, tmp_path) -> Path:
    """The same in another place."""
    shutil.copytree(base, tmp_path / "moved")
    return tmp_path / "moved"


def go_on(folder: Path, monkeypatch, *changes) -> int:
    monkeypatch.chdir(folder)
    saved = folder / "run" / "config.yaml"
    # As a copy of everything, dataset and encoder too, has it.
    paths = {"data": "shop", "encoder": "encoder", "out": "run"}
    absolute = {key: str(folder / name) for key, name in paths.items()}
    saved.write_text(yaml.safe_dump({**yaml.safe_load(saved.read_text()), **absolute}))
    return main(["train", "config.yaml", *changes])


def change_weights(encoder: Path) -> None:
    path = next(encoder.rglob("model.safetensors"))
    weights = load_file(path)
    weights[min(weights)] += 1
    save_file(weights, path, {"format": "pt"})


def test_a_signal_leaves_a_checkpoint_of_the_step_at_hand(unfinished):
    names = {path.name for path in unfinished.checkpoints.iterdir()}
    assert {"checkpoint-2", "checkpoint-3", "made_of.json"} == names
    made_of = json.loads(unfinished.made_of.read_text())
    assert "model.safetensors" in " ".join(made_of["encoder"])
    assert {"torch", "transformers", "sentence-transformers"} <= set(made_of["versions"][0])


def test_its_time_counts_from_the_beginning(copy, monkeypatch):
    """Also that of before the interruption."""
    checkpoint = copy / "run" / "checkpoints" / "checkpoint-3"
    noted = json.loads((checkpoint / "seconds.json").read_text())
    assert noted["seconds"] > 0
    (checkpoint / "digests.json").unlink()
    complete(checkpoint, 5000.0)
    assert go_on(copy, monkeypatch) == 0
    results = json.loads((copy / "run" / "results.json").read_text())
    assert 5000 < results["training"]["seconds"] < 6000
    steps = [step for step, _ in results["training"]["loss_curve"]]
    assert steps == sorted(set(steps))
    assert steps[0] <= 2


def test_a_signal_to_all_processes_of_a_training_leaves_a_checkpoint(base, tmp_path):
    """As schedulers send it: to the worker that reads batches, too."""
    changes = [f"out={tmp_path}", *(f"training.{one}" for one in WITH_WORKER)]
    command = [sys.executable, "-m", "beekit", "train", "config.yaml", *changes]
    with (
        (tmp_path.parent / "log").open("w+") as log,
        subprocess.Popen(command, cwd=base, stderr=log, start_new_session=True) as started,
    ):
        try:
            while not any((tmp_path / "checkpoints").glob("checkpoint-*")):
                assert started.poll() is None
                time.sleep(0.05)
            os.killpg(started.pid, signal.SIGTERM)
            code = started.wait(30)
        finally:
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)
        log.seek(0)
        said = log.read()
    assert code == 143, said
    assert "Traceback" not in said
    assert "with a checkpoint" in said
    with pytest.raises(ProcessLookupError):
        os.killpg(started.pid, 0)


def test_paths_of_a_run_lead_to_the_same_places_from_anywhere(base, unfinished):
    content = yaml.safe_load(unfinished.config.read_text())
    assert content["data"] == str(base / "shop")
    assert content["encoder"] == str(base / "encoder")
    assert content["out"] == str(base / "run")


def test_a_run_that_was_moved_goes_on_and_its_index_can_be_made_again(
    copy, monkeypatch, tmp_path, capsys
):
    assert go_on(copy, monkeypatch) == 0
    # As if it had been killed when only report and card were missing.
    for name in ("report.html", "README.md"):
        (copy / "run" / name).unlink()
    assert main(["train", "config.yaml", "training.learning_rate=1e-3"]) == 2
    assert "no report.html" in capsys.readouterr().err
    assert main(["train", "config.yaml"]) == 0
    assert (copy / "run" / "README.md").is_file()
    (copy / "run" / "README.md").unlink()
    before = (copy / "run" / "results.json").read_text()
    change_weights(copy / "encoder")
    assert main(["train", "config.yaml"]) == 2
    assert "with another encoder (" in capsys.readouterr().err
    assert (copy / "run" / "results.json").read_text() == before
    assert not list((copy / "run").glob("*.partial"))
    (copy / "run").rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert main(["index", "elsewhere"]) == 0
    assert main(["verify", "elsewhere"]) == 0
    assert "the same" in capsys.readouterr().out


def test_what_lay_in_a_run_is_found_in_it_after_a_move(copy, tmp_path):
    shutil.move(copy / "shop", copy / "run" / "shop")
    folder = RunFolder(copy / "run")
    content = yaml.safe_load(folder.config.read_text())
    content["data"] = str(Path(content["out"]) / "shop")
    folder.config.write_text(yaml.safe_dump(content))
    assert saved_config(folder).data == str(copy / "run" / "shop")


def test_another_encoder_under_the_same_path_is_noticed(copy, monkeypatch, capsys):
    change_weights(copy / "encoder")
    assert go_on(copy, monkeypatch) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "with another encoder (" in line
    assert "model.safetensors" in line


def test_other_versions_are_said_and_noted(copy, monkeypatch, caplog):
    made_of = copy / "run" / "checkpoints" / "made_of.json"
    noted = json.loads(made_of.read_text())
    noted["versions"][0]["torch"] = "1.0"
    made_of.write_text(json.dumps(noted))
    assert go_on(copy, monkeypatch) == 0
    notes = json.loads((copy / "run" / "results.json").read_text())["notes"]
    assert any("other versions (torch 1.0, then " in note for note in notes)
    assert len(json.loads(made_of.read_text())["versions"]) == 2


def test_what_an_earlier_version_did_not_note_is_not_missed(tmp_path):
    folder = RunFolder(tmp_path)
    (folder.checkpoints / "checkpoint-2").mkdir(parents=True)
    folder.made_of.write_text(json.dumps({"split": "a", "fingerprint": "b"}))
    made_of = {"split": "a", "fingerprint": "b", "encoder": {"x": "1"}}
    assert claim(folder, made_of, {"torch": "2"}) == []
    assert json.loads(folder.made_of.read_text())["encoder"] == {"x": "1"}


@pytest.mark.parametrize("how", ["changed", "gone"])
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "config.json"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_can_be_taken(
    how, name, copy, monkeypatch, capsys
):
    checkpoint = copy / "run" / "checkpoints" / "checkpoint-3"
    path = next(checkpoint.rglob(name))
    content = bytearray(path.read_bytes())
    path.unlink()
    if how == "changed":
        content[-9] ^= 1
        path.write_bytes(content)
    assert go_on(copy, monkeypatch) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert name in line
    assert "checkpoint-3" in line
    assert "Remove that folder" in line
    if name == "optimizer.pt":
        shutil.rmtree(checkpoint)
        assert go_on(copy, monkeypatch) == 0
