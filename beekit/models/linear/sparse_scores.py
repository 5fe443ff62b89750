"""Recommending by X B with a sparse B: memory bounded by blocks of users."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.models.linear.blocks import row_blocks
from beekit.models.linear.strongest import strongest
from beekit.ranking import Recommendations
from beekit.ranking.top_k import as_csr, candidate_indices, ones, seen_mask, sparse_top_k, top_k

# Scores stored at once; where they are dense, ranking them takes ten times their 16 MB.
_BLOCK_STORED = 2**21
# Past this share of stored scores, selecting among all is faster than sorting what is stored.
_DENSE_SHARE = 1 / 4


def recommend_sparse(
    item_item: sp.csr_array,
    X: sp.csr_array,
    k: int,
    candidates: np.ndarray | None = None,
    exclude_seen: bool = True,
) -> Recommendations:
    """`recommend` for a model whose scores are X B, with B sparse.

    Candidates without a stored score rank at zero, after positive scores and before negative ones.
    A user's scores are summed item by item of their history, so neither batch size nor the choice
    of candidates changes them.

    Args:
        item_item: B (items, items) float32 CSR, finite.
        X, k, candidates, exclude_seen: as `Recommender.recommend` has them.
    """
    histories = ones(X)
    users, n_items = histories.shape
    allowed = candidate_indices(candidates, n_items)
    everything = len(allowed) == n_items
    side = as_csr(item_item if everything else item_item[:, allowed])
    known = histories if everything else sp.csr_array(histories[:, allowed])
    columns = np.arange(len(allowed))
    ranked = np.full((users, k), -1, dtype=np.int64)
    best = np.full((users, k), -np.inf, dtype=np.float32)
    if not len(allowed):
        return ranked, best
    for begin, end in row_blocks(histories, side, _BLOCK_STORED):
        scores = histories[begin:end] @ side
        seen = known[begin:end] if exclude_seen else None
        if scores.nnz > _DENSE_SHARE * scores.shape[0] * scores.shape[1]:
            excluded = None if seen is None else seen_mask(seen, columns)
            rows, values = top_k(scores.toarray(), k, columns, excluded)
        else:
            rows, values = _best_stored(scores, k, columns, seen)
        ranked[begin:end] = np.where(rows >= 0, allowed[rows], -1)
        best[begin:end] = values
    return ranked, best


def _best_stored(
    scores: sp.csr_array, k: int, columns: np.ndarray, seen: sp.csr_array | None
) -> Recommendations:
    """`sparse_top_k`, which it leaves only users with fewer than k positive scores."""
    unseen = scores if seen is None else scores - seen * np.finfo(np.float32).max
    positive = strongest(unseen, k)
    full = np.diff(positive.indptr) == k
    short = np.flatnonzero(~full)
    rows = np.empty((scores.shape[0], k), dtype=np.int64)
    values = np.empty((scores.shape[0], k), dtype=np.float32)
    rest = None if seen is None else seen[short]
    rows[short], values[short] = sparse_top_k(scores[short], k, columns, rest)
    stored = positive[np.flatnonzero(full)]
    order = np.argsort(-stored.data.reshape(-1, k), axis=1, kind="stable")
    rows[full] = np.take_along_axis(stored.indices.reshape(-1, k), order, 1)
    values[full] = np.take_along_axis(stored.data.reshape(-1, k), order, 1)
    return rows, values
