"""Ranking metrics, one value for each user.

Each function takes `ranked` (users, k) item indices, best first and padded with -1, and `target`
(users, items) CSR, the hidden interactions. It returns a (users,) float64 array, with NaN for users
without a target; averages leave these users out. The argument `k` cuts the lists; None uses their
whole length. `coverage` returns one number for all lists together.

Raises:
    DataError: if `ranked` does not hold indices of the items of `target`.
    ConfigError: if `k` is below 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from beekit.errors import DataError
from beekit.finite import require_lists
from beekit.matrices import as_csr, holds
from beekit.ranking.lists import ratio
from beekit.ranking.top_k import require_length

if TYPE_CHECKING:
    import scipy.sparse as sp


def hits(ranked: np.ndarray, target: sp.csr_array) -> np.ndarray:
    """(users, k) bool: which recommendations are targets.

    Raises:
        DataError: if `ranked` does not hold one list for each row of `target`, or an index that is
            no item of it, or if `target` is not a matrix of finite numbers.
    """
    target = as_csr(target, "target")
    require_lists(ranked, target.shape[1], users=range(target.shape[0]))
    return holds(target, np.arange(len(ranked))[:, None], ranked)


def target_counts(target: sp.csr_array) -> np.ndarray:
    """(users,) number of targets."""
    return np.asarray(np.diff(as_csr(target, "target").indptr), dtype=np.int64)


def _ndcg(found: np.ndarray, targets: np.ndarray) -> np.ndarray:
    discount = 1 / np.log2(np.arange(2, found.shape[1] + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discount)])
    gain = found.astype(np.float64) @ discount
    return ratio(gain, ideal[np.minimum(targets, found.shape[1])])


def _mrr(found: np.ndarray, targets: np.ndarray) -> np.ndarray:
    reciprocal = np.where(found.any(axis=1), 1 / (found.argmax(axis=1) + 1.0), 0.0)
    return ratio(reciprocal, targets > 0)


FROM_HITS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "calibrated_recall": lambda found, targets: ratio(
        found.sum(axis=1), np.minimum(found.shape[1], targets)
    ),
    "recall": lambda found, targets: ratio(found.sum(axis=1), targets),
    "precision": lambda found, targets: ratio(
        found.sum(axis=1), np.where(targets > 0, found.shape[1], 0)
    ),
    "ndcg": _ndcg,
    "mrr": _mrr,
    "hit_rate": lambda found, targets: ratio(np.minimum(found.sum(axis=1), 1), targets > 0),
}
"""Metrics by name: functions of the hits (users, k) and the number of targets (users,)."""


def recall(ranked: np.ndarray, target: sp.csr_array, k: int | None = None) -> np.ndarray:
    """Hits among the first k, divided by the number of targets."""
    return _per_user("recall", ranked, target, k)


def calibrated_recall(ranked: np.ndarray, target: sp.csr_array, k: int | None = None) -> np.ndarray:
    """Hits among the first k, divided by min(k, number of targets), so that 1 is always possible.

    The beeFormer and ELSA papers call this recall (Liang et al. 2018, eq. 9).
    """
    return _per_user("calibrated_recall", ranked, target, k)


def precision(ranked: np.ndarray, target: sp.csr_array, k: int | None = None) -> np.ndarray:
    """Hits among the first k, divided by k."""
    return _per_user("precision", ranked, target, k)


def ndcg(ranked: np.ndarray, target: sp.csr_array, k: int | None = None) -> np.ndarray:
    """The sum of 1/log2(1 + rank) over the hits among the first k, divided by the same sum for an
    ideal list of min(k, number of targets) hits. Relevance is binary."""
    return _per_user("ndcg", ranked, target, k)


def mrr(ranked: np.ndarray, target: sp.csr_array, k: int | None = None) -> np.ndarray:
    """One over the rank of the first hit; 0 without a hit among the first k."""
    return _per_user("mrr", ranked, target, k)


def hit_rate(ranked: np.ndarray, target: sp.csr_array, k: int | None = None) -> np.ndarray:
    """1 if there is a hit among the first k, else 0."""
    return _per_user("hit_rate", ranked, target, k)


def coverage(ranked: np.ndarray, candidates: np.ndarray | int, k: int | None = None) -> float:
    """The share of the candidates that are among the first k items of at least one user.

    Args:
        ranked: (users, k) item indices.
        candidates: the item indices that may be recommended, or their number.
        k: where lists are cut; None for their whole length.

    Raises:
        DataError: if `ranked` does not hold lists of item indices, or if there are no candidates.
    """
    total = candidates if isinstance(candidates, int) else len(candidates)
    require_lists(ranked, np.iinfo(np.int64).max)
    if total < 1:
        raise DataError(
            f"{total} candidates", expected="at least 1", remedy="Give the candidates of the lists."
        )
    if k is not None:
        require_length(k)
    shown = np.unique(ranked[:, :k])
    return float(np.count_nonzero(shown >= 0) / total)


def _per_user(metric: str, ranked: np.ndarray, target: sp.csr_array, k: int | None) -> np.ndarray:
    require_lists(ranked, np.iinfo(np.int64).max)  # before it is cut
    if k is not None:
        require_length(k)
    cut = ranked[:, :k]
    missing = 0 if k is None else max(0, k - cut.shape[1])
    cut = np.pad(cut, ((0, 0), (0, missing)), constant_values=-1)
    return FROM_HITS[metric](hits(cut, target), target_counts(target))
