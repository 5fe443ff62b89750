"""Confidence intervals over users, mostly by the bootstrap, and tests of paired differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy import special, stats

from beekit.evaluation.answer_checks import require_paired

RESAMPLES = 1000
# The rounding error of the difference of two equal metrics, which are at most 1.
_ROUNDING = 8 * np.finfo(np.float64).eps
# With fewer hits, or fewer misses, than this, resamples say too little about the interval.
_FEW = 10
NORMAL = float(stats.norm.ppf(0.975))
# How many bytes of resampling weights are held at once.
_BLOCK_BYTES = 2**27


@dataclass(frozen=True)
class Paired:
    """A paired comparison of two models on the same users.

    Attributes:
        difference: mean over users of first minus second.
        ci95: 95% interval of the difference over users, by the bootstrap; by a normal distribution
            if fewer than ten users differ.
        p_value: p-value of the two-sided paired t test over users, not corrected for other tests.
        users: number of users compared.
        ci95_items: 95% interval of the difference over users and items; None if not computed.
    """

    difference: float
    ci95: tuple[float, float]
    p_value: float
    users: int
    ci95_items: tuple[float, float] | None = None


def bootstrap_weights(
    users: int, seed: int = 0, resamples: int = RESAMPLES
) -> Iterator[np.ndarray]:
    """How often each user occurs in each resample (with replacement) of the users.

    Yields:
        blocks (some of the resamples, users) float32, which have `resamples` rows together.
    """
    generator = np.random.default_rng(seed)
    size = max(1, min(resamples, _BLOCK_BYTES // (4 * users)))
    for begin in range(0, resamples, size):
        rows = min(size, resamples - begin)
        drawn = generator.integers(users, size=(rows, users), dtype=np.int64)
        drawn += np.arange(rows)[:, None] * users
        counts = np.bincount(drawn.ravel(), minlength=rows * users)
        yield counts.reshape(rows, users).astype(np.float32)


def mean_intervals(
    per_user: np.ndarray, seed: int = 0, resamples: int = RESAMPLES
) -> list[tuple[float, float]]:
    """95% percentile bootstrap intervals (Efron 1979) of the means of columns (users, columns).

    All columns use the same resamples, because they have the same users.
    """
    users = len(per_user)
    centre = per_user.mean(axis=0)
    # float32 is precise enough for values from which the mean is subtracted.
    centred = (per_user - centre).astype(np.float32)
    means = [weights @ centred / users for weights in bootstrap_weights(users, seed, resamples)]
    low, high = centre + np.percentile(np.concatenate(means), [2.5, 97.5], axis=0)
    # Rounding may put an end outside the range of the values.
    low, high = (np.clip(end, per_user.min(axis=0), per_user.max(axis=0)) for end in (low, high))
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def rate_intervals(per_user: np.ndarray, seed: int = 0) -> list[tuple[float, float]]:
    """95% intervals of the means of columns (users, columns): `edge_interval` for a column with all
    values in [0, 1] and a mean close to 0 or 1, else `mean_intervals`."""
    users = len(per_user)
    over_users = per_user.var(axis=0, ddof=min(1, users - 1)) / users
    usual = mean_intervals(per_user, seed)
    return [
        (_within(column) and edge_interval(float(column.mean()), float(variance), users)) or limits
        for column, variance, limits in zip(per_user.T, over_users, usual, strict=True)
    ]


def _within(values: np.ndarray) -> bool:
    """Whether all values are in [0, 1], up to rounding."""
    return bool(values.min() >= 0 and values.max() <= 1 + _ROUNDING)


def edge_interval(mean: float, variance: float, users: int) -> tuple[float, float] | None:
    """95% interval of a mean of values in [0, 1] that is close to 0 or 1.

    If all of 400 users have a hit, every resample has mean 1 and the variance is 0, although one of
    the next 400 users may well have none. So the mean is treated as a share of trials, with the
    number of trials that gives its variance (Korn and Graubard 1998), and the interval is Jeffreys'
    (Brown, Cai and DasGupta 2001). It contains the true mean in at least 95% of cases, and very
    close to 0 or 1 more often. If all users have the value 0 or all have 1, each user is a trial.

    Args:
        mean: mean of the users' values.
        variance: variance of that mean.
        users: number of users.

    Returns:
        the ends; None if there are at least ten hits and ten misses, or if the variance is zero for
        a mean between 0 and 1.
    """
    spread = mean * (1 - mean)
    if variance <= 0 < spread:
        return None
    trials = spread / variance if spread > 0 else float(users)
    found, missed = mean * trials, (1 - mean) * trials
    if min(found, missed) >= _FEW:
        return None
    low, high = stats.beta.ppf([0.025, 0.975], found + 0.5, missed + 0.5)
    return (0.0 if found <= 0 else float(low)), (1.0 if missed <= 0 else float(high))


def _gap_interval(gap: np.ndarray, seed: int) -> tuple[float, float]:
    """95% interval of the mean of differences (users,): `mean_intervals`; but if fewer than ten
    users differ and all differences are in [-1, 1], a normal interval whose variance is increased
    by `few_gaps`."""
    extra = few_gaps(gap)
    if not extra or not _within(np.abs(gap)):
        (interval,) = mean_intervals(gap[:, None], seed)
        return interval
    mean, users = float(gap.mean()), len(gap)
    half = NORMAL * (float(gap.var(ddof=min(1, users - 1))) / users + extra) ** 0.5
    return max(-1.0, mean - half), min(1.0, mean + half)


def few_gaps(gap: np.ndarray) -> float:
    """What to add to the variance of a mean difference if it is not zero for fewer than ten users.

    It is the variance from one more user, half for either model (Agresti and Min 2005): two models
    with equal values for 400 users may well differ for the next 400. It is zero if ten or more
    users differ.
    """
    return 1 / len(gap) ** 2 if np.count_nonzero(gap) < _FEW else 0.0


def coverage_interval(
    ranked: np.ndarray, candidates: np.ndarray, seed: int = 0, resamples: int = 200
) -> tuple[float, float]:
    """95% bootstrap interval, over users, of the share of `candidates` on any of the lists (users,
    k).

    A resample lacks some users, so its coverage is too low. So the interval of the resamples is
    moved by the difference between the value and the resamples' mean, and cut to [0, 1].
    """
    users = len(ranked)
    owner, place = np.nonzero(ranked >= 0)
    items = ranked[owner, place]
    support = np.bincount(items, minlength=int(candidates.max(initial=0)) + 1)
    value = np.count_nonzero(support) / len(candidates)
    # An item on n lists is missing from a resample with probability e^-n: practically never for
    # n above 25.
    rare = support[items] <= 25
    _, column = np.unique(items[rare], return_inverse=True)
    pairs = np.ones(len(column), dtype=np.float32), (owner[rare], column)
    shown_to = sp.csr_array(pairs, shape=(users, int(column.max(initial=-1)) + 1))
    weights = bootstrap_weights(users, seed, resamples)
    covered = np.concatenate([((block @ shown_to) > 0).sum(axis=1) for block in weights])
    covered = covered / len(candidates)
    low, high = np.percentile(covered - covered.mean(), [2.5, 97.5])
    return max(0.0, float(value + min(low, 0))), min(1.0, float(value + max(high, 0)))


def compare(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Paired:
    """Compare two models by one metric on the same users.

    Args:
        first, second: (users,) the values of each model, users in the same order; a user with NaN
            in one of them is left out.
        seed: seed of the bootstrap.

    Raises:
        DataError: if they are not numbers, if their lengths differ, if a value is infinite, or if
            no user has a value for both models.
    """
    first, second = require_paired(first, second)
    both = np.isfinite(first) & np.isfinite(second)
    gap = first[both] - second[both]
    return Paired(float(gap.mean()), _gap_interval(gap, seed), paired_p_value(gap), int(both.sum()))


def paired_p_value(gap: np.ndarray) -> float:
    """The two-sided p-value of a t test of differences (users,) against zero.

    A t test is not possible if all differences are equal. Then it is the p-value of the sign test,
    2 · 2^-users, or 1 if the differences are zero.
    """
    count = len(gap)
    if alike(gap):
        nothing = count == 0 or abs(float(gap[0])) <= _ROUNDING
        return 1.0 if nothing else 2.0 ** (1 - min(count, 1000))
    t = gap.mean() / (gap.std(ddof=1) / np.sqrt(count))
    return float(2 * special.stdtr(count - 1, -abs(t)))


def alike(values: np.ndarray) -> bool:
    """Whether all values are equal up to rounding, so that their standard deviation is useless."""
    return len(values) < 2 or bool(np.ptp(values) <= _ROUNDING * max(1.0, np.abs(values).max()))
