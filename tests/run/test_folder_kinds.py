"""No job touches another kind's folder, and no two processes one folder at once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from beekit.cli import main
from beekit.run.resume import last_checkpoint
from beekit.run_folder import RunFolder


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def configs(tmp_path, shop_folder, encoder_folder):
    """A configuration of a training and one of a comparison, with the same `out`."""
    shared = {
        "data": str(shop_folder),
        "out": str(tmp_path / "run"),
        "split": {"kind": "cold_start", "items": 40, "seed": 3},
        "evaluation": {"metrics": ["recall@20"], "top_k": 20},
    }
    training = {
        "users_per_step": 150,
        "items_per_step": 150,
        "max_steps": 6,
        "save_steps": 2,
        "eval_strategy": "no",
        "learning_rate": 1e-3,
        "disable_tqdm": True,
    }
    contents = {
        "train": {**shared, "encoder": str(encoder_folder), "text": "{text}", "training": training},
        "evaluate": {**shared, "models": {"popularity": None}},
    }
    paths = {}
    for command, content in contents.items():
        paths[command] = tmp_path / f"{command}.yaml"
        paths[command].write_text(yaml.safe_dump(content))
    return paths


def interrupted(kind: str, path: Path, config: dict) -> None:
    """A folder as such a job leaves it when it is killed, earliest first."""
    folder = RunFolder(path)
    if kind == "comparison before its configuration":
        folder.split.mkdir(parents=True)
        (folder.split / "split.json").write_text("{}")
    elif kind == "comparison":
        interrupted("comparison before its configuration", path, config)
        folder.config.write_text(yaml.safe_dump({**config, "models": {"EASE": None}}))
    elif kind == "training before its configuration":
        folder.checkpoints.mkdir(parents=True)
        folder.made_of.write_text("{}")
    elif kind == "training":
        interrupted("training before its configuration", path, config)
        folder.config.write_text(yaml.safe_dump(config))
    elif kind == "quickstart":
        (folder.quickstart / "shop").mkdir(parents=True)
        (folder.quickstart / "shop" / "items.parquet").write_text("x")


@pytest.mark.parametrize("command", ["train", "evaluate", "quickstart"])
@pytest.mark.parametrize(
    "kind",
    [
        "comparison before its configuration",
        "comparison",
        "training before its configuration",
        "training",
        "quickstart",
    ],
)
def test_no_job_touches_what_another_kind_left_unfinished(configs, tmp_path, capsys, command, kind):
    own = {"train": "training", "evaluate": "comparison"}.get(command, command)
    if kind.startswith(own):
        return
    run = tmp_path / "run"
    interrupted(kind, run, yaml.safe_load(configs["train"].read_text()))
    before = digests(run)
    call = [command, "--out", str(run)] if command == "quickstart" else [command]
    assert main([*call, *([str(configs[command])] if command in configs else [])]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"holds an unfinished {kind.split()[0]}" in error
    assert digests(run) == before


def test_a_training_is_not_finished_by_other_commands(configs, tmp_path, capsys, encoder_folder):
    run = tmp_path / "run"
    interrupted("training", run, yaml.safe_load(configs["train"].read_text()))
    shutil.copytree(encoder_folder, run / "model")
    done = tmp_path / "done"
    assert main(["evaluate", str(configs["evaluate"]), f"out={done}"]) == 0
    before, finished = digests(run), digests(done)
    refused = [
        ["index", str(run)],
        ["export", str(run), "--format", "onnx"],
        ["report", str(run)],
        ["push", str(run), "--repo", "user/name", "--dry-run"],
        ["report", str(done), "--out", str(run / "report.html")],
        ["report", str(done), "--out", str(run / "checkpoints" / "report.html")],
        ["report", str(done), "--out", str(done / "results.json")],
        ["report", str(done), "--out", str(done / "split" / "report.html")],
        ["pull", "user/name", "--out", str(run)],
        ["pull", "user/name", "--out", str(run / "pulled")],
        ["index", str(done)],
        ["export", str(done), "--format", "onnx"],
        ["index", str(run), "--model", "popularity"],
        ["index", str(tmp_path / "nowhere")],
        ["report", str(tmp_path / "nowhere")],
    ]
    capsys.readouterr()
    for command in refused:
        assert main(command) == 2, command
        error = capsys.readouterr().err.strip()
        assert error.startswith("beekit: "), command
        assert "\n" not in error
    assert digests(run) == before
    assert digests(done) == finished
    assert not (tmp_path / "nowhere").exists()
    out = tmp_path / "reports" / "both.html"
    out.parent.mkdir()
    assert main(["report", str(done), "--out", str(out)]) == 0
    assert main(["report", str(done), "--out", str(done / "other.html")]) == 0


def test_the_configuration_of_a_user_is_not_overwritten(configs, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    for command, path in configs.items():
        shutil.copy(path, run / "config.yaml")
        before = digests(run)
        assert main([command, str(run / "config.yaml")]) == 2
        assert "other files (config.yaml)" in capsys.readouterr().err
        assert digests(run) == before


def test_a_quickstart_goes_on_as_itself_alone(tmp_path, configs, capsys):
    run = tmp_path / "run"
    interrupted("quickstart", run, {})
    config = yaml.safe_load(configs["train"].read_text())
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "checkpoints").mkdir()
    before = digests(run)
    changed = ["train", str(configs["train"]), "training.max_steps=3"]
    for command in (changed, ["quickstart", "--out", str(run), "--modality", "image"]):
        assert main(command) == 2
        assert "unfinished quickstart with another" in capsys.readouterr().err
        assert digests(run) == before


@pytest.fixture
def start():
    """A function that runs a command in a process of its own."""
    running = []

    def begin(*arguments: str) -> subprocess.Popen:
        running.append(_start(*arguments))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


def _start(*arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    root = Path(__file__).parents[2]
    environment["OMP_NUM_THREADS"] = "1"
    environment["PYTHONPATH"] = os.pathsep.join([str(root), environment.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", "beekit.cli", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(process: subprocess.Popen, there) -> None:
    until = time.monotonic() + 180
    while not there():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def one_thread():
    """Sums of several threads differ in the last digit from process to process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_killed_training_goes_on_whatever_else_was_tried(
    start, configs, tmp_path, capsys, one_thread
):
    """Two at once, killed before and after the first checkpoint, evaluated into, and resumed."""
    run = RunFolder(tmp_path / "run")
    train = str(configs["train"])
    ended = {}
    for name, killed_when in {
        "early": run.made_of.is_file,
        "late": lambda: last_checkpoint(run) is not None,
    }.items():
        process = start("train", train)
        wait_for(process, killed_when)
        os.kill(process.pid, signal.SIGSTOP)  # so that it is there for as long as it is needed
        capsys.readouterr()
        for command in ("train", "evaluate"):
            assert main([command, str(configs[command])]) == 2
            error = capsys.readouterr().err.strip()
            assert f"is in use by process {process.pid} on " in error
            assert "\n" not in error
        process.kill()
        process.wait()
        before = digests(run.path)
        assert main(["evaluate", str(configs["evaluate"])]) == 2
        assert "unfinished training" in capsys.readouterr().err
        assert {n: d for n, d in digests(run.path).items() if n[0] != "."} == {
            n: d for n, d in before.items() if n[0] != "."
        }
        assert main(["train", train]) == 0
        assert not [path for path in run.path.iterdir() if path.name[0] == "."]
        ended[name] = (run.model / "model.safetensors").read_bytes()
        assert json.loads(run.results.read_text())["training"]["steps"] == 6
        shutil.rmtree(run.path)
    assert main(["train", train]) == 0
    assert (run.model / "model.safetensors").read_bytes() == ended["early"] == ended["late"]
