"""The content of `results.json` over several repeats."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from beekit.errors import RunError
from beekit.evaluation.comparisons import holm
from beekit.evaluation.repeats import compare_repeats, order_over_repeats, over_repeats
from beekit.results import (
    compose_results,
    joint_hash,
    lower_is_better,
    main_metric,
    part_of,
    rows_by_scenario,
)

# What a row says of its cost.
_COSTS = ("seconds", "fit_seconds", "fit_memory_mb", "parameters")
# And of what it was measured on.
_COUNTS = ("users", "ratings")
# Numbers of `beekit.models.early_stopping.Learning` that have a mean.
_OF_EPOCHS = ("best_epoch", "epochs", "of", "value", "seconds", "seconds_to_best")
# Of a single training.
_CURVES = ("loss_curve", "validation_curve")

Results = Mapping[str, Any]


def join_results(
    each: Sequence[Results], *, folders: Sequence[str], seeds: Sequence[int]
) -> dict[str, Any]:
    """Rows with means over repeats, their intervals and spread, and what repeats say of the models.

    Users, counts of the split and costs are means over repeats. A model that some repeat left out
    has no row, and is named under `left_out`. Of settings, environment and training there is what
    all repeats have in common. `each` is the content of `results.json` of every repeat, and `seeds`
    are those of their splits.
    """
    measured = [{(row["scenario"], row["model"]): row for row in one["rows"]} for one in each]
    shared = [label for label in measured[0] if all(label in one for one in measured)]
    rows = [_row([one[label] for one in measured]) for label in shared]
    if not rows:
        found = f"no model that all of {len(each)} repeats could fit"
        remedy = "See the results.json of each repeat."
        raise RunError(found, expected="at least one", remedy=remedy)
    hashes = [str(one["split"]["hash"]) for one in each]
    left_out = _left_out(each)
    notes = _notes([one.get("notes", []) for one in each])
    training = {
        name: value
        for name, value in _common([one.get("training", {}) for one in each]).items()
        if name not in _CURVES
    }
    return compose_results(
        task=each[0].get("task"),
        dataset=each[0]["dataset"],
        split=_split([one["split"] for one in each], hashes),
        environment=_common([one["environment"] for one in each]),
        repeats={
            "count": len(each),
            "seeds": list(seeds),
            "splits": hashes,
            "folders": list(folders),
            "users": "mean",
        },
        rows=rows,
        note=each[0].get("note"),
        notes=notes or None,
        left_out=left_out or None,
        training=training or None,
        **_findings(rows),
    )


def _notes(each: Sequence[Sequence[str]]) -> list[str]:
    """Each note once; in front of one that is not of all repeats, the first repeat it is of."""
    found: dict[str, str] = {}
    for number, notes in enumerate(each, 1):
        for note in notes:
            shared = all(note in other for other in each)
            found.setdefault(note, note if shared else f"repeat {number}: {note}")
    return list(found.values())


def require_alike(folders: Sequence[Path], each: Sequence[Results]) -> None:
    """Refuse repeats of other data, scenarios or metrics than the first."""
    for folder, one in zip(folders, each, strict=False):
        for what, here, first in (
            ("dataset", one["dataset"]["fingerprint"], each[0]["dataset"]["fingerprint"]),
            ("set of metrics or scenarios", _measured(one), _measured(each[0])),
        ):
            if here != first:
                found = f"{folder} has another {what} than {folders[0]}"
                remedy = "Restore what was changed and remove that repeat, or start anew."
                raise RunError(found, expected="the same in all repeats", remedy=remedy)


def _measured(results: Results) -> set[tuple[str, str]]:
    return {(row["scenario"], metric) for row in results["rows"] for metric in row["metrics"]}


def _left_out(each: Sequence[Results]) -> list[dict[str, Any]]:
    """Models without a row, with the repeats they are missing from."""
    missing: dict[str, dict[int, str]] = {}
    for number, results in enumerate(each, start=1):
        for one in results.get("left_out", []):
            missing.setdefault(one["model"], {})[number] = one["reason"]
    return [
        {
            "model": model,
            "reason": f"in repeat {', '.join(map(str, reasons))} of {len(each)}: "
            + "; ".join(dict.fromkeys(reasons.values())),
            "repeats": list(reasons),
        }
        for model, reasons in missing.items()
    ]


def _row(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One model on one part, over repeats."""
    metrics = {}
    for name in rows[0]["metrics"]:
        values = over_repeats([row["metrics"][name]["value"] for row in rows])
        metrics[name] = {**dataclasses.asdict(values), "ci95": list(values.ci95)}
        metrics[name]["values"] = list(values.values)
        if any(row["metrics"][name].get("reaches_all") for row in rows):
            metrics[name]["reaches_all"] = True
    common = _common(rows)
    if all("learning" in row for row in rows):
        common["learning"] = _learning([row["learning"] for row in rows])
    if "settings" in rows[0]:
        common["settings"] = _common([row["settings"] for row in rows])
    return {
        "model": rows[0]["model"],
        "scenario": rows[0]["scenario"],
        **{name: _mean_count([row[name] for row in rows]) for name in _COUNTS if name in rows[0]},
        "metrics": metrics,
        "interval": "repeats",
        **{name: _mean_cost(rows, name) for name in _COSTS if all(name in row for row in rows)},
        **{k: v for k, v in common.items() if k not in (*_COSTS, *_COUNTS, "metrics")},
    }


