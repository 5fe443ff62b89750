"""Intervals over users and items: how a mean would change with other users and held-out items.

A mean over users depends on two random draws: the users, and the held-out items. The draws are
independent and every user is scored on every item. So the variance of the mean is the variance over
users plus the variance over items minus the variance over pairs of user and item, which the first
two both contain (Cameron, Gelbach and Miller 2011, eq. 2.11; Owen 2007 explains why pairs are not
an independent sample). Each term is a jackknife: a user contributes the user's value, and an item
the change of the mean if this item had not been held out (Efron and Stein 1981).

If an item had not been held out, the items below it on a list would move up by one place, and the
item after the cut would come in. A user whose only target it was would leave the mean. Both can be
computed from the lists, because a score does not depend on the other candidates. The model is not
fitted again, so the effect of other held-out items on training is not in the interval.

Resampling of users and items (Owen's pigeonhole bootstrap) is not used. It counts the variance over
pairs three times, and it overstates the effect of an item, because in a list that is only
reweighted no other item takes its place. `eval/benchmark_intervals.py` measures both: for real
rankings resampled intervals are up to 1.5 times too wide, and these intervals contain the true
value about as often as they should. If a mean is within ten users of 0 or 1, `edge_interval` is
used, because the variance is not known well enough. The metric coverage has no such interval,
because another item also changes what could be covered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from beekit.evaluation.intervals import NORMAL, edge_interval, few_gaps
from beekit.evaluation.metrics import FROM_HITS, hits, target_counts
from beekit.lazy_names import LazyModule
from beekit.matrices import as_csr

if TYPE_CHECKING:
    import scipy.sparse as sp
    from scipy import stats
else:
    sp = LazyModule("scipy.sparse")
    stats = LazyModule("scipy.stats")

# How many users are processed at once.
_BLOCK = 8192
# The smallest number of degrees of freedom. With fewer, almost all variance comes from one item.
# The variance is then already too high, and Student's t would make the interval far too wide.
_FEWEST_DEGREES = 8.0


@dataclass(frozen=True)
class Lists:
    """The recommendation lists of some users, with their targets and candidates.

    Attributes:
        ranked: (users, width) item indices, best first and padded with -1. An interval over items
            needs one place more than the largest cut.
        target: (users, items) CSR of the hidden interactions, at least one for each user.
        candidates: item indices that may be recommended.
    """

    ranked: np.ndarray
    target: sp.csr_array
    candidates: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", as_csr(self.target))

    @cached_property
    def found(self) -> np.ndarray:
        """(users, width) bool: which recommendations are targets."""
        return hits(self.ranked, self.target)

    @cached_property
    def counts(self) -> np.ndarray:
        """(users,) number of targets."""
        return target_counts(self.target)

    @cached_property
    def items(self) -> int:
        """The number of items in the draw: all candidates and targets."""
        return len(np.union1d(self.candidates, self.target.indices))


def item_interval(
    lists: Lists, metric: str, k: int, per_user: np.ndarray
) -> tuple[float, float] | None:
    """95% interval, over users and items, of the mean of a metric's values (users,).

    None if there are fewer than two users or two items, or if the metric is not one of beekit's
    per-user metrics.
    """
    if metric not in FROM_HITS:
        return None
    return _interval(per_user, lists.items, _changes(lists, metric, k, per_user), lowest=0.0)


def paired_item_interval(
    first: Lists, second: Lists, metric: str, k: int, values: tuple[np.ndarray, np.ndarray]
) -> tuple[float, float] | None:
    """`item_interval` of the mean difference of two models' values (users,); both models have the
    same users, targets and candidates."""
    if metric not in FROM_HITS:
        return None
    sides = [
        _changes(lists, metric, k, one) for lists, one in zip((first, second), values, strict=True)
    ]
    gaps = (sp.csr_array(one - other) for one, other in zip(*sides, strict=True))
    return _interval(values[0] - values[1], first.items, gaps, lowest=-1.0)


def _interval(
    per_user: np.ndarray, items: int, changes: Iterable[sp.csr_array], *, lowest: float
) -> tuple[float, float] | None:
    """Student's t interval of the mean of values (users,), with the variance over users and items.

    Args:
        per_user: (users,) values.
        items: number of items in the draw.
        changes: blocks (users, items) of what each item adds to each user's value.
        lowest: smallest possible mean, 0 or -1; the largest is 1.
    """
    users = len(per_user)
    if users < 2 or items < 2:
        return None
    of_item, squares, of_user_squares = np.zeros(1), 0.0, 0.0
    for block in changes:
        of_item = of_item + np.asarray(block.sum(axis=0))
        squares += float((block.data**2).sum())
        of_user_squares += float((np.asarray(block.sum(axis=1)) ** 2).sum())
    mean = float(per_user.mean())
    over_users = float(per_user.var(ddof=1)) / users
    if lowest < 0:
        over_users += few_gaps(per_user)
    # Centred over all items of the draw, also those on no list and in no target.
    total = float(of_item.sum())
    centred_squares = float((of_item**2).sum()) - total**2 / items
    over_items = (items - 1) / items * centred_squares / users**2
    pairs = squares - of_user_squares / items - float((of_item**2).sum()) / users
    over_pairs = (pairs + total**2 / (users * items)) / users**2
    # The difference of two estimates may be negative, but items cannot reduce the variance.
    beyond_users = max(0.0, over_items - over_pairs)
    variance = over_users + beyond_users
    if variance <= 0:
        return edge_interval(mean, variance, users) or (mean, mean)
    of_items = _variance_of(of_item / users, total / users, items) if beyond_users else 0.0
    freedom = 2 * variance**2 / (2 * over_users**2 / (users - 1) + of_items)
    half = float(stats.t.ppf(0.975, max(freedom, _FEWEST_DEGREES))) * variance**0.5
    if lowest == 0 and (at_edge := edge_interval(mean, (half / NORMAL) ** 2, users)):
        return at_edge
    return max(lowest, mean - half), min(1.0, mean + half)


def _variance_of(of_item: np.ndarray, total: float, items: int) -> float:
    """The variance of the estimated variance over items, most of which may come from a few items.

    It is computed from the fourth moment (Satterthwaite 1946), and is at least that of a normal
    distribution.
    """
    centre = total / items
    deviations = of_item[of_item != 0] - centre
    untouched = items - len(deviations)
    second = float((deviations**2).sum()) + untouched * centre**2
    fourth = float((deviations**4).sum()) + untouched * centre**4
    return max(fourth - second**2 / items, 2 * second**2 / (items - 1))


def _changes(lists: Lists, metric: str, k: int, per_user: np.ndarray) -> Iterator[sp.csr_array]:
    """What each item adds to each user's value: the value minus the value without the item.

    If the item is the user's only target, there is no value without it. The mean is used instead,
    because the user then leaves the mean over users unchanged.

    Yields:
        CSR blocks (users, items) of consecutive users.
    """
    mean = per_user.mean()
    for begin in range(0, len(per_user), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        target, values = lists.target[part], per_user[part, None]
        found, counts = lists.found[part, : k + 1], lists.counts[part]
        # If the lists end at the cut, the place after it counts as a miss.
        found = np.pad(found, ((0, 0), (0, k + 1 - found.shape[1])))
        ranked = lists.ranked[part, :k]
        listed = values - _without_listed(metric, found, counts, mean)[:, : ranked.shape[1]]
        without = np.where(counts == 1, mean, FROM_HITS[metric](found[:, :k], counts - 1))
        missed = values[:, 0] - without
        # First every target is treated as a miss, then the found ones are corrected, so that each
        # needs only one pass over its pairs.
        listed -= np.where(found[:, : ranked.shape[1]], missed[:, None], 0.0)
        users = np.arange(len(ranked))
        at_users, at_places = np.nonzero(ranked >= 0)
        pairs = (
            np.concatenate([at_users, np.repeat(users, counts)]),
            np.concatenate([ranked[at_users, at_places], target.indices]),
        )
        data = np.concatenate([listed[at_users, at_places], np.repeat(missed, counts)])
        yield sp.coo_array((data, pairs), shape=target.shape).tocsr()


def _without_listed(metric: str, found: np.ndarray, counts: np.ndarray, mean: float) -> np.ndarray:
    """(users, k) a metric at k without the item at each place of the list, when the items below it
    move up; the mean if no target is left. `found` (users, k + 1) includes the place after the
    cut."""
    k = found.shape[1] - 1
    inside, beyond = found[:, :k].astype(np.float64), found[:, k:].astype(np.float64)
    left = counts[:, None] - found[:, :k]
    if metric == "mrr":
        value = _without_listed_mrr(found)
    elif metric == "hit_rate":
        value = (inside.sum(axis=1, keepdims=True) - inside + beyond > 0).astype(np.float64)
    else:
        discount = 1 / np.log2(np.arange(2, k + 2)) if metric == "ndcg" else np.ones(k)
        # A hit below the item moves up by one place and gets the discount of that place.
        rise = inside * np.concatenate([[0.0], discount[:-1] - discount[1:]])
        risen = rise[:, ::-1].cumsum(axis=1)[:, ::-1] - rise
        kept = (inside @ discount)[:, None] - inside * discount
        ideal = {
            "recall": left,
            "calibrated_recall": np.minimum(k, left),
            "precision": np.full(left.shape, k),
            "ndcg": np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(k, left)],
        }[metric]
        value = (kept + risen + beyond * discount[-1]) / np.maximum(ideal, 1e-300)
    return np.where(left == 0, mean, value)


def _without_listed_mrr(found: np.ndarray) -> np.ndarray:
    """(users, k) one over the rank of the first hit, without the item at each place."""
    places = np.arange(found.shape[1])
    at = np.where(found, places, np.inf)
    first = at.min(axis=1, keepdims=True)
    second = np.where(places == first, np.inf, at).min(axis=1, keepdims=True)
    places = places[:-1]
    rank = np.where(places < first, first, np.where(places == first, second, first + 1))
    return np.asarray(1 / rank)
