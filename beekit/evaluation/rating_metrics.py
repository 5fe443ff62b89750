"""Errors of predicted ratings: rmse and mae, as values of users, and how sure they are.

Both are over all ratings, not means over users: a user with many ratings counts for as much more,
as is usual in the literature. So the value depends on each user in two ways, by the errors and by
their number. `by_user` therefore gives each user the value that a jackknife would to first order
(Efron 1982): the mean over users is the metric, and the variance between users is that of the
metric if whole users are drawn. Intervals and tests over users are then those of any other metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from beekit.errors import ConfigError
from beekit.results import ERRORS

RATING_METRICS = ERRORS
"""The metrics of predicted ratings; of both, less is better."""

# The fewest degrees of freedom, as in `beekit.evaluation.item_intervals`.
_FEWEST_DEGREES = 8.0


@dataclass(frozen=True)
class RatingErrors:
    """What predictions miss ratings by.

    Attributes:
        users: (ratings,) who rated, numbered from 0 without gaps.
        items: (ratings,) item indices of what was rated.
        errors: (ratings,) prediction minus rating, float64.
    """

    users: np.ndarray
    items: np.ndarray
    errors: np.ndarray

    def of_users(self, members: np.ndarray) -> RatingErrors:
        """The errors of some users, a mask (users,)."""
        mine = members[self.users]
        renumbered = np.cumsum(members) - 1
        return RatingErrors(renumbered[self.users[mine]], self.items[mine], self.errors[mine])

    def value(self, metric: str) -> float:
        """rmse = √(Σ e² / n), or mae = Σ |e| / n, over all ratings."""
        if metric == "rmse":
            return float(np.sqrt(np.mean(self.errors**2)))
        return float(np.mean(np.abs(self.errors)))

    def shares(self, metric: str) -> np.ndarray:
        """(ratings,) how far each rating moves the metric, to first order; their sum is zero."""
        value = self.value(metric)
        if metric == "rmse":
            moved = (self.errors**2 - value**2) / (2 * value if value else 1.0)
        else:
            moved = np.abs(self.errors) - value
        return moved / len(self.errors)

    def by_user(self, metric: str) -> np.ndarray:
        """(users,) float64, whose mean is the metric; see the module."""
        sums = np.bincount(self.users, weights=self.shares(metric))
        return np.asarray(self.value(metric) + len(sums) * sums)


def rating_metrics(asked: Sequence[str]) -> tuple[str, ...]:
    """The metrics asked for, each once; both if none is. One name alone is that metric.

    Raises:
        ConfigError: if one is no metric of ratings.
    """
    asked = [asked] if isinstance(asked, str) else asked
    for metric in asked:
        if metric not in RATING_METRICS:
            raise ConfigError(
                f"metric {metric!r} of predicted ratings",
                expected=f"one of {', '.join(RATING_METRICS)}",
                remedy="Choose one of those, or set task: ranking.",
            )
    return tuple(dict.fromkeys(asked)) or RATING_METRICS


def two_way_interval(
    shares: np.ndarray, users: np.ndarray, items: np.ndarray, value: float, lowest: float
) -> tuple[float, float] | None:
    """Student's t interval, 95%, of a metric if users and items both were drawn anew.

    The variance is that over users plus that over items minus that over single ratings, which both
    contain (Cameron, Gelbach & Miller 2011, eq. 2.11).

    Args:
        shares: (ratings,) how far each rating moves the metric, to first order.
        users, items: (ratings,) of whom and of what each rating is.
        value: the metric.
        lowest: the least value that it can have.

    Returns:
        the ends; None if there are fewer than two users or two items.
    """
    sums = []
    for of in (users, items):
        counted = np.bincount(of) > 0
        sums.append(np.bincount(of, weights=shares)[counted])
    counts = [len(one) for one in sums]
    if min(counts) < 2:
        return None
    over = [n / (n - 1) * float((one**2).sum()) for one, n in zip(sums, counts, strict=True)]
    pairs = float((shares**2).sum())
    # The difference of two estimates may be negative, but items cannot reduce the variance.
    beyond_users = max(0.0, over[1] - pairs)
    variance = over[0] + beyond_users
    if variance <= 0:
        return value, value
    # Satterthwaite (1946): each part has the freedom of as many draws as it is made of.
    parts = zip((over[0], beyond_users), counts, strict=True)
    freedom = variance**2 / sum(part**2 / (n - 1) for part, n in parts)
    half = float(stats.t.ppf(0.975, max(freedom, _FEWEST_DEGREES))) * variance**0.5
    return max(lowest, value - half), value + half
