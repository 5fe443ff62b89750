"""The result in two or three plain sentences, every number taken from the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from beekit.report import numbers
from beekit.results import (
    FINE_TUNED,
    POPULARITY,
    PRETRAINED,
    RANDOM,
    main_metric,
    metric_names,
    part_of,
)
from beekit.split import said_of

_BASELINES = (RANDOM, POPULARITY)


def summarise(result: Mapping[str, Any]) -> list[str]:
    """Sentences on the main metric: who was asked, fine-tuned against pretrained, the baselines.

    Speaks of one scenario, that of the first fine-tuned row (of the first row without one).
    """
    rows = result["rows"]
    metric = main_metric(metric_names(rows))
    if metric is None:
        return ["Nothing was held out, so nothing was measured."]
    scenario = next((row for row in rows if row["model"] == FINE_TUNED), rows[0]).get("scenario")
    measured = {
        row["model"]: row["metrics"][metric]
        for row in rows
        if row.get("scenario") == scenario
        and metric in row["metrics"]
        and numbers.is_finite(row["metrics"][metric]["value"])
    }
    users = next(row.get("users") for row in rows if row.get("scenario") == scenario)
    setting = _setting(result["split"], scenario or "", users)
    if not measured:
        return [f"{setting}, {metric} has no finite value for any model."]
    if FINE_TUNED not in measured:
        return [*_without_tuned(setting, metric, measured), *_baselines(measured, None)]
    sentences = [_headline(setting, metric, measured)]
    sentences += _paired(result.get("comparisons", ()), metric)
    sentences += _baselines(measured, FINE_TUNED)
    best = max(measured, key=lambda model: measured[model]["value"])
    if best not in (FINE_TUNED, PRETRAINED, *_BASELINES) and _value(measured, best) > _value(
        measured, FINE_TUNED
    ):
        sentences.append(
            f"The highest value in the table is that of {best}, {_stated(measured[best])}."
        )
    return sentences


def _setting(split: Mapping[str, Any], scenario: str, users: Any) -> str:
    part = split.get(part_of(scenario))
    candidates = part.get("candidates") if isinstance(part, Mapping) else None
    asked = f"For {numbers.count(users)} users" if numbers.is_finite(users) else "For these users"
    if not numbers.is_finite(candidates):
        return asked
    kind = said_of(split, "candidates") or "candidate items"
    return f"{asked} and {numbers.count(candidates)} {kind}"


def _headline(setting: str, metric: str, measured: Mapping[str, Mapping[str, Any]]) -> str:
    start = f"{setting}, {metric} is {_stated(measured[FINE_TUNED])} with the fine-tuned encoder"
    if PRETRAINED not in measured:
        return f"{start}; there is no row of the encoder before training to compare it with."
    both = f"{start} and {_stated(measured[PRETRAINED])} with the encoder as it came"
    before = _value(measured, PRETRAINED)
    if before <= 0:
        return f"{both}."
    return f"{both}: {numbers.ratio(_value(measured, FINE_TUNED) / before)} times as much."


def _paired(comparisons: Sequence[Mapping[str, Any]], metric: str) -> list[str]:
    for paired in comparisons:
        if (paired["metric"], paired["first"], paired["second"]) != (
            metric,
            FINE_TUNED,
            PRETRAINED,
        ):
            continue
        ends, over = numbers.widest(paired)
        limits = numbers.interval(ends)
        if ends is None or limits is None or not numbers.is_finite(paired["difference"]):
            return []
        difference = numbers.difference(paired["difference"])
        return [
            f"Paired by user, the difference is {difference} (95% interval{over} {limits}"
            f"{_p_values(paired)}); {_verdict(paired, ends[0], ends[1], over)}."
        ]
    return []


def _p_values(paired: Mapping[str, Any]) -> str:
    if not numbers.is_finite(paired.get("p_holm")):
        return ""
    raw = numbers.p_value(paired.get("p_value"))
    return f"; p over users {numbers.p_value(paired['p_holm'])} by Holm's correction, raw {raw}"


def _verdict(paired: Mapping[str, Any], low: float, high: float, over: str) -> str:
    """Whether the two differ: by Holm's p-value for these items, by the interval for others."""
    apart = low > 0 or high < 0
    if numbers.is_finite(paired.get("p_holm")) and paired["p_holm"] >= 0.05:
        return "these users do not tell the two apart"
    if high < 0:
        return "fine-tuning made this metric worse"
    if apart:
        return "zero lies outside that interval"
    if over and numbers.is_finite(paired.get("p_holm")):
        return (
            "these users tell the two apart on these items, but zero lies inside that interval, so "
            "on other items it may be otherwise"
        )
    return "zero lies inside that interval, so these users do not tell the two apart"


def _baselines(measured: Mapping[str, Mapping[str, Any]], model: str | None) -> list[str]:
    baselines = [name for name in _BASELINES if name in measured]
    if not baselines:
        return []
    values = " and ".join(f"{name} {numbers.measure(_value(measured, name))}" for name in baselines)
    if model is None:
        return [f"Baselines that any model should beat: {values}."]
    unbeaten = [name for name in baselines if not _clears(measured[model], measured[name])]
    if unbeaten:
        verdict = f"the {model} encoder is not clearly above {' or '.join(unbeaten)}"
    else:
        above = "both" if len(baselines) == 2 else "it"
        verdict = f"the {model} encoder is above {above}, and the intervals do not overlap"
    return [f"Baselines that any model should beat: {values}; {verdict}."]


def _without_tuned(
    setting: str, metric: str, measured: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    best = max(measured, key=lambda model: measured[model]["value"])
    among = f" of {len(measured)} models" if len(measured) > 1 else ""
    return [f"{setting}, the highest {metric}{among} is that of {best}, {_stated(measured[best])}."]


def _clears(above: Mapping[str, Any], below: Mapping[str, Any]) -> bool:
    low = (numbers.widest(above)[0] or [above["value"]])[0]
    high = (numbers.widest(below)[0] or [below["value"]])[-1]
    return bool(numbers.is_finite(low) and numbers.is_finite(high) and low > high)


def _value(measured: Mapping[str, Mapping[str, Any]], model: str) -> float:
    return float(measured[model]["value"])


def _stated(metric: Mapping[str, Any]) -> str:
    ends, over = numbers.widest(metric)
    limits = numbers.interval(ends, metric["value"])
    value = numbers.measure(metric["value"])
    return f"{value} (95% interval{over} {limits})" if limits else value
