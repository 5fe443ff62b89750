"""The k best items by score, with ties broken exactly and seen items left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from beekit.errors import ConfigError, DataError
from beekit.matrices import as_csr, holds, ones
from beekit.ranking.lists import empty_lists
from beekit.ranking.protocol import Recommendations
from beekit.ranking.ties import history_keys, tie_keys

# Scores held at once: 32 MB in float32.
BLOCK_ELEMENTS = 2**23


def candidate_indices(candidates: np.ndarray | None, n_items: int) -> np.ndarray:
    """Candidates as distinct item indices in ascending order; all items if `candidates` is None.

    Raises:
        DataError: if a candidate is not the index of an item.
    """
    if candidates is None:
        return np.arange(n_items)
    return np.unique(require_indices(candidates, n_items, "candidates"))


def require_indices(given: np.ndarray, n_items: int, what: str) -> np.ndarray:
    """Item indices as int64.

    Raises:
        DataError: if one of them is not the index of an item, or if they are no indices, for
            example a mask.
    """
    indices = np.asarray(given)
    if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
        raise DataError(
            f"{what} of shape {indices.shape} and type {indices.dtype}",
            expected="item indices, integers in one dimension",
            remedy="Of a mask, give np.flatnonzero(mask).",
        )
    indices = indices.astype(np.int64)
    outside = indices[(indices < 0) | (indices >= n_items)]
    if outside.size:
        raise DataError(
            f"{outside[0]} among the {what}",
            expected=f"item indices from 0 to {n_items - 1:,}",
            remedy="Leave out items that are not in the catalog.",
        )
    return indices


def require_length(k: int) -> None:
    """Check the length of lists.

    Raises:
        ConfigError: if k is below 1.
    """
    if k < 1:
        raise ConfigError(
            f"lists of k={k} items", expected="at least 1", remedy="Choose another k."
        )


def count_candidates(X: sp.csr_array, candidates: np.ndarray) -> np.ndarray:
    """(users,) how many of the distinct `candidates` each user has in X."""
    if len(candidates) == X.shape[1]:
        return np.asarray(np.diff(X.indptr), dtype=np.int64)
    is_candidate = np.zeros(X.shape[1], dtype=bool)
    is_candidate[candidates] = True
    before = np.concatenate([[0], np.cumsum(is_candidate[X.indices])])
    return np.asarray(np.diff(before[X.indptr]), dtype=np.int64)


def seen_mask(X: sp.csr_array, candidates: np.ndarray) -> np.ndarray:
    """(users, candidates) bool: which candidates each user has in X."""
    if np.array_equal(candidates, np.arange(X.shape[1])):
        return np.asarray(X.toarray() != 0)
    return np.asarray(X[:, candidates].toarray() != 0)


def top_k(
    scores: np.ndarray,
    k: int,
    candidates: np.ndarray,
    users: np.ndarray,
    excluded: np.ndarray | None = None,
) -> Recommendations:
    """The k best candidates of each row, with ties broken by `tie_keys`.

    Args:
        scores: (users, candidates), finite.
        k: length of the lists.
        candidates: (candidates,) item indices.
        users: (users,) `history_keys` of the users.
        excluded: (users, candidates) bool, which candidates must not be recommended.
    """
    n_users, n_candidates = scores.shape
    ranked, best = empty_lists(n_users, k)
    width = min(k, n_candidates)
    allowed = scores if excluded is None else np.where(excluded, -np.inf, scores)
    order = _best_columns(allowed, width, candidates, users)
    values = np.take_along_axis(allowed, order, 1)
    found = np.isfinite(values)
    ranked[:, :width] = np.where(found, candidates[order], -1)
    best[:, :width] = values
    return ranked, best


Scorer = Callable[[sp.csr_array], np.ndarray]
"""A function from users' histories (users, items) to scores (users, candidates)."""


