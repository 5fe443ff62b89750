"""The table of models and metrics: which rows may be compared, and which value is the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from beekit.report import numbers
from beekit.report.settings import MARK, reaches_all, settings_caption
from beekit.results import lower_is_better, metric_names


class Cell(NamedTuple):
    """A metric of a model: its value and intervals as text, and whether it is the best."""

    value: str
    interval: str | None = None
    best: bool = False
    wider: str | None = None  # the interval over users and items


class Row(NamedTuple):
    """A model of a run, with a cell for each metric of the table."""

    run: str
    model: str
    cells: Sequence[Cell]


class Group(NamedTuple):
    """Rows that may be compared, because they have the same users, targets and candidates."""

    scenario: str
    dataset: str
    split_hash: str
    users: str
    rows: Sequence[Row]
    settings: str | None = None  # a sentence on how the settings of each model were chosen


class Table(NamedTuple):
    """Groups of rows with the same columns."""

    metrics: Sequence[str]
    groups: Sequence[Group]

    @property
    def wider(self) -> bool:
        """Whether any cell has an interval over users and items."""
        rows = (row for group in self.groups for row in group.rows)
        return any(cell.wider for row in rows for cell in row.cells)

    @property
    def errors(self) -> bool:
        """Whether the metrics are errors of predicted ratings."""
        return all(map(lower_is_better, self.metrics))

    @property
    def settings(self) -> dict[str, list[str]]:
        """The sentences on how settings were chosen, each with the groups that it is about."""
        said: dict[str, list[str]] = {}
        for group in self.groups:
            if group.settings:
                said.setdefault(group.settings, []).append(f"{group.dataset} {group.scenario}")
        return said


def results_table(
    results: Sequence[Mapping[str, Any]], names: Sequence[str], *, spread: bool = False
) -> Table:
    """All rows of all runs, grouped by dataset, split and scenario in order of appearance.

    The best value of each group is marked if at least two models have finite values; equal values
    are all marked. With `spread`, values are means over repeats and get their standard deviation.
    """
    metrics = metric_names(row for result in results for row in result["rows"])
    grouped: dict[tuple[str, ...], list[tuple[str, Mapping[str, Any]]]] = {}
    splits: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for result, name in zip(results, names, strict=True):
        dataset, split = result["dataset"], result["split"]
        for row in result["rows"]:
            shown = (row.get("scenario", ""), dataset["name"], split["hash"])
            same = (*shown, str(dataset.get("fingerprint")))
            grouped.setdefault(same, []).append((name, row))
            splits[same] = split
    groups = []
    for key, members in grouped.items():
        scenario, dataset_name, split_hash, _ = key
        rows = [row for _, row in members]
        best = {name: _best(rows, name) for name in metrics}
        cells = [
            Row(run, row["model"], [_cell(row["metrics"].get(m), best[m], spread) for m in metrics])
            for run, row in members
        ]
        users = sorted({row["users"] for row in rows if numbers.is_finite(row.get("users"))})
        range_of_users = "–".join(map(numbers.count, users[:1] + users[1:][-1:]))
        settings = settings_caption(rows, splits[key])
        groups.append(Group(scenario, dataset_name, split_hash, range_of_users, cells, settings))
    return Table(metrics, groups)


def _best(rows: Sequence[Mapping[str, Any]], metric: str) -> float | None:
    values = [row["metrics"][metric]["value"] for row in rows if metric in row["metrics"]]
    finite = [value for value in values if numbers.is_finite(value)]
    best = min if lower_is_better(metric) else max
    return best(finite) if len(finite) > 1 else None


def _cell(metric: Mapping[str, Any] | None, best: float | None, spread: bool) -> Cell:
    if metric is None:
        return Cell(numbers.MISSING)
    value = metric["value"]
    limits, wider = (numbers.interval(metric.get(key), value) for key in ("ci95", "ci95_items"))
    text = numbers.with_spread(metric) if spread else numbers.measure(value)
    text += MARK if reaches_all(metric) else ""
    return Cell(text, limits, best is not None and value == best, wider)
