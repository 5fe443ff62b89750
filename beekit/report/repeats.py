"""What a report says of several repeats: a table with their spread, a plot, the order of models."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from beekit.report import figures, numbers
from beekit.report.meaning import main_metric, tested_against
from beekit.report.p_values import TESTS, p_values, tests_of
from beekit.report.settings import settings_caption
from beekit.report.table import metric_names
from beekit.split import said_of

_SEEDS = "the seeds of training"
# Pairs of models that a sentence names.
_PAIRS = 5
# What a row says beside its metrics, where it does.
_BESIDES = ("fit_seconds", "fit_memory_mb", "seconds", "settings_chosen")


def repeats_part(result: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What the template says of repeats.

    Args:
        result: the content of `results.json` of a folder with repeats.
        key: unique on the page; prefixes the ids inside.
    """
    repeats, main = result["repeats"], main_metric(metric_names(result["rows"]))
    return {
        "count": repeats["count"],
        "metrics": metric_names(result["rows"]),
        "groups": _groups(result),
        "figures": [
            figures.repeats_figure(rows, main, f"{key}-repeats-{number}")
            for number, (scenario, rows) in enumerate(_scenarios(result))
            if main is not None and scenario.rpartition("/")[2] == "test"
        ],
        "main": main,
        "comparisons": result["comparisons"],
        "meaning": interval_meanings(result),
        "each": list(zip(repeats["folders"], repeats["seeds"], repeats["splits"], strict=True)),
        "trained": bool(result.get("training")),
    }


def interval_meanings(result: Mapping[str, Any]) -> list[str]:
    """A sentence on what the interval over repeats says, and one on that over users."""
    count = result["repeats"]["count"]
    return [
        f"The interval over repeats says where the mean over all draws from this dataset lies, as "
        f"far as {count} of them tell: {_drawn(result)} changed from one to the next, the "
        "interactions and the catalog did not"
        + (
            ", nor did a model that draws nothing."
            if said_of(result["split"], "drawn") == ""
            else "."
        ),
        "The interval over users that each repeat's own report shows says how far its average "
        "depends on which users were asked, with what was held out and learnt as it is: it cannot "
        "tell how another draw would come out.",
    ]


def summarise_repeats(result: Mapping[str, Any]) -> list[str]:
    """The best model, how far it is ahead of the next, and whether the order holds."""
    count = result["repeats"]["count"]
    if not result["order"]:
        return [f"{count} repeats, without a metric that is an average over users."]
    return [
        sentence for order in result["order"] for sentence in _of_scenario(result, order, count)
    ]


def _of_scenario(result: Mapping[str, Any], order: Mapping[str, Any], count: int) -> Iterator[str]:
    metric, models, scenario = order["metric"], order["models"], order["scenario"]
    named = {row["model"]: row for row in result["rows"] if row["scenario"] == scenario}
    among = f" of {len(models)} models" if len(models) > 1 else ""
    where = f" on {scenario}" if len(result["order"]) > 1 else ""
    yield (
        f"Over {count} repeats, the highest mean {metric}{among}{where} is that of {models[0]}, "
        f"{_stated(named[models[0]]['metrics'][metric])}."
    )
    paired = next((c for c in result["comparisons"] if c["scenario"] == scenario), None)
    if paired is not None and paired["difference"] == 0:
        yield f"{paired['second']} has the same mean."
    elif paired is not None:
        limits = numbers.interval(paired["ci95"], paired["difference"])
        p_holm = paired.get("p_holm")
        yield (
            f"It is ahead of the next, {paired['second']}, by "
            f"{numbers.difference(paired['difference'])}"
            + (f" (95% interval over repeats {limits})" if limits else "")
            + f", and above it in {paired['held']} of {count} repeats"
            + (
                f" (p {numbers.p_value(p_holm)} by Holm's correction)."
                if p_holm is not None
                else "."
            )
        )
    yield from _order(order, result)


