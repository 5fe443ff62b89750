"""Bootstrap over users: confidence intervals of averages, and of paired differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy import special, stats

from beekit.evaluation.answer_checks import require_paired

RESAMPLES = 1000
# What is left of the difference of two equal metrics, which are sums of up to 1.
_ROUNDING = 8 * np.finfo(np.float64).eps
# Below so many hits, or misses, a resample says next to nothing of the side it rarely sees.
_FEW = 10
NORMAL = float(stats.norm.ppf(0.975))
# Bytes of resampling weights held at once.
_BLOCK_BYTES = 2**27


@dataclass(frozen=True)
class Paired:
    """A paired comparison of two models on the same users.

    Attributes:
        difference: mean over users of first minus second.
        ci95: bootstrap percentile interval of it, over users.
        p_value: two-sided, paired t test over users; of this comparison alone, not corrected.
        users: how many entered.
        ci95_items: interval of it over users and items; None where it was not computed.
    """

    difference: float
    ci95: tuple[float, float]
    p_value: float
    users: int
    ci95_items: tuple[float, float] | None = None


def bootstrap_weights(
    users: int, seed: int = 0, resamples: int = RESAMPLES
) -> Iterator[np.ndarray]:
    """How often each user occurs in each resample of all users with replacement: blocks of (some
    resamples, users) float32, `resamples` rows in all."""
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

    All columns share the resamples, as the users they describe are the same.
    """
    users = len(per_user)
    centre = per_user.mean(axis=0)
    # Around the mean, float32 weights times values lose nothing that matters.
    centred = (per_user - centre).astype(np.float32)
    means = [weights @ centred / users for weights in bootstrap_weights(users, seed, resamples)]
    low, high = centre + np.percentile(np.concatenate(means), [2.5, 97.5], axis=0)
    # A mean lies within what it is of; rounding may not.
    low, high = (np.clip(end, per_user.min(axis=0), per_user.max(axis=0)) for end in (low, high))
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def rate_intervals(per_user: np.ndarray, seed: int = 0) -> list[tuple[float, float]]:
    """`mean_intervals` of columns (users, columns); where all values of one are in [0, 1] and their
    mean is close to either end, `edge_interval`."""
    users = len(per_user)
    over_users = per_user.var(axis=0, ddof=min(1, users - 1)) / users
    usual = mean_intervals(per_user, seed)
    return [
        (_within(column) and edge_interval(float(column.mean()), float(variance), users)) or limits
        for column, variance, limits in zip(per_user.T, over_users, usual, strict=True)
    ]


def _within(values: np.ndarray) -> bool:
    """Whether numbers are those of a share: all in [0, 1], but for rounding."""
    return bool(values.min() >= 0 and values.max() <= 1 + _ROUNDING)


def edge_interval(mean: float, variance: float, users: int) -> tuple[float, float] | None:
    """95% interval of a mean of values in [0, 1] so close to 0 or 1 that its variance says little.

    Where 400 of 400 users are hit, each resample says 1 and the variance is 0, but the next 400
    may well hold one who is not. So the mean counts as a share of trials, as many as would give
    its variance (Korn and Graubard 1998), and the interval is Jeffreys' (Brown, Cai and DasGupta
    2001). A share of few trials takes few values: the interval holds the truth at least as often as
    it says, near the very end more often. Where all users have the same value, each is a trial.

    Args:
        mean: of the users' values.
        variance: of the mean.
        users: how many.

    Returns:
        both ends; None where there are ten hits and ten misses, or nothing to count them by.
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
    """`mean_intervals` of differences (users,); where all are from -1 to 1 and hardly any user
    tells two models apart, a normal interval with `few_gaps`' variance added."""
    extra = few_gaps(gap)
    if not extra or not _within(np.abs(gap)):
        (interval,) = mean_intervals(gap[:, None], seed)
        return interval
    mean, users = float(gap.mean()), len(gap)
    half = NORMAL * (float(gap.var(ddof=min(1, users - 1))) / users + extra) ** 0.5
    return max(-1.0, mean - half), min(1.0, mean + half)


def few_gaps(gap: np.ndarray) -> float:
    """What the variance of a mean lacks where fewer than ten users tell two models apart.

    It is that of one more such user, half of them on either side (Agresti and Min 2005): two models
    that answer 400 users alike may well differ on the next 400. Zero where there are more.
    """
    return 1 / len(gap) ** 2 if np.count_nonzero(gap) < _FEW else 0.0


def coverage_interval(
    ranked: np.ndarray, candidates: np.ndarray, seed: int = 0, resamples: int = 200
) -> tuple[float, float]:
    """95% bootstrap interval of the coverage of `candidates` by lists (users, k), over users.

    A resample misses some users, so it covers less than all of them do; the interval is the spread
    of the resamples, moved from their mean to the value itself, within [0, 1].
    """
    users = len(ranked)
    owner, place = np.nonzero(ranked >= 0)
    items = ranked[owner, place]
    support = np.bincount(items, minlength=int(candidates.max(initial=0)) + 1)
    value = np.count_nonzero(support) / len(candidates)
    # An item on many lists is missing from a resample with probability e^-lists: as good as never.
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
        first, second: (users,) the metric of each, in the same order; NaN leaves a user out.

    Raises:
        DataError: if the two differ in length, if a value is infinite or not a number at all, or if
            no user has a value in both.
    """
    first, second = require_paired(first, second)
    both = np.isfinite(first) & np.isfinite(second)
    gap = first[both] - second[both]
    return Paired(float(gap.mean()), _gap_interval(gap, seed), paired_p_value(gap), int(both.sum()))


def paired_p_value(gap: np.ndarray) -> float:
    """Two-sided p-value of a t test of differences (users,) of metrics against zero.

    Differences that are all the same have no spread to test by. Then it is that of the sign test,
    2 · 2^-users: how often so many coins all fall on one side. It is 1 where they are zero.
    """
    count = len(gap)
    if alike(gap):
        nothing = count == 0 or abs(float(gap[0])) <= _ROUNDING
        return 1.0 if nothing else 2.0 ** (1 - min(count, 1000))
    t = gap.mean() / (gap.std(ddof=1) / np.sqrt(count))
    return float(2 * special.stdtr(count - 1, -abs(t)))


def alike(values: np.ndarray) -> bool:
    """Whether numbers differ by no more than rounding; there is then no spread to divide by."""
    return len(values) < 2 or bool(np.ptp(values) <= _ROUNDING * max(1.0, np.abs(values).max()))
