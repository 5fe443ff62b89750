"""Every bad dataset folder ends `beekit train` with exit code 2, one useful line, and no output."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from beekit.cli import main

EVENTS = {"user_id": [1, 1, 2, 2], "item_id": [1, 2, 2, 3], "value": [5.0, 4.0, 5.0, 4.0]}
ITEMS = {"item_id": [1, 2, 3], "title": ["a", "b", "c"]}


def folder_with(path: Path, events=None, items=None) -> Path:
    path.mkdir()
    pq.write_table(pa.table({**EVENTS, **(events or {})}), path / "interactions.parquet")
    pq.write_table(pa.table({**ITEMS, **(items or {})}), path / "items.parquet")
    return path


def without_column(path: Path) -> Path:
    folder_with(path)
    pq.write_table(pa.table({"user_id": [1], "item": [1]}), path / "interactions.parquet")
    return path


def not_parquet(path: Path) -> Path:
    folder_with(path)
    (path / "items.parquet").write_text("item_id,title\n1,a\n")
    return path


def empty_file(path: Path) -> Path:
    folder_with(path)
    (path / "interactions.parquet").unlink()
    (path / "interactions.csv").write_text("")
    return path


BAD = {
    "a missing column": (without_column, {}, "a column item_id"),
    "a value of the wrong type": (
        lambda p: folder_with(p, {"value": ["good"] * 4}),
        {},
        "expected numbers",
    ),
    "an id of the wrong type": (
        lambda p: folder_with(p, {"item_id": [1.5, 2.0, 2.5, 3.0]}),
        {},
        "expected integers or strings",
    ),
    "NaN": (lambda p: folder_with(p, {"value": [5, float("nan"), 5, 4]}), {}, "finite"),
    "infinity": (lambda p: folder_with(p, {"value": [5, float("inf"), 5, 4]}), {}, "finite"),
    "duplicate pairs": (lambda p: folder_with(p, {"item_id": [1, 1, 2, 3]}), {}, "each pair once"),
    "an unknown item": (lambda p: folder_with(p, {"item_id": [1, 9, 2, 3]}), {}, "unknown_items"),
    "items without text": (
        lambda p: folder_with(p, items={"title": ["a", "", "c"]}),
        {},
        "missing_text",
    ),
    "an empty file": (empty_file, {}, "empty"),
    "no users left": (folder_with, {"min_value": 9}, "no user is left"),
    "duplicate item ids": (
        lambda p: folder_with(p, items={"item_id": [1, 2, 2]}),
        {},
        "each item_id once",
    ),
    "a file that is not Parquet": (not_parquet, {}, "cannot be read as Parquet"),
    "a folder that does not exist": (lambda p: p, {}, "no folder"),
    "an absent template column": (folder_with, {"text": "{name}"}, "name"),
    "a template that does not close": (folder_with, {"text": "{title"}, "braces"),
    "arguments the Trainer refuses": (
        folder_with,
        {"training": {"lr_scheduler_kwargs": {"cycles": 2}}, "split": {"items": 1}},
        "training section is refused",
    ),
    **{
        f"training.{key}={value}": (
            folder_with,
            {"training": {key: value}, "split": {"items": 1, "validation": 0}},
            found,
        )
        for key, value, found in (
            ("optim", "nothing", "expected one of adamw_torch, "),
            ("report_to", "", "expected none, all, "),
            ("adam_epsilon", -1.0, "expected a number, 0 or more"),
            ("metric_for_best_model", "", "training section is refused"),
            ("lora", 10**30, "expected an integer of 64 bits"),
            ("seed", 2**32, "below 4294967296"),
            ("warmup_steps", float("inf"), "expected a finite number"),
        )
    },
    "values that may mean no": (
        lambda p: folder_with(p, {"value": [5, 0, 5, -1]}),
        {},
        "2 of 4 interactions have a value of 0 or below",
    ),
    "text that no file holds": (folder_with, {"note": "\ud800"}, "half of a surrogate pair"),
    "a metric for checkpoints that is not one": (
        folder_with,
        {
            "training": {"metric_for_best_model": "loss"},
            "split": {"items": 1, "validation": 0},
        },
        "metric 'loss'",
    ),
    "too few items to split": (folder_with, {"split": {"items": 3}}, "between 1 and 2"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(case, tmp_path, encoder_folder, capsys):
    make, changes, message = BAD[case]
    data = make(tmp_path / "data")
    config = {
        "data": str(data),
        "out": str(tmp_path / "run"),
        "encoder": str(encoder_folder),
        "text": "{title}",
        **changes,
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    assert main(["train", str(tmp_path / "c.yaml")]) == 2
    printed = capsys.readouterr()
    line = printed.err.strip().splitlines()[-1]
    assert line.startswith("beekit: ")
    assert message in line
    assert "Traceback" not in printed.err
    assert not (tmp_path / "run").exists()


def test_help_and_unknown_commands():
    for arguments in (["--help"], ["train", "--help"], ["recommend", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0
    with pytest.raises(SystemExit) as stopped:
        main(["trian"])
    assert stopped.value.code == 2
