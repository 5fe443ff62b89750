"""Damage to the files of a run, or wrong files in it, never lets an encoder pass."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from test_leaks import as_trained, comparison, write

from beekit.cli import main
from beekit.run.folder import RunFolder
from beekit.run.made_by import kind_of
from beekit.run.sources import run_of


@pytest.fixture
def films(tmp_path):
    return write(tmp_path / "films")


@pytest.fixture
def run(tmp_path, films, encoder_folder):
    """A run as training leaves it, on films with split seed 2."""
    path = as_trained(tmp_path / "runs" / "a", films, tmp_path / "films", encoder_folder)
    (path / "checkpoints").mkdir()
    (path / "checkpoints" / "made_of.json").write_text("{}")
    return path


def evaluates(tmp_path, capsys, **model) -> str:
    """What `beekit evaluate` says in refusing the model."""
    capsys.readouterr()
    assert main(comparison(tmp_path, "table", **model)) == 2
    assert not (tmp_path / "table").exists()
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "Expected" in said or "expected" in said, said
    return said


@pytest.mark.parametrize("config", [b"", b"\xff\xfe", b"- a\n", None])
def test_a_run_with_a_broken_configuration_is_refused(run, tmp_path, capsys, config):
    if config is None:
        (run / "config.yaml").unlink()
    else:
        (run / "config.yaml").write_bytes(config)
    assert run_of(str(run / "model")) == run
    assert kind_of(run) == "training"
    assert "config.yaml" in evaluates(tmp_path, capsys, encoder=str(run / "model"))
    training = {
        "data": str(tmp_path / "films"),
        "out": str(tmp_path / "new"),
        "encoder": str(run / "model"),
        "text": "{title}",
        "split": {"items": 10, "seed": 1},
        "training": {"max_steps": 1},
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(training))
    assert main(["train", str(tmp_path / "t.yaml")]) == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "left", ["config.yaml", "results.json", "split/split.json", "checkpoints/made_of.json"]
)
def test_a_run_of_which_one_file_is_left_is_a_run(run, tmp_path, capsys, left):
    kept = (run / left).read_bytes()
    for name in ("config.yaml", "results.json"):
        (run / name).unlink()
    shutil.rmtree(run / "split")
    shutil.rmtree(run / "checkpoints")
    assert run_of(str(run / "model")) is None
    (run / left).parent.mkdir(exist_ok=True)
    (run / left).write_bytes(kept)
    evaluates(tmp_path, capsys, encoder=str(run / "model"))


def test_a_broken_configuration_does_not_hide_the_other_datasets_of_a_run(run, tmp_path):
    part = run / "datasets" / "films"
    part.mkdir(parents=True)
    (run / "config.yaml").write_bytes(b"\xff\xfe")
    shutil.rmtree(run / "checkpoints")
    assert kind_of(run) == "training"
    (run / "results.json").write_text(json.dumps({}))
    assert RunFolder(part).whole.path == run
