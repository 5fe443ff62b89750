"""Sentences that explain the metrics, intervals and p-values in a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_METRICS = {
    "calibrated_recall": "Targets among the first k recommendations, divided by min(k, number of "
    "targets), so that 1 is always possible; the beeFormer and ELSA papers call this recall.",
    "recall": "Targets among the first k recommendations, divided by the number of targets.",
    "precision": "Targets among the first k recommendations, divided by k.",
    "ndcg": "The sum of 1 / log2(1 + rank) over the targets found (relevance is binary), divided "
    "by the same sum for an ideal list of min(k, number of targets) targets.",
    "mrr": "One over the rank of the first target found; 0 if there is none among the first k.",
    "hit_rate": "Share of users with at least one target among the first k recommendations.",
    "coverage": "Share of the candidate items that are on at least one user's list of k. It "
    "describes breadth, not accuracy: random lists cover the most.",
}
_ERRORS = {
    "rmse": "Root mean squared error: the root of the mean, over all hidden ratings, of the square "
    "of prediction minus rating. Less is better.",
    "mae": "Mean absolute error: the mean, over all hidden ratings, of how far the prediction is "
    "from the rating. Less is better.",
}

INTERVALS = (
    "The interval over users shows how the value would vary with other users like these. The "
    "interval over users and items shows how it would vary with other held-out items too; quote "
    "this one for statements about new items."
)
"""What the two intervals of a value mean."""


def tested_against(comparisons: Sequence[Mapping[str, Any]], over: str = "users") -> str:  # noqa: PT028 - no test
    """A sentence on the p-values of some comparisons: the test, and the correction."""
    test = f"two-sided paired t test over {over}"
    one = comparisons[0]
    family, first = one.get("family"), one["first"]
    of = "one comparison"
    if len({each["metric"] for each in comparisons}) > 1:
        of = f"{first} against {one['second']} by each metric"
    elif len(comparisons) > 1:
        of = f"{one['metric']}, {first} against each other model"
    if family is None:
        return f"{of}; {test}, not corrected for their number."
    several = "one test" if family == 1 else f"all {family} tests"
    pairs = " of pairs of models in the table, because the best was chosen by the same values"
    among = f"{several}{pairs if family > len(comparisons) else ''}"
    return (
        f"{of}; {test}, with Holm's correction over {among}; the raw value is uncorrected. A "
        "corrected value above .05 shows neither a difference nor that there is none."
    )


def metric_meanings(names: Iterable[str]) -> list[tuple[str, str]]:
    """The kinds of metric among these names, in their order, each with its explanation."""
    kinds = dict.fromkeys(name.partition("@")[0] for name in names)
    ranked = [(f"{kind}@k", _METRICS[kind]) for kind in kinds if kind in _METRICS]
    return ranked + [(kind, _ERRORS[kind]) for kind in kinds if kind in _ERRORS]