def recommend_by_scores(
    scorer: Callable[[np.ndarray], Scorer],
    X: sp.csr_array,
    k: int,
    candidates: np.ndarray | None = None,
    exclude_seen: bool = True,
) -> Recommendations:
    """`recommend` for a model that scores every candidate, in blocks of users.

    Args:
        scorer: a function from the candidates' item indices (candidates,), ascending, to the
            `Scorer` for these candidates. Its scores have to be finite, and a user's scores must
            not depend on the other users in the block.
        X, k, candidates, exclude_seen: as in `Recommender.recommend`.
    """
    require_length(k)
    X = as_csr(X)
    allowed = candidate_indices(candidates, X.shape[1])
    score, histories = scorer(allowed), ones(X)
    users = history_keys(histories)
    block = max(1, BLOCK_ELEMENTS // max(1, len(allowed)))
    ranked, best = empty_lists(X.shape[0], k)
    for begin in range(0, X.shape[0], block):
        part = slice(begin, begin + block)
        seen = seen_mask(histories[part], allowed) if exclude_seen else None
        ranked[part], best[part] = top_k(score(histories[part]), k, allowed, users[part], seen)
    return ranked, best


def sparse_top_k(
    scores: sp.csr_array,
    k: int,
    candidates: np.ndarray,
    users: np.ndarray,
    seen: sp.csr_array | None = None,
) -> Recommendations:
    """`top_k` of sparse scores; a score that is not stored is zero.

    The work grows with the number of stored scores, not with users times candidates. Only rows with
    fewer than k positive scores are made dense, because their lists go on with items that score
    zero or less.

    Args:
        scores: (users, candidates) CSR, finite.
        k, candidates, users: as in `top_k`.
        seen: (users, candidates) CSR, nonzero where a candidate must not be recommended; None to
            exclude nothing.
    """
    n_users, n_candidates = scores.shape
    rows = np.repeat(np.arange(n_users, dtype=np.int64), np.diff(scores.indptr))
    keep = scores.data > 0
    if seen is not None and seen.nnz:
        keep &= ~holds(seen, rows, scores.indices)
    rows, items, values = rows[keep], candidates[scores.indices[keep]], scores.data[keep]
    order = np.lexsort((tie_keys(users[rows], items), -values, rows))
    rows, items, values = rows[order], items[order], values[order]
    counts = np.bincount(rows, minlength=n_users)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    ranked, best = empty_lists(n_users, k)
    listed = place < k
    ranked[rows[listed], place[listed]] = items[listed]
    best[rows[listed], place[listed]] = values[listed]
    short = np.flatnonzero(counts < k)
    block = max(1, BLOCK_ELEMENTS // max(1, n_candidates))
    for begin in range(0, len(short), block):
        members = short[begin : begin + block]
        excluded = None if seen is None else seen[members].toarray() != 0
        dense = scores[members].toarray()
        ranked[members], best[members] = top_k(dense, k, candidates, users[members], excluded)
    return ranked, best


def _best_columns(
    scores: np.ndarray, width: int, items: np.ndarray, users: np.ndarray
) -> np.ndarray:
    """(users, width) the best columns of each row, best first, with ties broken by `tie_keys`."""
    if width == scores.shape[1]:
        chosen = np.broadcast_to(np.arange(width), scores.shape)
    else:
        parted = np.argpartition(-scores, width - 1, axis=1)
        chosen, rest = parted[:, :width].copy(), parted[:, width:]
        last = np.take_along_axis(scores, chosen, 1).min(axis=1, initial=np.inf)
        # Where the last chosen column ties with one left out, choose among all that tie.
        tied = np.take_along_axis(scores, rest, 1).max(axis=1) >= last
        tied &= last > -np.inf
        if tied.any():
            chosen[tied] = _chosen_among_ties(scores[tied], last[tied], width, items, users[tied])
    values = np.take_along_axis(scores, chosen, 1)
    keys = tie_keys(users[:, None], items[chosen])
    return np.take_along_axis(chosen, np.lexsort((keys, -values), axis=1), 1)


def _chosen_among_ties(
    scores: np.ndarray, last: np.ndarray, width: int, items: np.ndarray, users: np.ndarray
) -> np.ndarray:
    """(users, width) the columns that score above `last`, filled up with the columns that score
    exactly `last` and have the lowest tie keys."""
    places = tie_keys(users[:, None], items[None, :]) >> np.uint64(1)
    places[scores > last[:, None]] = 0
    places[scores < last[:, None]] = np.iinfo(np.uint64).max
    return np.asarray(np.argpartition(places, width - 1, axis=1)[:, :width])
