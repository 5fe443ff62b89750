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


def as_csr(X: sp.sparray | sp.spmatrix) -> sp.csr_array:
    """Any sparse matrix as CSR without explicit zeros; the caller's stays as it is."""
    csr = sp.csr_array(X)
    if csr.nnz and not csr.data.all():
        csr = csr.copy()
        csr.eliminate_zeros()
    return csr


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
    width = min(k, n_candidates)
    allowed = scores if excluded is None else np.where(excluded, -np.inf, scores)
    order = _best_columns(allowed, width)
    values = np.take_along_axis(allowed, order, 1)
    found = np.isfinite(values)
    ranked[:, :width] = np.where(found, candidates[order], -1)
    best[:, :width] = values
    return ranked, best


def _best_columns(scores: np.ndarray, width: int) -> np.ndarray:
    """The `width` best columns of each row, best first; ties take the lower column first."""
    if width == scores.shape[1]:
        return np.argsort(-scores, axis=1, kind="stable")
    parted = np.argpartition(-scores, width - 1, axis=1)
    chosen, rest = parted[:, :width], parted[:, width:]
    values = np.take_along_axis(scores, chosen, 1)
    order = np.take_along_axis(chosen, np.lexsort((chosen, -values), axis=1), 1)
    # Where the last one in ties with one left out, only a full sort knows which column is lower.
    tied = np.take_along_axis(scores, rest, 1).max(axis=1) >= values.min(axis=1)
    order[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, :width]
    return order
