"""How much recall an approximate index loses against exact search, and how much time it saves."""

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

# How many users are asked one by one: the median time of this many is stable.
_SINGLE = 100
# Requests that are not timed, because the first ones build structures that later ones use.
_WARM_UP = 3


@dataclass(frozen=True)
class IndexQuality:
    """An index compared with flat (exact) search over the same vectors.

    Attributes:
        factory: factory string of the index.
        k: length of the lists compared.
        users: number of users asked.
        recall: share of flat search's list that the index finds; mean over users.
        per_user: (users,) that share for each user; NaN where flat search's list is empty.
        single_ms: median milliseconds for a request of one user.
        batch_us: microseconds for each user in a request of all users.
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
    """The recall of an index's lists against flat search, and the time they take on this machine.

    A listed item counts as found if flat search lists it too; an item that only has the same score
    does not count. Times are wall-clock times of `recommend`, after a few requests to warm up, with
    FAISS's current number of threads.

    Args:
        index: the index to measure; a flat one has recall 1.
        X: (users, items) histories, for example of a sample of the users to be served.
        k, candidates, exclude_seen: as in `ItemIndex.recommend`.
        exact: (users, k) the lists of flat search for the same request; None to compute them.

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
    """(users,) the share of each user's `exact` list (users, k) that the `found` list holds; both
    are padded with -1. NaN where the exact list is empty."""
    return ratio(listed(found, exact).sum(axis=1), (exact >= 0).sum(axis=1))


def index_bytes(index: ItemIndex) -> int:
    """The size in bytes of the FAISS index, without the float32 vectors that an approximate one
    keeps beside it for exact ranking."""
    if index.factory == "Flat":
        return int(index.item_vectors.nbytes)
    return int(faiss.serialize_index(within(index.proposing_index())).nbytes)
