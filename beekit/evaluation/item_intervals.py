"""Intervals over users and items both: how a figure would move with other items held out, too.

An average over users depends on two draws, of the users who were asked and of the items that were
there to be found. Both are independent, and every user meets every item, so the variance of the
average is that over users, plus that over items, less what both count twice, the part that belongs
to single pairs of a user and an item (Cameron, Gelbach and Miller 2011, eq. 2.11; Owen 2007 on why
pairs are no sample of their own). Each term is a jackknife: a user's share is their value; an
item's is the change of the average when that item had not been held out (Efron and Stein 1981).

Without an item the lists close up: what ranked below it moves up by one, and the item one beyond
the cut comes in. A user whose only target it was leaves the average. Both follow from the lists as
they are, since a score does not depend on which other items are candidates; the model is not
fitted again, so what its training would have made of other items is not in the interval.

Why not resample (Owen's pigeonhole bootstrap)? It counts the pairs three times, and weights upon
lists that stay as they are overstate what an item matters, since another one would have taken its
place. `eval/benchmark_intervals.py` measures both: where lists are real rankings resampled
intervals are up to half again too wide, and these hold the truth as often as they say. A mean
within ten users of 0 or 1 has next to nothing to tell its variance by; `edge_interval` is for it.
Coverage (the metric) has no such interval, since adding an item adds to what could be covered.
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

# Users whose pairs with items are held at once.
_BLOCK = 8192
# Of freedom. Below, one item carries the variance; where it was drawn the variance is high already,
# and Student's t would widen the interval to ends that no split of real data comes near.
_FEWEST_DEGREES = 8.0


@dataclass(frozen=True)
class Lists:
    """What was recommended to some users, and what there was to find.

    Attributes:
        ranked: (users, width) item indices, best first and padded with -1; one place more than the
            largest cut where an interval over items is wanted.
        target: (users, items) CSR of the hidden interactions, at least one each.
        candidates: item indices that could be recommended.
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
        """How many items the draw is of: candidates and targets."""
        return len(np.union1d(self.candidates, self.target.indices))


def item_interval(
    lists: Lists, metric: str, k: int, per_user: np.ndarray
) -> tuple[float, float] | None:
    """95% interval of the mean of a metric's values (users,), over users and items.

    None with fewer than two users or items, or for a metric from outside.
    """
    if metric not in FROM_HITS:
        return None
    return _interval(per_user, lists.items, _changes(lists, metric, k, per_user), lowest=0.0)


def paired_item_interval(
    first: Lists, second: Lists, metric: str, k: int, values: tuple[np.ndarray, np.ndarray]
) -> tuple[float, float] | None:
    """`item_interval` of the mean difference of two models' values (users,), for the same targets
    among the same candidates."""
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
    """Mean and two-way variance of values (users,) as an interval of Student's t.

    Args:
        items: how many were drawn.
        changes: blocks (users, items) of what each item adds to the user's value.
        lowest: end of what the mean can be, beside 1.
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
    # Centred over the items drawn, also those that are on no list and no target.
    total = float(of_item.sum())
    centred_squares = float((of_item**2).sum()) - total**2 / items
    over_items = (items - 1) / items * centred_squares / users**2
    pairs = squares - of_user_squares / items - float((of_item**2).sum()) / users
    over_pairs = (pairs + total**2 / (users * items)) / users**2
    # The difference of two estimates may fall below zero; an item cannot make a figure surer.
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
    """Variance of the estimated variance over items: a few of them may carry most of it.

    From the fourth moment (Satterthwaite 1946), at least what items all alike would have.
    """
    centre = total / items
    deviations = of_item[of_item != 0] - centre
    untouched = items - len(deviations)
    second = float((deviations**2).sum()) + untouched * centre**2
    fourth = float((deviations**4).sum()) + untouched * centre**4
    return max(fourth - second**2 / items, 2 * second**2 / (items - 1))


def _changes(lists: Lists, metric: str, k: int, per_user: np.ndarray) -> Iterator[sp.csr_array]:
    """What each item adds to each user's value: the value, less that without the item; in blocks
    of users in order, (users, items) CSR.

    Where the item was the user's only target there is no value without it, and the mean stands in
    for it, so that the user leaves the average unchanged.
    """
    mean = per_user.mean()
    for begin in range(0, len(per_user), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        target, values = lists.target[part], per_user[part, None]
        found, counts = lists.found[part, : k + 1], lists.counts[part]
        # Where the lists end at the cut, nothing follows.
        found = np.pad(found, ((0, 0), (0, k + 1 - found.shape[1])))
        ranked = lists.ranked[part, :k]
        listed = values - _without_listed(metric, found, counts, mean)[:, : ranked.shape[1]]
        without = np.where(counts == 1, mean, FROM_HITS[metric](found[:, :k], counts - 1))
        missed = values[:, 0] - without
        # Every target as if it was missed, then what was found corrected: one pass over pairs each.
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
    """(users, k) a metric at k without the item at each place of the list, the rest moved up; the
    mean where no target is left. `found` (users, k + 1) holds one hit or miss beyond the cut."""
    k = found.shape[1] - 1
    inside, beyond = found[:, :k].astype(np.float64), found[:, k:].astype(np.float64)
    left = counts[:, None] - found[:, :k]
    if metric == "mrr":
        value = _without_listed_mrr(found)
    elif metric == "hit_rate":
        value = (inside.sum(axis=1, keepdims=True) - inside + beyond > 0).astype(np.float64)
    else:
        discount = 1 / np.log2(np.arange(2, k + 2)) if metric == "ndcg" else np.ones(k)
        # A hit below moves up by one: from its discount to that of the place above.
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
