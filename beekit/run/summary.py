"""The end of a run on a terminal: a short table, and where to look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from beekit.report.repeats import summarise_repeats
from beekit.report.settings import MARK, reaches_all, settings_caption
from beekit.results import is_repeated, part_of, rows_by_scenario
from beekit.run_folder import RunFolder

_SHOWN = 4


def print_summary(folder: RunFolder) -> None:
    """Print the first metrics of every row, and the paths of report and model."""
    results = folder.read_results()
    if is_repeated(results):
        _print_repeats(folder, results)
        return
    for own in folder.dataset_folders():
        print(f"\n{own.path.name}" if own != folder else "")
        results = own.read_results()
        print(summary_table(results))
        _print_notes(results)
    print(f"\nreport  {folder.report}")
    print(f"model   {folder.model}\n" if folder.model.is_dir() else "")


def _print_repeats(folder: RunFolder, results: Mapping[str, Any]) -> None:
    for scenario, rows in rows_by_scenario(results["rows"]).items():
        names = list(rows[0]["metrics"])[:_SHOWN]
        cells = [
            [
                row["model"],
                *(f"{m['value']:.4f} ±{m['spread']:.4f}" for m in map(row["metrics"].get, names)),
            ]
            for row in rows
        ]
        print(f"\n{scenario}\n{_aligned([['', *names], *cells])}")
        print(settings_caption(rows, results["split"]))
    count = results["repeats"]["count"]
    print(f"(mean over {count} repeats; ± is the standard deviation between them)\n")
    print("\n".join(summarise_repeats(results)))
    _print_notes(results)
    print(f"\nreport  {folder.report}")
    each = [folder.path / one for one in results["repeats"]["folders"]]
    print(f"repeats {each[0]} to {each[-1].name}\n")


def _print_notes(results: Mapping[str, Any]) -> None:
    """Print the notes, how many models have no row, and of each why."""
    for note in results.get("notes", []):
        print(f"note: {note}")
    left_out = results.get("left_out", [])
    if left_out:
        asked = len(left_out) + len({row["model"] for row in results["rows"]})
        print(f"\n{len(left_out)} OF {asked} MODELS ARE NOT IN THIS TABLE")
    for left in left_out:
        print(f"left out: {left['model']}, {left['reason']}")


def summary_table(results: Mapping[str, Any]) -> str:
    """Models by metrics as aligned text, with half the width of the wider 95% interval.

    That is the one over users and items where a metric has it, and the one over users elsewhere.
    """
    groups = rows_by_scenario(results["rows"])
    tables = [_table(rows, results["split"], scenario) for scenario, rows in groups.items()]
    return "\n\n".join(tables) or "nothing was held out, so nothing was measured"


def _table(rows: Sequence[Mapping[str, Any]], split: Mapping[str, Any], scenario: str) -> str:
    names = list(rows[0]["metrics"])[:_SHOWN]
    part = part_of(scenario)
    table = [["" if part == "test" else part, *names]]
    for row in rows:
        cells = []
        for name in names:
            metric = row["metrics"][name]
            low, high = metric.get("ci95_items", metric["ci95"])
            half = (high - low) / 2
            mark = MARK if reaches_all(metric) else ""
            cells.append(f"{metric['value']:.4f}{mark} ±{half:.4f}")
        table.append([row["model"], *cells])
    held = split[part]
    counted = f"{held['users']:,} test users, {held['candidates']:,} candidate items"
    if "ratings" in rows[0]:
        counted = f"{rows[0]['ratings']:,} ratings of {rows[0]['users']:,} users"
    said = f"({counted}; ± is half a 95% interval over {_over(rows, names)})"
    return "\n".join([_aligned(table), said, *filter(None, [settings_caption(rows, split)])])


def _aligned(table: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, numbers at the right."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    return "\n".join(
        "  ".join(
            [
                line[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True)),
            ]
        )
        for line in table
    )


def _over(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """What the intervals of the metrics shown are over."""
    narrow = [n for n in names if not all("ci95_items" in row["metrics"][n] for row in rows)]
    if len(narrow) == len(names):
        return "users"
    return "users and items" + (f", of {', '.join(narrow)} over users" if narrow else "")
