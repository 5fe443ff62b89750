"""The part of a report on several repeats: a table with spread, a plot, the order of models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from beekit.report import figures, numbers
from beekit.report.table import results_table
from beekit.results import (
    lower_is_better,
    main_metric,
    metric_names,
    part_of,
    rows_by_scenario,
    word_for_best,
)
from beekit.split import said_of

_SEEDS = "the seeds of training"
# How many pairs of models a sentence names.
_PAIRS = 5


def repeats_part(result: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The content of the template for repeats; `key` is the prefix of ids in the page."""
    repeats, metrics = result["repeats"], metric_names(result["rows"])
    main = main_metric(metrics)
    return {
        "count": repeats["count"],
        "metrics": metrics,
        "groups": results_table([result], [""], spread=True).groups,
        "figures": [
            figures.repeats_figure(rows, main, f"{key}-repeats-{number}")
            for number, (scenario, rows) in enumerate(rows_by_scenario(result["rows"]).items())
            if main is not None and part_of(scenario) == "test"
        ],
        "main": main,
        "comparisons": result["comparisons"],
        "meaning": interval_meanings(result),
        "each": list(zip(repeats["folders"], repeats["seeds"], repeats["splits"], strict=True)),
        "trained": bool(result.get("training")),
    }


def interval_meanings(result: Mapping[str, Any]) -> list[str]:
    """A sentence on the meaning of the interval over repeats, and one on that over users."""
    drawn = said_of(result["split"], "drawn")
    drawn = "what is held out" if drawn is None else drawn
    changed = f"{drawn} and {_SEEDS}" if drawn else _SEEDS
    unchanged = "" if drawn else ", and neither did models without random numbers"
    return [
        "The interval over repeats is for the mean over all possible repeats with this dataset, "
        f"estimated from {result['repeats']['count']} of them: {changed} changed from one to the "
        f"next, the interactions and the catalog did not{unchanged}.",
        "The interval over users, in the report of each repeat, says how far its average depends "
        "on the test users, for this split and these trained models, and not how another repeat "
        "would come out.",
    ]


def summarise_repeats(result: Mapping[str, Any]) -> list[str]:
    """The best model, how far it is ahead of the next, and whether the order holds."""
    count = result["repeats"]["count"]
    if not result["order"]:
        return [f"There are {count} repeats, but no metric that is an average over users."]
    return [said for order in result["order"] for said in _of_scenario(result, order, count)]


def _of_scenario(result: Mapping[str, Any], order: Mapping[str, Any], count: int) -> Iterator[str]:
    metric, models, scenario = order["metric"], order["models"], order["scenario"]
    named = {row["model"]: row["metrics"] for row in result["rows"] if row["scenario"] == scenario}
    best = named[models[0]][metric]
    among = f" of {len(models)} models" if len(models) > 1 else ""
    where = f" on {scenario}" if len(result["order"]) > 1 else ""
    yield (
        f"Over {count} repeats, the {word_for_best(metric)} mean {metric}{among}{where} is that of "
        f"{models[0]}, "
        f"{numbers.with_spread(best)}{_over_repeats(best, best['value'])}."
    )
    paired = next((c for c in result["comparisons"] if c["scenario"] == scenario), None)
    if paired is not None and paired["difference"] == 0:
        yield f"{paired['second']} has the same mean."
    elif paired is not None and lower_is_better(metric):
        yield _below(paired, count)
    elif paired is not None:
        ahead, p_holm = paired["difference"], paired.get("p_holm")
        test = "" if p_holm is None else f" (p {numbers.p_value(p_holm)} with Holm's correction)"
        yield (
            f"It is ahead of the next, {paired['second']}, by {numbers.difference(ahead)}"
            f"{_over_repeats(paired, ahead)}, and above it in {paired['held']} of {count} repeats"
            f"{test}."
        )
    if len(models) > 1:
        yield _order(order, f"The order of the models by {metric}{where} is", count)


def _below(paired: Mapping[str, Any], count: int) -> str:
    """How far the model with the lowest error is from the next."""
    gap, p_holm = paired["difference"], paired.get("p_holm")
    test = "" if p_holm is None else f" (p {numbers.p_value(p_holm)} with Holm's correction)"
    return (
        f"Its difference from the next, {paired['second']}, is {numbers.difference(gap)}"
        f"{_over_repeats(paired, gap)}, and its error is the lower one in {paired['held']} of "
        f"{count} repeats{test}."
    )


def _order(order: Mapping[str, Any], start: str, count: int) -> str:
    """Whether all models keep their order, and which pairs do not."""
    if order["same"]:
        return f"{start} the same in every repeat."
    swaps = sorted(order["swaps"], key=lambda swap: -len(swap["repeats"]))
    pairs = [
        f"{swap['first']} and {swap['second']} in {len(swap['repeats'])}" for swap in swaps[:_PAIRS]
    ]
    if swaps[_PAIRS:]:
        pairs.append(f"{len(swaps) - _PAIRS} more, named in results.json")
    return (
        f"{start} not the same in every repeat. These pairs are not in the order of their means in "
        f"some of the {count} repeats: {'; '.join(pairs)}."
    )


def _over_repeats(metric: Mapping[str, Any], value: float) -> str:
    limits = numbers.interval(metric["ci95"], value)
    return f" (95% interval over repeats {limits})" if limits else ""
