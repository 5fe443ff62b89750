"""A summary of the results in two or three sentences; every number comes from the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from beekit.report import numbers
from beekit.results import (
    BASELINES,
    FINE_TUNED,
    PRETRAINED,
    best_first,
    main_metric,
    metric_names,
    part_of,
    predicts_ratings,
    word_for_best,
)
from beekit.split import said_of

# The values of a metric by model.
Measured = Mapping[str, Mapping[str, Any]]


def summarise(result: Mapping[str, Any]) -> list[str]:
    """Sentences on the main metric: users and candidates, fine-tuned and pretrained, baselines.

    They are about one scenario: that of the first fine-tuned row, or of the first row if no row is
    fine-tuned.
    """
    rows = result["rows"]
    metric = main_metric(metric_names(rows))
    if metric is None:
        return ["Nothing was held out, so nothing was measured."]
    scenario = next((row for row in rows if row["model"] == FINE_TUNED), rows[0]).get("scenario")
    alike = [row for row in rows if row.get("scenario") == scenario]
    found = {row["model"]: row["metrics"][metric] for row in alike if metric in row["metrics"]}
    measured = {model: one for model, one in found.items() if numbers.is_finite(one["value"])}
    setting = _setting(result["split"], scenario or "", alike[0].get("users"))
    if predicts_ratings(result):
        count, users = (numbers.count(alike[0].get(name)) for name in ("ratings", "users"))
        setting = f"For {count} ratings of {users} users"
    if not measured:
        return [f"{setting}, {metric} has no finite value for any model."]
    best = best_first({model: one["value"] for model, one in measured.items()}, metric)[0]
    highest = f"that of {best}, {_stated(measured[best])}."
    if FINE_TUNED not in measured:
        among = f" of {len(measured)} models" if len(measured) > 1 else ""
        word = word_for_best(metric)
        return [f"{setting}, the {word} {metric}{among} is {highest}", *_baselines(measured)]
    sentences = [_headline(setting, metric, measured)]
    sentences += [*_paired(result.get("comparisons", ()), metric), *_baselines(measured)]
    ahead = measured[best]["value"] > measured[FINE_TUNED]["value"]
    if ahead and best not in (PRETRAINED, *BASELINES):
        sentences.append(f"The highest value in the table is {highest}")
    return sentences


def _setting(split: Mapping[str, Any], scenario: str, users: Any) -> str:
    part = split.get(part_of(scenario))
    candidates = part.get("candidates") if isinstance(part, Mapping) else None
    asked = f"For {numbers.count(users)} users" if numbers.is_finite(users) else "For these users"
    if not numbers.is_finite(candidates):
        return asked
    kind = said_of(split, "candidates") or "candidate items"
    return f"{asked} and {numbers.count(candidates)} {kind}"


def _headline(setting: str, metric: str, measured: Measured) -> str:
    start = f"{setting}, {metric} is {_stated(measured[FINE_TUNED])} with the fine-tuned encoder"
    if PRETRAINED not in measured:
        return f"{start}; there is no row of the encoder before training to compare it with."
    both = f"{start} and {_stated(measured[PRETRAINED])} with the encoder before training"
    before = measured[PRETRAINED]["value"]
    if before <= 0:
        return f"{both}."
    return f"{both}: {numbers.ratio(measured[FINE_TUNED]['value'] / before)} times as much."


def _paired(comparisons: Sequence[Mapping[str, Any]], metric: str) -> list[str]:
    wanted = (metric, FINE_TUNED, PRETRAINED)
    paired: Mapping[str, Any] = next(
        (one for one in comparisons if (one["metric"], one["first"], one["second"]) == wanted), {}
    )
    ends, over = numbers.widest(paired)
    limits = numbers.interval(ends)
    if ends is None or limits is None or not numbers.is_finite(paired["difference"]):
        return []
    difference, p_holm, test = numbers.difference(paired["difference"]), paired.get("p_holm"), ""
    if numbers.is_finite(p_holm):
        raw = numbers.p_value(paired.get("p_value"))
        test = f"; p over users {numbers.p_value(p_holm)} with Holm's correction, raw {raw}"
    return [
        f"Paired by user, the difference is {difference} (95% interval{over} {limits}{test}); "
        f"{_verdict(p_holm, ends[0], ends[1], over)}."
    ]


def _verdict(p_holm: Any, low: float, high: float, over: str) -> str:
    """Whether the two differ: on these items by Holm's p-value, on others by the interval."""
    if numbers.is_finite(p_holm) and p_holm >= 0.05:
        return "so this test does not show a difference between the two"
    if high < 0:
        return "fine-tuning made this metric worse"
    if low > 0:
        return "zero lies outside that interval"
    if over and numbers.is_finite(p_holm):
        return (
            "the test shows a difference on these items, but zero lies inside that interval, so "
            "there may be none on other items"
        )
    return "zero lies inside that interval, so this does not show a difference between the two"


def _baselines(measured: Measured) -> list[str]:
    """The values of the baselines, and whether the fine-tuned encoder, if any, is above them."""
    baselines = [name for name in BASELINES if name in measured]
    if not baselines:
        return []
    values = " and ".join(
        f"{name} {numbers.measure(measured[name]['value'])}" for name in baselines
    )
    if FINE_TUNED not in measured:
        return [f"Baselines that any model should beat: {values}."]
    unbeaten = [name for name in baselines if not _clears(measured[FINE_TUNED], measured[name])]
    if unbeaten:
        verdict = f"not clearly above {' or '.join(unbeaten)}"
    else:
        verdict = (
            f"above {'both' if len(baselines) == 2 else 'it'}, and the intervals do not overlap"
        )
    sentence = (
        f"Baselines that any model should beat: {values}; the {FINE_TUNED} encoder is {verdict}."
    )
    return [sentence]


def _clears(above: Mapping[str, Any], below: Mapping[str, Any]) -> bool:
    low = (numbers.widest(above)[0] or [above["value"]])[0]
    high = (numbers.widest(below)[0] or [below["value"]])[-1]
    return bool(numbers.is_finite(low) and numbers.is_finite(high) and low > high)


def _stated(metric: Mapping[str, Any]) -> str:
    ends, over = numbers.widest(metric)
    limits = numbers.interval(ends, metric["value"])
    value = numbers.measure(metric["value"])
    return f"{value} (95% interval{over} {limits})" if limits else value
