"""The k best of dense scores, with exact ties and exclusions."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.models.protocol import Recommendations


def candidate_indices(candidates: np.ndarray | None, n_items: int) -> np.ndarray:
    """Candidates as distinct ascending item indices; all items without any given."""
    if candidates is None:
        return np.arange(n_items)
    return np.unique(np.asarray(candidates, dtype=np.int64))


def seen_mask(X: sp.csr_array, candidates: np.ndarray) -> np.ndarray:
    """(users, candidates) bool: what each user already has."""
    return np.asarray(X[:, candidates].toarray() != 0)


def top_k(
    scores: np.ndarray, k: int, candidates: np.ndarray, excluded: np.ndarray | None = None
) -> Recommendations:
    """The k best candidates of each row; ties rank the lower item index first.

    Args:
        scores: (users, candidates), finite.
        k: length of the lists.
        candidates: (candidates,) item indices, ascending.
        excluded: (users, candidates) bool, what must not be recommended.
    """
    users, n_candidates = scores.shape
    ranked = np.full((users, k), -1, dtype=np.int64)
    best = np.full((users, k), -np.inf, dtype=np.float32)
    # A stable sort keeps the order of candidates among equals; excluded ones sort behind all.
    order = np.argsort(-scores, axis=1, kind="stable")
    if excluded is not None:
        behind = np.argsort(np.take_along_axis(excluded, order, 1), axis=1, kind="stable")
        order = np.take_along_axis(order, behind, 1)
        left = n_candidates - excluded.sum(axis=1)
    else:
        left = np.full(users, n_candidates)
    width = min(k, n_candidates)
    order = order[:, :width]
    ranked[:, :width] = candidates[order]
    best[:, :width] = np.take_along_axis(scores, order, 1)
    beyond = np.arange(k) >= left[:, None]
    ranked[beyond], best[beyond] = -1, -np.inf
    return ranked, best
