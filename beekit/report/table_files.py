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
from beekit.report.repeats import interval_meanings, summarise_repeats
from beekit.report.settings import NOT_STATED
from beekit.report.table import Cell, Group, results_table
from beekit.results import is_repeated, metric_names, rows_by_scenario
from beekit.run_folder import TABLE_CSV, TABLE_MARKDOWN

# The keys that a row may have besides its metrics.
_COSTS = ("fit_seconds", "fit_memory_mb", "parameters", "seconds")
_SETTINGS = "settings_chosen"
# The keys of the p-values of a comparison.
_TESTS = ("p_value", "p_holm")

Tests = Mapping[tuple[str, str], Mapping[str, Any]]


def write_tables(results: Mapping[str, Any], folder: str | Path) -> None:
    """Write `table.csv` and `table.md` of a run's results into a folder."""
    write_text(Path(folder) / TABLE_CSV, csv_table(results))
    write_text(Path(folder) / TABLE_MARKDOWN, markdown_table(results))


def csv_table(results: Mapping[str, Any]) -> str:
    """One line for each row of the results, in full precision: values and both ends of intervals.

    `low` and `high` are the interval over users, `low items` and `high items` that over users and
    items. For repeats the columns are the mean, its spread and interval, and the value of each
    repeat. The p-values of a comparison with the best model are in the line of the other model.
    """
    rows, repeated = results["rows"], is_repeated(results)
    metrics, tests = metric_names(rows), _tests_of(results)
    against = [name for name in _TESTS if any(name in test for test in tests.values())]
    besides = [name for name in (*_COSTS, _SETTINGS) if any(name in row for row in rows)]
    if repeated:
        count = results["repeats"]["count"]
        parts = ["", " spread", " low", " high", *(f" repeat {i + 1}" for i in range(count))]
        unstated = dict.fromkeys(besides, "")
    else:
        parts = ["", " low", " high", " low items", " high items"]
        unstated = {**dict.fromkeys(besides, ""), _SETTINGS: NOT_STATED}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = [f"{metric}{part}" for metric in metrics for part in parts]
    writer.writerow(["scenario", "model", "users", *columns, *against, *unstated])
    for row in rows:
        cells: list[Any] = []
        for measured in (row["metrics"].get(metric) for metric in metrics):
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
        cells += [row.get(name, otherwise) for name, otherwise in unstated.items()]
        writer.writerow([row["scenario"], row["model"], row["users"], *cells])
    return out.getvalue()


def markdown_table(results: Mapping[str, Any]) -> str:
    """A table for each scenario: values with 95% intervals, and the best of a column in bold."""
    repeated, tests = is_repeated(results), _tests_of(results)
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
    """The table of one scenario, with p-values and costs if there are any."""
    tested = any((group.scenario, row.model) in tests for row in group.rows)
    fitted = any("fit_seconds" in row for row in costs.values())
    counted = any("parameters" in row for row in costs.values())
    head = ["model", *metrics, *["p"] * tested, *["fit", "memory"] * fitted]
    head += ["parameters"] * counted
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for row in group.rows:
        at = (group.scenario, row.model)
        cells = [row.model.replace("|", "\\|"), *map(_cell, row.cells)]
        cells += [_p_values(tests.get(at))] * tested
        if fitted and "fit_seconds" in costs[at]:
            memory = numbers.memory(costs[at].get("fit_memory_mb"))
            cells += [numbers.duration(costs[at]["fit_seconds"]), memory]
        elif fitted:
            cells += ["", ""]
        cells += [numbers.count(costs.get(at, {}).get("parameters"))] * counted
        lines.append(cells)
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _of_one(results: Mapping[str, Any], wider: bool, tests: Tests) -> str:
    """The text below the tables of one run."""
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
    """The text below the tables of several repeats."""
    lines = [
        f"Means over {results['repeats']['count']} repeats ± the standard deviation between them, "
        "with 95% t intervals of the mean over repeats (not cut at 0 or 1); the best of a column "
        "in bold."
    ]
    made = rows_by_scenario(tests.values()).values()
    said = dict.fromkeys(tested_against(one, "repeats") for one in made)
    lines += [line for one in said for line in ("", f"p: {one}")]
    lines += ["", *summarise_repeats(results), "", *interval_meanings(results)]
    lines += [f"- {note}" for note in results.get("notes", [])]
    return "\n".join(lines) + "\n"


def _cell(cell: Cell) -> str:
    value = f"**{cell.value}**" if cell.best else cell.value
    limits = "; ".join(filter(None, (cell.interval, cell.wider)))
    return f"{value} ({limits})" if limits else value


def _tests_of(results: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The comparison of the best model of a scenario with each other one, by (scenario, model)."""
    made = results.get("comparisons") or []
    if len({test["metric"] for test in made}) != 1:
        return {}
    usual = f"{results['split']['kind']}/test"
    return {(test.get("scenario", usual), test["second"]): test for test in made}


def _p_values(test: Mapping[str, Any] | None) -> str:
    """A cell with Holm's p-value and the raw one; empty if there is no test."""
    if not test:
        return ""
    raw = numbers.p_value(test.get("p_value"))
    return f"{numbers.p_value(test['p_holm'])} (raw {raw})" if "p_holm" in test else f"raw {raw}"
