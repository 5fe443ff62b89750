"""Comparisons of models on the same users, with p-values corrected for their number."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Protocol

import numpy as np

from beekit.errors import DataError
from beekit.evaluation.intervals import Paired, compare, mean_intervals, paired_p_value
from beekit.results import best_first, lower_is_better


class Evaluated(Protocol):
    """What is compared: an `Evaluation` or a `RatingEvaluation`."""

    @property
    def model(self) -> str: ...

    @property
    def users(self) -> np.ndarray: ...

    @property
    def per_user(self) -> Mapping[str, np.ndarray]: ...

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Any]]: ...

    def same_task(self, other: Any) -> bool: ...

    def item_interval_against(self, other: Any, metric: str) -> tuple[float, float] | None: ...

    def values_of(self, metric: str, members: np.ndarray) -> np.ndarray: ...


def compare_models(first: Evaluated, second: Evaluated, metric: str, seed: int = 0) -> Paired:
    """Compare two models by one metric, with intervals over users, and over users and items.

    Args:
        first, second: models evaluated on the same held-out part.
        metric: a per-user metric of both.
        seed: seed of the bootstrap over users.

    Raises:
        DataError: if their users, targets or candidates differ, or if one lacks the metric.
    """
    users_of_all([first, second], metric)
    values = first.per_user[metric], second.per_user[metric]
    wider = first.item_interval_against(second, metric)
    paired = dataclasses.replace(compare(*values, seed), ci95_items=wider)
    if lower_is_better(metric):  # errors are no rates, of which few users say little
        gap = (values[0] - values[1])[:, None]
        paired = dataclasses.replace(paired, ci95=mean_intervals(gap, seed)[0])
    return paired


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction (Holm 1979) of a family of p-values.

    If all corrected values below .05 are called significant, at most 5% of families contain a false
    one, also when the tests depend on each other.
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * (len(given) - np.arange(len(given))))
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def holm_of_all_pairs(values: Sequence[np.ndarray]) -> np.ndarray:
    """The corrected p-values of all pairs of models, from the values (users,) of a metric for each
    model. The pairs of the first model come first."""
    return holm([paired_p_value(one - other) for one, other in combinations(values, 2)])


def best_against_others(evaluations: Sequence[Evaluated], metric: str) -> list[dict[str, Any]]:
    """The model with the best value, compared with each other model; the best of these first.

    The winner is chosen by the values that it is then tested on. If the correction counted only the
    winner's comparisons, one of 12 equally good models would be called better than another in about
    one table of five. So the family of Holm's correction is all pairs of models, which contains the
    winner's comparisons whichever model wins.

    Args:
        evaluations: at least one; all on the same held-out part.
        metric: a per-user metric of all.

    Returns:
        the `comparisons` of results.json: metric, first, second, difference, ci95, ci95_items,
        p_value, p_holm, family (the number of tests in the correction) and users.

    Raises:
        DataError: if there is no evaluation, or if `compare_models` refuses two of them.
    """
    users_of_all(evaluations, metric)
    values = {str(place): one.metrics[metric]["value"] for place, one in enumerate(evaluations)}
    best, *others = [evaluations[int(place)] for place in best_first(values, metric)]
    # The winner's pairs come first, in the order of the others.
    corrected = holm_of_all_pairs([evaluation.per_user[metric] for evaluation in (best, *others)])
    return [
        _described(metric, best, other, float(p_holm), len(corrected))
        for other, p_holm in zip(others, corrected, strict=False)
    ]


def compare_metrics(first: Evaluated, second: Evaluated) -> list[dict[str, Any]]:
    """Two models chosen in advance, compared by every per-user metric that both have. These metrics
    are the family of Holm's correction. The result is as in `best_against_others`."""
    users_of_all([first, second])
    both = [metric for metric in first.per_user if metric in second.per_user]
    gaps = [first.per_user[metric] - second.per_user[metric] for metric in both]
    corrected = holm([paired_p_value(gap) for gap in gaps])
    return [
        _described(metric, first, second, float(p_holm), len(corrected))
        for metric, p_holm in zip(both, corrected, strict=True)
    ]


def users_of_all(evaluations: Sequence[Evaluated], metric: str | None = None) -> np.ndarray:
    """The users of all evaluations.

    Raises:
        DataError: if there are no evaluations, if their users, targets or candidates differ, or if
            one of them has no values of `metric` (if that is given).
    """
    if not evaluations:
        raise DataError("no evaluations", expected="at least one", remedy="Evaluate a model first.")
    users = evaluations[0].users
    for evaluation in evaluations:
        if evaluation is not evaluations[0] and not evaluation.same_task(evaluations[0]):
            raise DataError(
                f"{evaluations[0].model} and {evaluation.model}, evaluated with different users, "
                "targets or candidates",
                expected="evaluations on the same held-out part",
                remedy="Evaluate both on one part, such as `split.test`.",
            )
        if metric is not None and metric not in evaluation.per_user:
            raise DataError(
                f"no values of {metric} for the users of {evaluation.model}",
                expected=f"one of {', '.join(evaluation.per_user) or 'none'}",
                remedy="Evaluate with that metric; coverage has no value for a single user.",
            )
    return users


def _described(
    metric: str, first: Evaluated, second: Evaluated, p_holm: float, family: int
) -> dict[str, Any]:
    paired = dataclasses.asdict(compare_models(first, second, metric))
    if paired["ci95_items"] is None:
        del paired["ci95_items"]
    named = {"metric": metric, "first": first.model, "second": second.model}
    return named | paired | {"p_holm": p_holm, "family": family}
