"""A kind of split that somebody else wrote, from the configuration to the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from beekit.cli import main

KIND = "long_tail:LongTail"


@pytest.fixture
def configured(tmp_path, shop_folder, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "split"))
    content = {
        "data": str(shop_folder),
        "out": str(tmp_path / "run"),
        "split": {"kind": KIND, "share": 0.3},
        "models": ["random", "popularity"],
        "evaluation": {"metrics": ["recall@5"], "top_k": 5},
    }
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_a_split_from_outside_is_compared_on_reported_and_repeated(configured, tmp_path, capsys):
    assert main(["evaluate", configured]) == 0
    run = tmp_path / "run"
    results = json.loads((run / "results.json").read_text())
    assert results["split"]["kind"] == KIND
    assert results["split"]["settings"] == {"share": 0.3}
    assert {row["scenario"] for row in results["rows"]} == {f"{KIND}/test"}
    assert "The least used items were held out." in (run / "report.html").read_text()
    assert yaml.safe_load((run / "config.yaml").read_text())["split"] == {
        "kind": KIND,
        "seed": 42,
        "share": 0.3,
    }
    again = ["evaluate", str(run / "config.yaml"), f"out={tmp_path / 'several'}", "repeats=2"]
    assert main(again) == 0
    several = json.loads((tmp_path / "several" / "results.json").read_text())
    assert several["split"]["about"] == results["split"]["about"]
    assert main(["report", str(tmp_path / "several")]) == 0


def test_its_keys_are_checked_like_any_other(configured, capsys):
    assert main(["evaluate", configured, "split.share=2"]) == 2
    assert "split.share=2; expected above 0 and below 1" in capsys.readouterr().err
