"""Result tables as files for papers and spreadsheets: `table.csv` and `table.md`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from beekit.files import write_text
from beekit.report import numbers
from beekit.report.repeats import csv_of_repeats, markdown_of_repeats
from beekit.report.table import Row, metric_names, results_table

# What a row says beside its metrics, where it does.
_COSTS = ("fit_seconds", "fit_memory_mb", "seconds")


def write_tables(results: Mapping[str, Any], folder: str | Path) -> None:
    """Write `table.csv` and `table.md` of a run's results into a folder."""
    repeated = "repeats" in results
    as_csv = csv_of_repeats if repeated else csv_table
    as_markdown = markdown_of_repeats if repeated else markdown_table
    write_text(Path(folder) / "table.csv", as_csv(results))
    write_text(Path(folder) / "table.md", as_markdown(results))


def csv_table(results: Mapping[str, Any]) -> str:
    """One line a row of the results, full precision: value and both ends of each interval."""
    metrics = metric_names(results["rows"])
    costs = [name for name in _COSTS if any(name in row for row in results["rows"])]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = [column for m in metrics for column in (m, f"{m} low", f"{m} high")]
    writer.writerow(["scenario", "model", "users", *columns, *costs])
    for row in results["rows"]:
        cells: list[Any] = []
        for metric in metrics:
            measured = row["metrics"].get(metric)
            cells += ["", "", ""] if measured is None else [measured["value"], *measured["ci95"]]
        spent = [row.get(name, "") for name in costs]
        writer.writerow([row["scenario"], row["model"], row["users"], *cells, *spent])
    return out.getvalue()


def markdown_table(results: Mapping[str, Any]) -> str:
    """A table a scenario, values with their 95% intervals, the best of a column in bold."""
    table = results_table([results], [""])
    costs = {(row["scenario"], row["model"]): row for row in results["rows"]}
    fitted = any("fit_seconds" in row for row in results["rows"])
    parts = []
    for group in table.groups:
        head = ["model", *table.metrics, *(["fit", "memory"] if fitted else [])]
        lines = [
            f"{group.dataset}, {group.scenario}, {group.users} users, "
            f"split {group.split_hash[:12]}",
            "",
            _line(head),
            _line(["---", *["---:"] * (len(head) - 1)]),
        ]
        for row in group.rows:
            spent = costs[group.scenario, row.model]
            cost = (
                [numbers.duration(spent.get("fit_seconds")), numbers.memory(spent["fit_memory_mb"])]
                if "fit_seconds" in spent
                else [""] * (2 * fitted)
            )
            lines.append(_line([row.model.replace("|", "\\|"), *_values(row), *cost]))
        parts.append("\n".join(lines) + "\n")
    note = "Values with 95% bootstrap intervals over users; the best of a column in bold.\n"
    notes = [f"- {one}\n" for one in results.get("notes", [])]
    return "\n".join([*parts, note, *notes])


def _values(row: Row) -> list[str]:
    cells = []
    for cell in row.cells:
        value = f"**{cell.value}**" if cell.best else cell.value
        cells.append(f"{value} ({cell.interval})" if cell.interval else value)
    return cells


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
