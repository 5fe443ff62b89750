"""Result tables as files for papers and spreadsheets: `table.csv` and `table.md`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from beekit.files import write_text
from beekit.report import numbers
from beekit.report.glossary import INTERVALS, tested_against
from beekit.report.p_values import TESTS, p_values, tests_of
from beekit.report.repeats import csv_of_repeats, markdown_of_repeats
from beekit.report.settings import NOT_STATED
from beekit.report.table import Row, results_table
from beekit.results import is_repeated, metric_names
from beekit.run_folder import TABLE_CSV, TABLE_MARKDOWN

# What a row says beside its metrics, where it does.
_COSTS = ("fit_seconds", "fit_memory_mb", "seconds")


def write_tables(results: Mapping[str, Any], folder: str | Path) -> None:
    """Write `table.csv` and `table.md` of a run's results into a folder."""
    repeated = is_repeated(results)
    as_csv = csv_of_repeats if repeated else csv_table
    as_markdown = markdown_of_repeats if repeated else markdown_table
    write_text(Path(folder) / TABLE_CSV, as_csv(results))
    write_text(Path(folder) / TABLE_MARKDOWN, as_markdown(results))


def csv_table(results: Mapping[str, Any]) -> str:
    """One line a row of the results, full precision: value and both ends of each interval.

    `low` and `high` are over users, `low items` and `high items` over users and items. The
    comparisons of the best model stand in the line of the other.
    """
    metrics = metric_names(results["rows"])
    tests = tests_of(results)
    against = [name for name in TESTS if any(name in test for test in tests.values())]
    costs = [name for name in _COSTS if any(name in row for row in results["rows"])]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ends = ("", " low", " high", " low items", " high items")
    columns = [f"{metric}{end}" for metric in metrics for end in ends]
    writer.writerow(["scenario", "model", "users", *columns, *against, *costs, "settings_chosen"])
    for row in results["rows"]:
        cells: list[Any] = []
        for metric in metrics:
            measured = row["metrics"].get(metric)
            if measured is None:
                cells += [""] * len(ends)
                continue
            cells += [measured["value"], *measured["ci95"], *measured.get("ci95_items", ("", ""))]
        test = tests.get((row["scenario"], row["model"]), {})
        spent = [row.get(name, "") for name in costs]
        said = row.get("settings_chosen", NOT_STATED)
        first = [row["scenario"], row["model"], row["users"]]
        writer.writerow([*first, *cells, *(test.get(name, "") for name in against), *spent, said])
    return out.getvalue()


def markdown_table(results: Mapping[str, Any]) -> str:
    """A table a scenario, values with their 95% intervals, the best of a column in bold."""
    table = results_table([results], [""])
    tests = tests_of(results)
    costs = {(row["scenario"], row["model"]): row for row in results["rows"]}
    fitted = any("fit_seconds" in row for row in results["rows"])
    parts = []
    for group in table.groups:
        tested = any((group.scenario, row.model) in tests for row in group.rows)
        head = ["model", *table.metrics, *(["p"] if tested else [])]
        head += ["fit", "memory"] if fitted else []
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
                [
                    numbers.duration(spent.get("fit_seconds")),
                    numbers.memory(spent.get("fit_memory_mb")),
                ]
                if "fit_seconds" in spent
                else [""] * (2 * fitted)
            )
            test = tests.get((group.scenario, row.model))
            tested_by = [p_values(test)] if tested else []
            lines.append(_line([row.model.replace("|", "\\|"), *_values(row), *tested_by, *cost]))
        lines += ["", *filter(None, [group.settings])]
        parts.append("\n".join(lines) + "\n")
    notes = [f"- {one}\n" for one in results.get("notes", [])]
    note = "Values with 95% intervals over users; the best of a column in bold.\n"
    if any(cell.wider for group in table.groups for row in group.rows for cell in row.cells):
        note = (
            "Values with 95% intervals over users (first) and over users and items (second); the "
            f"best of a column in bold. {INTERVALS}\n"
        )
    if tests:
        note += f"\np: {tested_against(list(tests.values()), 'users')}\n"
    return "\n".join([*parts, note, *notes])


def _values(row: Row) -> list[str]:
    cells = []
    for cell in row.cells:
        value = f"**{cell.value}**" if cell.best else cell.value
        limits = "; ".join(filter(None, (cell.interval, cell.wider)))
        cells.append(f"{value} ({limits})" if limits else value)
    return cells


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
