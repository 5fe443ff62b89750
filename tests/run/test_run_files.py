"""A broken file of a run ends every command that reads it in one line."""

from __future__ import annotations

import dataclasses

import pytest

from beekit.cli import main
from beekit.errors import RunError
from beekit.run.config import make_config
from beekit.run.folder import RunFolder
from beekit.run.made_by import kind_of, require_own_place
from beekit.run.repeats import _claim, _of_repeat
from beekit.run_files import read_parquet, read_yaml


@pytest.mark.parametrize("content", ["", '{"schema": 1', '{"schema": 1}', "[]", "\x00\xff"])
@pytest.mark.parametrize("command", ["report", "push"])
def test_broken_results_end_in_one_line(tmp_path, capsys, content, command):
    (tmp_path / "results.json").write_text(content)
    (tmp_path / "config.yaml").write_text("data: x\nencoder: y\n")
    more = ["--repo", "user/name", "--dry-run"] if command == "push" else []
    assert main([command, str(tmp_path), *more]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "results.json cannot be read" in line


@pytest.mark.parametrize("read", [read_yaml, lambda path: read_parquet(path, ("item_id",))])
@pytest.mark.parametrize("content", ["", "a: [", "PAR1"])
def test_broken_yaml_and_parquet_are_a_run_error(tmp_path, read, content):
    (tmp_path / "file").write_text(content)
    with pytest.raises(RunError, match="cannot be read"):
        read(tmp_path / "file")


def test_a_project_with_a_configuration_and_datasets_is_no_training(tmp_path):
    (tmp_path / "datasets" / "ml1m").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text("data: datasets/ml1m\n")
    assert kind_of(tmp_path) is None
    require_own_place(tmp_path / "runs" / "pulled")


def test_a_repeat_begun_with_another_precision_is_told_in_one_line(tmp_path):
    config = make_config(
        {
            "data": "d",
            "out": str(tmp_path),
            "encoder": "e",
            "repeats": 2,
            "training": {"bf16": True},
        }
    )
    folder = RunFolder(tmp_path)
    folder.repeat(1).path.mkdir(parents=True)
    own = _of_repeat(dataclasses.replace(config, training={}), folder, 1)
    folder.repeat(1).write_config(own)
    with pytest.raises(RunError, match=r"another training\.bf16"):
        _claim(folder, config)
    _claim(folder, dataclasses.replace(config, training={"bf16": "auto"}))
