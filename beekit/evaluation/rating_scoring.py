"""Scoring predicted ratings on a held-out part: rmse and mae with intervals."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from beekit.errors import DataError
from beekit.evaluation.intervals import mean_intervals
from beekit.evaluation.rating_metrics import RatingErrors, rating_metrics, two_way_interval
from beekit.finite import require_finite
from beekit.matrices import numbers
from beekit.ranking import RatingPredictor
from beekit.split import HeldOut


@dataclass(frozen=True)
class RatingEvaluation:
    """The evaluation of one model's predictions on one held-out part.

    Attributes:
        model, scenario: names of the model and of the held-out part.
        users: (users,) indices of the users with a hidden rating, ascending.
        errors: what the predictions miss the hidden ratings by.
        per_user: metric name to values (users,) whose mean is the metric (`RatingErrors.by_user`).
        metrics: metric name to value, 95% interval over users (`ci95`), and 95% interval over users
            and items (`ci95_items`).
        seconds: time of predicting and scoring, including intervals.
    """

    model: str
    scenario: str
    users: np.ndarray
    errors: RatingErrors = field(repr=False)
    per_user: Mapping[str, np.ndarray] = field(repr=False)
    metrics: Mapping[str, Mapping[str, Any]]
    seconds: float

    def row(self) -> dict[str, Any]:
        """The evaluation as a row of results.json."""
        return {
            "model": self.model,
            "scenario": self.scenario,
            "users": len(self.users),
            "ratings": len(self.errors.errors),
            "metrics": {name: dict(value) for name, value in self.metrics.items()},
            "seconds": round(self.seconds, 3),
        }

    def same_task(self, other: Any) -> bool:
        """Whether another evaluation is of the same hidden ratings."""
        return (
            isinstance(other, RatingEvaluation)
            and np.array_equal(self.users, other.users)
            and np.array_equal(self.errors.users, other.errors.users)
            and np.array_equal(self.errors.items, other.errors.items)
        )

    def item_interval_against(self, other: Any, metric: str) -> tuple[float, float] | None:
        """95% interval, over users and items, of this model's metric minus the other's."""
        mine, theirs = self.errors, other.errors
        gap = mine.value(metric) - theirs.value(metric)
        shares = mine.shares(metric) - theirs.shares(metric)
        return two_way_interval(shares, mine.users, mine.items, gap, lowest=-np.inf)

    def values_of(self, metric: str, members: np.ndarray) -> np.ndarray:
        """The values of some users, a mask (users,), whose mean is the metric of these users."""
        return self.errors.of_users(members).by_user(metric)


def evaluate_ratings(
    predictor: RatingPredictor,
    held_out: HeldOut,
    *,
    metrics: Sequence[str] = (),
    model: str = "",
    scenario: str = "",
    intervals: bool = True,
    seed: int = 0,
) -> RatingEvaluation:
    """Predict all hidden ratings from the known ones, and compare.

    Every hidden rating counts, also those of users or items without a known one: what is expected
    of these is up to the model.

    Args:
        predictor: any object with `predict`.
        held_out: known ratings as its source and hidden ones as its target, both as numbers
            (`Split.rated`); its candidates do not matter.
        metrics: rmse and mae, or one of them; both by default.
        model, scenario: names for the result.
        intervals: whether to compute intervals. If False, both ends of `ci95` are the value, and
            there is no `ci95_items`.
        seed: seed of the bootstrap over users.

    Raises:
        ConfigError: if a metric is unknown.
        DataError: if there is no hidden rating, if the targets are the ones of a split that was not
            asked for its ratings, or if the model does not return one finite number for each.
    """
    started = time.perf_counter()
    asked = rating_metrics(metrics)
    hidden = numbers(held_out.target, "target")
    if held_out.target.dtype == np.float32 and hidden.nnz and (hidden.data == 1).all():
        raise DataError(
            "hidden interactions that are ones, and no ratings",
            expected="ratings as the numbers of the target",
            remedy='Take the part from Split.rated("test").',
        )
    if not hidden.nnz:
        found = "no hidden rating in the held-out part" + (f" of {scenario}" if scenario else "")
        raise DataError(found, expected="at least one", remedy="Hold out another share.")
    rows = np.repeat(np.arange(hidden.shape[0]), np.diff(hidden.indptr))
    items = hidden.indices.astype(np.int64)
    name = model or type(predictor).__name__
    predicted = _checked(predictor.predict(held_out.source, rows, items), len(rows), name)
    users, place = np.unique(rows, return_inverse=True)
    errors = RatingErrors(place, items, predicted - hidden.data)
    per_user = {metric: errors.by_user(metric) for metric in asked}
    summary: dict[str, dict[str, Any]] = {}
    limits = [(errors.value(metric),) * 2 for metric in asked]
    if intervals:
        limits = mean_intervals(np.stack(list(per_user.values()), axis=1), seed)
    for metric, ends in zip(asked, limits, strict=True):
        value = errors.value(metric)
        summary[metric] = {"value": value, "ci95": [max(0.0, ends[0]), ends[1]]}
        if intervals:
            pairs = errors.shares(metric), errors.users, errors.items
            wider = two_way_interval(*pairs, value, lowest=0.0)
            summary[metric] |= {"ci95_items": list(wider)} if wider else {}
    seconds = time.perf_counter() - started
    return RatingEvaluation(model, scenario, users, errors, per_user, summary, seconds)


def _checked(predicted: Any, count: int, model: str) -> np.ndarray:
    """Predictions (ratings,) float64, one finite number for each."""
    given = np.asarray(predicted)
    if given.shape != (count,) or given.dtype.kind not in "fiub":
        raise DataError(
            f"{model} predicts an array of shape {given.shape} and type {given.dtype}",
            expected=f"numbers of shape ({count},), one for each pair",
            remedy="Let `predict` return one number for each pair of user and item.",
        )
    remedy = "Fit the model again, or find out why its numbers overflow."
    require_finite(given, f"ratings that {model} predicts", row="pair", remedy=remedy)
    return given.astype(np.float64)
