"""Launchers that start several processes: refused where each would write the same files."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from beekit import BeeFormerTrainer, BeeFormerTrainingArguments
from beekit.cli import main
from beekit.errors import ConfigError
from beekit.launcher import launched_processes

SCRIPT = Path(__file__).parent.parent / "train" / "finetune.py"


@pytest.mark.parametrize(("given", "processes"), [(None, 1), ("1", 1), ("2", 2), ("x", 1)])
def test_processes_of_a_launcher(monkeypatch, given, processes):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if given is not None:
        monkeypatch.setenv("WORLD_SIZE", given)
    assert launched_processes() == processes


def test_the_script_refuses_in_one_line_before_it_reads_anything(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["finetune.py", "no data", "no encoder", str(out)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 2
    assert "start it without a launcher" in capsys.readouterr().err.splitlines()[-1]
    assert not out.exists()


def test_the_trainer_refuses_processes_that_would_each_train_alone(
    monkeypatch, encoder, shop_dataset, tmp_path
):
    arguments = BeeFormerTrainingArguments(output_dir=str(tmp_path), disable_tqdm=True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"2 processes that would each train alone.*use_cpu"):
        BeeFormerTrainer(
            encoder,
            arguments,
            interactions=shop_dataset.interactions.matrix,
            items=shop_dataset.catalog.texts,
        )


def test_the_command_refuses(monkeypatch, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text(f"data: x\nencoder: y\ntext: '{{t}}'\nout: {tmp_path / 'run'}\n")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert main(["train", str(config)]) == 2
    assert "3 processes" in capsys.readouterr().err
