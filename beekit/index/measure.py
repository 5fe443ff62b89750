"""What an approximate index gives up against exact search, and what it gains in time."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field

import faiss
import numpy as np
import scipy.sparse as sp

from beekit.errors import ConfigError
from beekit.finite import require_lists
from beekit.index.duplicate_vectors import within
from beekit.index.item_index import ItemIndex
from beekit.matrices import as_csr
from beekit.ranking.lists import listed, ratio

# Users asked one by one to time a single request: the median of so many is steady.
_SINGLE = 100
# The first answers build what the later ones use.
_WARM_UP = 3


@dataclass(frozen=True)
class IndexQuality:
    """An index against flat search over the same vectors.

    Attributes:
        factory: of the index.
        k: length of the lists compared.
        users: how many were asked.
        recall: share of flat search's list that the index finds, average over users.
        per_user: (users,) the same for each; NaN where flat search lists nothing.
        single_ms: median milliseconds a user takes that is asked alone.
        batch_us: microseconds a user takes when all are asked together.
    """

    factory: str
    k: int
    users: int
    recall: float
    per_user: np.ndarray = field(repr=False)
    single_ms: float
    batch_us: float


def measure_index(
    index: ItemIndex,
    X: sp.csr_array,
    k: int = 10,
    candidates: np.ndarray | None = None,
    exclude_seen: bool = True,
    *,
    exact: np.ndarray | None = None,
) -> IndexQuality:
    """Recall of an index's lists against flat search, and the time they take here.

    An item counts as found where flat search lists it; one that merely scores the same does not.
    Times are wall-clock on this machine with FAISS's threads as they are, after a few answers to
    warm up: user vectors, search, exclusion and exact ranking, all that `recommend` does.

    Args:
        index: what to measure; a flat one is measured too, and has recall 1.
        X: (users, items) histories to ask with, such as a sample of the users to be served.
        k, candidates, exclude_seen: as `ItemIndex.recommend` has them.
        exact: (users, k) the lists of flat search for the same request, where at hand.

    Raises:
        ConfigError: if X has no users.
        DataError: if `recommend` refuses X or `candidates`, or if `exact` does not hold a list of
            items for each user.
    """
    X = as_csr(X, "histories", items=len(index))
    if not X.shape[0]:
        raise ConfigError(
            "no users to measure with", expected="at least one", remedy="Give some rows of X."
        )
    if exact is None:
        flat = ItemIndex(index.item_vectors, user_side=index.user_side, gpu=index.gpu)
        exact = flat.recommend(X, k, candidates, exclude_seen)[0]
    require_lists(exact, len(index), "exact lists", users=range(X.shape[0]))
    singles = []
    for user in [0] * _WARM_UP + list(range(min(_SINGLE, X.shape[0]))):
        row = X[[user]]
        started = time.perf_counter()
        index.recommend(row, k, candidates, exclude_seen)
        singles.append(time.perf_counter() - started)
    started = time.perf_counter()
    found = index.recommend(X, k, candidates, exclude_seen)[0]
    batch = time.perf_counter() - started
    per_user = list_recall(found, exact)
    known = per_user[~np.isnan(per_user)]
    recall = float(known.mean()) if len(known) else float("nan")
    single_ms, batch_us = statistics.median(singles[_WARM_UP:]) * 1e3, batch / X.shape[0] * 1e6
    return IndexQuality(index.factory, k, X.shape[0], recall, per_user, single_ms, batch_us)


def list_recall(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """(users,) share of the items in `exact` lists that are in `found` lists, both padded with -1;
    NaN for a user whose exact list is empty."""
    return ratio(listed(found, exact).sum(axis=1), (exact >= 0).sum(axis=1))


def index_bytes(index: ItemIndex) -> int:
    """Bytes of what FAISS searches; the float32 vectors that rank exactly come on top of them."""
    if index.factory == "Flat":
        return int(index.item_vectors.nbytes)
    return int(faiss.serialize_index(within(index.proposing_index())).nbytes)
