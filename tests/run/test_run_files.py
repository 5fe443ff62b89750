"""A broken file of a run ends every command that reads it in one line."""

from __future__ import annotations

import dataclasses
import json

import pytest

from beekit.cli import main
from beekit.errors import RunError
from beekit.run.config import make_config
from beekit.run.folder import RunFolder
from beekit.run.made_by import kind_of, require_own_place
from beekit.run.repeats import _claim, _of_repeat
from beekit.run_files import read_parquet, read_results, read_yaml


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


WHOLE = {
    "schema": 1,
    "dataset": {"name": "shop", "users": 3, "items": 4, "interactions": 5, "fingerprint": "f"},
    "split": {"kind": "user", "hash": "h", "test": {"users": 1}},
    "environment": {"beekit": "0"},
    "rows": [
        {
            "model": "EASE",
            "scenario": "user/test",
            "users": 1,
            "metrics": {"recall@20": {"value": 0.5, "ci95": [0.4, 0.6]}},
        }
    ],
}


@pytest.mark.parametrize(
    ("place", "content"),
    [
        *[("dataset.name", value) for value in (None, 3, ["shop"])],
        *[("dataset.fingerprint", value) for value in (3, ["f"])],
        *[("split.hash", value) for value in (None, {})],
        *[("split.test", value) for value in (3, [])],
        *[("rows", value) for value in (None, {}, [3], "EASE")],
        *[("rows.0.metrics", value) for value in (None, [], 0.5)],
        *[("rows.0.metrics.recall@20", value) for value in (None, 0.5, {}, {"value": "high"})],
        *[("rows.0.metrics.recall@20.ci95", value) for value in (0.4, ["low", "high"], {})],
        *[("environment", value) for value in ([], "here")],
        *[("training", value) for value in ([], "done")],
        *[("comparisons", value) for value in ({}, [3], [{"first": "EASE"}])],
        *[("repeats", value) for value in (3, {}, {"count": "two", "folders": []})],
        *[("datasets", value) for value in (3, {}, [{"name": "shop"}])],
        *[("notes", value) for value in ("one", [3])],
    ],
)
def test_results_of_another_shape_are_one_line(tmp_path, capsys, place, content):
    results = json.loads(json.dumps(WHOLE))
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert read_results(tmp_path) == results
    *above, last = place.split(".")
    inside = results
    for key in above:
        inside = inside[int(key) if key.isdigit() else key]
    inside[last] = content
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "config.yaml").write_text("data: x\nencoder: y\n")
    for command in (["report"], ["push", "--repo", "user/name", "--dry-run"]):
        assert main([command[0], str(tmp_path), *command[1:]]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "results.json cannot be read" in line