def _learning(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How the epochs went over repeats: means, and what all have in common."""
    means = {name: float(np.mean([one[name] for one in each])) for name in _OF_EPOCHS}
    words = {k: v for k, v in _common(each).items() if k not in (*_OF_EPOCHS, "curve")}
    return {**means, **words}


def _split(splits: Sequence[Mapping[str, Any]], hashes: Sequence[str]) -> dict[str, Any]:
    """Kind and settings in common, counts as means, and one hash over those of the repeats."""
    counted = {
        name: {key: _mean_count([split[name][key] for split in splits]) for key in counts}
        for name, counts in splits[0].items()
        if name not in ("kind", "hash", "settings", "about")
    }
    return {
        **{key: splits[0][key] for key in ("kind", "about") if key in splits[0]},
        "hash": joint_hash(list(dict.fromkeys(hashes))),
        "settings": _common([split.get("settings", {}) for split in splits]),
        **counted,
    }


def _findings(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """On each test part, the best model against the others, and whether their order holds."""
    main = main_metric(rows[0]["metrics"])
    comparisons: list[dict[str, Any]] = []
    orders: list[dict[str, Any]] = []
    for scenario, measured in rows_by_scenario(rows).items():
        if main is None or part_of(scenario) != "test":
            continue
        values = {row["model"]: row["metrics"][main]["values"] for row in measured}
        errors = lower_is_better(main)
        order = order_over_repeats(values, lower_is_better=errors)
        about = {"metric": main, "scenario": scenario}
        orders.append({**about, **dataclasses.asdict(order)})
        pairs = list(combinations(order.models, 2))
        compared = [
            compare_repeats(values[one], values[other], lower_is_better=errors)
            for one, other in pairs
        ]
        # The best is chosen from the values it is tested on, so all pairs count.
        corrected = holm([1.0 if one.p_value is None else one.p_value for one in compared])
        comparisons += [
            {
                **about,
                "first": pair[0],
                "second": pair[1],
                **dataclasses.asdict(paired),
                "p_holm": None if paired.p_value is None else float(p_holm),
                "family": len(pairs),
                "interval": "repeats",
            }
            for pair, paired, p_holm in zip(pairs, compared, corrected, strict=True)
            if pair[0] == order.models[0]
        ]
    return {"comparisons": comparisons, "order": orders}


def _mean_cost(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """The mean over repeats; None where one of them could not tell."""
    costs = [row[name] for row in rows]
    return None if None in costs else round(float(np.mean(costs)), 3)


def _mean_count(counts: Sequence[int]) -> int:
    return round(float(np.mean(counts)))


def _common(sections: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all of them say alike."""
    return {
        key: value
        for key, value in sections[0].items()
        if all(key in other and other[key] == value for other in sections)
    }
