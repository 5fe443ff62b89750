"""Result tables as files for papers and spreadsheets: `table.csv` and `table.md`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from beekit.files import write_text
from beekit.report import numbers
from beekit.report.glossary import INTERVALS, tested_against
from beekit.report.p_values import TESTS, p_values, tests_of
from beekit.report.repeats import interval_meanings, summarise_repeats
from beekit.report.settings import NOT_STATED
from beekit.report.table import Group, Row, results_table
from beekit.results import is_repeated, metric_names
from beekit.run_folder import TABLE_CSV, TABLE_MARKDOWN

# What a row says beside its metrics, where it does.
_COSTS = ("fit_seconds", "fit_memory_mb", "seconds")
_SETTINGS = "settings_chosen"

Tests = Mapping[tuple[str, str], Mapping[str, Any]]


def write_tables(results: Mapping[str, Any], folder: str | Path) -> None:
    """Write `table.csv` and `table.md` of a run's results into a folder."""
    write_text(Path(folder) / TABLE_CSV, csv_table(results))
    write_text(Path(folder) / TABLE_MARKDOWN, markdown_table(results))


def csv_table(results: Mapping[str, Any]) -> str:
    """One line a row of the results, full precision: value and both ends of each interval.

    `low` and `high` are over users, `low items` and `high items` over users and items; of repeats
    there are the mean, its spread and interval, and the value of each. The comparisons of the best
    model stand in the line of the other.
    """
    rows, repeated = results["rows"], is_repeated(results)
    metrics, tests = metric_names(rows), tests_of(results)
    against = [name for name in TESTS if any(name in test for test in tests.values())]
    besides = [name for name in (*_COSTS, _SETTINGS) if any(name in row for row in rows)]
    parts: tuple[str, ...] = ("", " low", " high", " low items", " high items")
    unstated = NOT_STATED
    if repeated:
        count = results["repeats"]["count"]
        parts = ("", " spread", " low", " high", *(f" repeat {i + 1}" for i in range(count)))
        unstated = ""
    elif _SETTINGS not in besides:
        besides.append(_SETTINGS)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = [f"{metric}{part}" for metric in metrics for part in parts]
    writer.writerow(["scenario", "model", "users", *columns, *against, *besides])
    for row in rows:
        cells: list[Any] = []
        for metric in metrics:
            measured = row["metrics"].get(metric)
            if measured is None:
                cells += [""] * len(parts)
            elif repeated:
                ends = [measured["spread"], *measured["ci95"]]
                cells += [measured["value"], *ends, *measured["values"]]
            else:
                wider = measured.get("ci95_items", ("", ""))
                cells += [measured["value"], *measured["ci95"], *wider]
        test = tests.get((row["scenario"], row["model"]), {})
        cells += [test.get(name, "") for name in against]
        cells += [row.get(name, unstated if name == _SETTINGS else "") for name in besides]
        writer.writerow([row["scenario"], row["model"], row["users"], *cells])
    return out.getvalue()


def markdown_table(results: Mapping[str, Any]) -> str:
    """A table a scenario, values with their 95% intervals, the best of a column in bold."""
    repeated, tests = is_repeated(results), tests_of(results)
    table = results_table([results], [""], spread=repeated)
    costs = {} if repeated else {(row["scenario"], row["model"]): row for row in results["rows"]}
    parts = []
    for group in table.groups:
        where = f"{group.dataset}, {group.scenario}, {group.users} users"
        if repeated:
            where += f" on average, {results['repeats']['count']} repeats"
        else:
            where += f", split {group.split_hash[:12]}"
        lines = [where, "", *_lines(group, table.metrics, tests, costs), ""]
        parts.append("\n".join([*lines, *filter(None, [group.settings])]) + "\n")
    tail = _of_repeats(results, tests) if repeated else _of_one(results, table.wider, tests)
    return "\n".join([*parts, tail])


def _lines(group: Group, metrics: Sequence[str], tests: Tests, costs: Tests) -> list[str]:
    """A table of one scenario, with p-values and costs where there are any."""
    tested = any((group.scenario, row.model) in tests for row in group.rows)
    fitted = any("fit_seconds" in row for row in costs.values())
    head = ["model", *metrics, *(["p"] if tested else []), *(["fit", "memory"] if fitted else [])]
    lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)])]
    for row in group.rows:
        at = (group.scenario, row.model)
        cells = [row.model.replace("|", "\\|"), *_values(row)]
        cells += [p_values(tests.get(at))] if tested else []
        if fitted and "fit_seconds" in costs[at]:
            cells.append(numbers.duration(costs[at]["fit_seconds"]))
            cells.append(numbers.memory(costs[at].get("fit_memory_mb")))
        elif fitted:
            cells += ["", ""]
        lines.append(_line(cells))
    return lines


def _of_one(results: Mapping[str, Any], wider: bool, tests: Tests) -> str:
    """What to say below the tables of one run."""
    note = "Values with 95% intervals over users; the best of a column in bold.\n"
    if wider:
        note = (
            "Values with 95% intervals over users (first) and over users and items (second); the "
            f"best of a column in bold. {INTERVALS}\n"
        )
    if tests:
        note += f"\np: {tested_against(list(tests.values()), 'users')}\n"
    return "\n".join([note, *(f"- {one}\n" for one in results.get("notes", []))])


def _of_repeats(results: Mapping[str, Any], tests: Tests) -> str:
    """What to say below the tables of several repeats."""
    lines = [
        f"Means over {results['repeats']['count']} repeats ± the standard deviation between them, "
        "with 95% t intervals of the mean over repeats (not cut at 0 or 1); the best of a column "
        "in bold."
    ]
    by_scenario: dict[str, list[Mapping[str, Any]]] = {}
    for (scenario, _), test in tests.items():
        by_scenario.setdefault(scenario, []).append(test)
    said = [tested_against(made, "repeats") for made in by_scenario.values()]
    lines += [line for one in dict.fromkeys(said) for line in ("", f"p: {one}")]
    lines += ["", *summarise_repeats(results), "", *interval_meanings(results)]
    lines += [f"- {note}" for note in results.get("notes", [])]
    return "\n".join(lines) + "\n"


def _values(row: Row) -> list[str]:
    cells = []
    for cell in row.cells:
        value = f"**{cell.value}**" if cell.best else cell.value
        limits = "; ".join(filter(None, (cell.interval, cell.wider)))
        cells.append(f"{value} ({limits})" if limits else value)
    return cells


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