def _order(order: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """Whether all models keep their order, and who does not."""
    count, where = result["repeats"]["count"], ""
    if len(order["models"]) < 2:
        return []
    if len(result["order"]) > 1:
        where = f" on {order['scenario']}"
    if order["same"]:
        return [f"The order of the models by {order['metric']}{where} is the same in every repeat."]
    swaps = sorted(order["swaps"], key=lambda swap: -len(swap["repeats"]))
    pairs = [
        f"{swap['first']} and {swap['second']} in {len(swap['repeats'])}" for swap in swaps[:_PAIRS]
    ]
    if swaps[_PAIRS:]:
        pairs.append(f"{len(swaps) - _PAIRS} more, named in results.json")
    return [
        f"The order of the models by {order['metric']}{where} is not the same in every repeat. "
        f"Pairs whose order is not that of their means, and in how many of {count} repeats: "
        f"{'; '.join(pairs)}."
    ]


def csv_of_repeats(results: Mapping[str, Any]) -> str:
    """One line a row, full precision: mean, spread and interval of a metric, then each repeat's.

    The comparisons of the best model stand in the line of the other.
    """
    metrics, count = metric_names(results["rows"]), results["repeats"]["count"]
    besides = [name for name in _BESIDES if any(name in row for row in results["rows"])]
    tests = tests_of(results)
    against = [name for name in TESTS if any(name in test for test in tests.values())]
    parts = ("", " spread", " low", " high", *(f" repeat {i + 1}" for i in range(count)))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = [f"{metric}{part}" for metric in metrics for part in parts]
    writer.writerow(["scenario", "model", "users", *columns, *against, *besides])
    for row in results["rows"]:
        cells = [
            cell
            for m in (row["metrics"][metric] for metric in metrics)
            for cell in (m["value"], m["spread"], *m["ci95"], *m["values"])
        ]
        test = tests.get((row["scenario"], row["model"]), {})
        said = [test.get(name, "") for name in against] + [row.get(name, "") for name in besides]
        writer.writerow([row["scenario"], row["model"], row["users"], *cells, *said])
    return out.getvalue()


def markdown_of_repeats(results: Mapping[str, Any]) -> str:
    """A table a scenario: means ± spread with their intervals, then what they say together."""
    count, lines = results["repeats"]["count"], []
    tests = tests_of(results)
    for group in _groups(results):
        tested = any((group["scenario"], row["model"]) in tests for row in group["rows"])
        head = [*metric_names(results["rows"]), *(["p"] if tested else [])]
        lines += [
            f"{results['dataset']['name']}, {group['scenario']}, {group['users']} users on "
            f"average, {count} repeats",
            "",
            f"| model | {' | '.join(head)} |",
            f"| --- |{' ---: |' * len(head)}",
        ]
        for row in group["rows"]:
            cells = [_markdown(cell) for cell in row["cells"]]
            if tested:
                cells.append(p_values(tests.get((group["scenario"], row["model"]))))
            lines.append(f"| {row['model'].replace('|', chr(92) + '|')} | {' | '.join(cells)} |")
        lines += ["", *filter(None, [group["settings"]]), ""]
    lines.append(
        f"Means over {count} repeats ± the standard deviation between them, with 95% t intervals "
        "of the mean over repeats (not cut at 0 or 1); the best of a column in bold."
    )
    by_scenario: dict[str, list[Mapping[str, Any]]] = {}
    for (scenario, _), test in tests.items():
        by_scenario.setdefault(scenario, []).append(test)
    said = [tested_against(made, "repeats") for made in by_scenario.values()]
    lines += [line for one in dict.fromkeys(said) for line in ("", f"p: {one}")]
    lines += ["", *summarise_repeats(results), "", *interval_meanings(results)]
    lines += [f"- {note}" for note in results.get("notes", [])]
    return "\n".join(lines) + "\n"


def _markdown(cell: Mapping[str, Any]) -> str:
    value = f"**{cell['value']}**" if cell["best"] else cell["value"]
    return f"{value} ({cell['interval']})" if cell["interval"] else value


def _groups(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows by scenario, their cells as text."""
    groups = []
    for scenario, rows in _scenarios(result):
        metrics = metric_names(rows)
        best = {m: max(row["metrics"][m]["value"] for row in rows) for m in metrics if rows[1:]}
        groups.append(
            {
                "scenario": scenario,
                "users": numbers.count(rows[0]["users"]),
                "settings": settings_caption(rows, result["split"]),
                "rows": [
                    {
                        "model": row["model"],
                        "cells": [_cell(row["metrics"][m], best.get(m)) for m in metrics],
                    }
                    for row in rows
                ],
            }
        )
    return groups


def _cell(metric: Mapping[str, Any], best: float | None) -> dict[str, Any]:
    return {
        "value": f"{numbers.measure(metric['value'])} ± {numbers.measure(metric['spread'])}",
        "interval": numbers.interval(metric["ci95"], metric["value"]),
        "best": metric["value"] == best,
    }


def _scenarios(result: Mapping[str, Any]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    names = dict.fromkeys(row["scenario"] for row in result["rows"])
    return [(name, [row for row in result["rows"] if row["scenario"] == name]) for name in names]


def _drawn(result: Mapping[str, Any]) -> str:
    drawn = said_of(result["split"], "drawn")
    drawn = "what is held out" if drawn is None else drawn
    return f"{drawn} and {_SEEDS}" if drawn else _SEEDS


def _stated(metric: Mapping[str, Any]) -> str:
    cell = _cell(metric, None)
    return f"{cell['value']}" + (
        f" (95% interval over repeats {cell['interval']})" if cell["interval"] else ""
    )
