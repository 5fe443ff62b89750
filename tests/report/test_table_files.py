"""Tables as files: every number of the results, at full precision or with its interval."""

from __future__ import annotations

import csv
import io

import pytest

from beekit.report import write_tables
from beekit.report.table_files import csv_table, markdown_table


@pytest.fixture
def results():
    def row(model, scenario, value, **costs):
        metrics = {"recall@20": {"value": value, "ci95": [value - 0.01, value + 0.01]}}
        shown = {"model": model, "scenario": scenario, "users": 1200, "metrics": metrics}
        return {**shown, "seconds": 0.5, **costs}

    return {
        "dataset": {"name": "films"},
        "split": {"kind": "cold_start", "hash": "75b5" * 16},
        "rows": [
            row("EASE", "cold_start/warm", 1 / 3, fit_seconds=75.0, fit_memory_mb=2500.0),
            row("a|b", "cold_start/warm", 0.25),
            row("EASE", "cold_start/test", 0.125, fit_seconds=75.0, fit_memory_mb=2500.0),
        ],
    }


def test_csv_holds_every_number_in_full(results):
    rows = list(csv.DictReader(io.StringIO(csv_table(results))))
    assert [row["model"] for row in rows] == ["EASE", "a|b", "EASE"]
    assert float(rows[0]["recall@20"]) == 1 / 3
    assert float(rows[0]["recall@20 low"]) == 1 / 3 - 0.01
    assert float(rows[2]["fit_seconds"]) == 75.0
    assert rows[1]["fit_seconds"] == ""


def test_markdown_has_a_table_a_scenario_and_marks_the_best(results):
    text = markdown_table(results)
    assert "films, cold_start/warm, 1,200 users, split 75b575b575b5" in text
    assert "| EASE | **0.3333** (0.3233–0.3433) | 1 min 15 s | 2.5 GB |" in text
    assert "| a\\|b | 0.2500 (0.2400–0.2600) |  |  |" in text
    assert "| EASE | 0.1250 (0.1150–0.1350) | 1 min 15 s | 2.5 GB |" in text
    widths = {line.replace("\\|", "").count("|") for line in text.splitlines() if line[:1] == "|"}
    assert widths == {5}


def test_both_files_are_written(results, tmp_path):
    write_tables(results, tmp_path)
    assert (tmp_path / "table.csv").read_text() == csv_table(results)
    assert (tmp_path / "table.md").read_text() == markdown_table(results)
