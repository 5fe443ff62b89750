"""What the names in a report mean, in a sentence each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_METRICS = {
    "calibrated_recall": "Targets among the first k recommendations, divided by min(k, number of "
    "targets), so that 1 is always within reach; the beeFormer and ELSA papers call this recall.",
    "recall": "Targets among the first k recommendations, divided by the number of targets.",
    "precision": "Targets among the first k recommendations, divided by k.",
    "ndcg": "Each target found counts 1 / log2(1 + rank), relevance being binary, divided by what "
    "an ideal list of min(k, number of targets) targets would get.",
    "mrr": "One over the rank of the first target found; 0 without one among the first k.",
    "hit_rate": "Share of users with at least one target among the first k recommendations.",
    "coverage": "Share of the candidate items that are on at least one user's list of k. It "
    "describes breadth, not accuracy: random lists cover the most.",
}

INTERVALS = (
    "Over users: if other users like these had been asked. Over users and items: if other items "
    "like these had been held out too: the one to quote about new items."
)
"""What the two intervals of a figure say."""


def tested_against(comparisons: Sequence[Mapping[str, Any]], over: str = "users") -> str:  # noqa: PT028 - no test
    """What the p-values of some comparisons say: of which test, and corrected for what."""
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
    pairs = " of the table's pairs of models, since the best was chosen from the same values"
    among = f"{several}{pairs if family > len(comparisons) else ''}"
    return (
        f"{of}; {test}, by Holm's correction over {among}, with the raw value beside it. "
        f"A value above .05 so corrected shows no difference, which is not to say there is none."
    )


def metric_meanings(names: Iterable[str]) -> list[tuple[str, str]]:
    """The kinds of metric among these names, in their order, each with what it means."""
    kinds = dict.fromkeys(name.partition("@")[0] for name in names)
    return [(f"{kind}@k", _METRICS[kind]) for kind in kinds if kind in _METRICS]
