"""Comparisons of models on the same users, with p-values corrected for their number."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from beekit.errors import DataError
from beekit.evaluation.intervals import Paired, compare, paired_p_value
from beekit.evaluation.item_intervals import paired_item_interval
from beekit.evaluation.named_metrics import kind_and_cut
from beekit.evaluation.scoring import Evaluation


def compare_models(first: Evaluation, second: Evaluation, metric: str, seed: int = 0) -> Paired:
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
    name, k = kind_and_cut(metric)
    wider = paired_item_interval(first.lists, second.lists, name, k, values)
    return dataclasses.replace(compare(*values, seed), ci95_items=wider)


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


def best_against_others(evaluations: Sequence[Evaluation], metric: str) -> list[dict[str, Any]]:
    """The model with the highest value, compared with each other model; the best of these first.

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
    best, *others = sorted(evaluations, key=lambda e: -e.metrics[metric]["value"])
    # The winner's pairs come first, in the order of the others.
    corrected = holm_of_all_pairs([evaluation.per_user[metric] for evaluation in (best, *others)])
    return [
        _described(metric, best, other, float(p_holm), len(corrected))
        for other, p_holm in zip(others, corrected, strict=False)
    ]


def compare_metrics(first: Evaluation, second: Evaluation) -> list[dict[str, Any]]:
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


def users_of_all(evaluations: Sequence[Evaluation], metric: str | None = None) -> np.ndarray:
    """The users of all evaluations.

    Raises:
        DataError: if there are no evaluations, if their users, targets or candidates differ, or if
            one of them has no values of `metric` (if that is given).
    """
    if not evaluations:
        raise DataError("no evaluations", expected="at least one", remedy="Evaluate a model first.")
    users = evaluations[0].users
    for evaluation in evaluations:
        if not _same_task(evaluation, evaluations[0]):
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


def _same_task(one: Evaluation, other: Evaluation) -> bool:
    """Whether both have the same users, targets and candidates."""
    first, second = one.lists.target, other.lists.target
    return one is other or (
        np.array_equal(one.users, other.users)
        and np.array_equal(one.lists.candidates, other.lists.candidates)
        and first.shape == second.shape
        and (first != second).nnz == 0
    )


def _described(
    metric: str, first: Evaluation, second: Evaluation, p_holm: float, family: int
) -> dict[str, Any]:
    paired = dataclasses.asdict(compare_models(first, second, metric))
    if paired["ci95_items"] is None:
        del paired["ci95_items"]
    named = {"metric": metric, "first": first.model, "second": second.model}
    return named | paired | {"p_holm": p_holm, "family": family}
