"""Recommending by X B with a sparse B, in blocks of users, so that memory is bounded."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from beekit.matrices import as_csr
from beekit.models.base import BaseRecommender, Request
from beekit.models.linear.blocks import row_blocks
from beekit.models.linear.top_entries import strongest
from beekit.models.settings import NOT_FITTED
from beekit.ranking import Recommendations
from beekit.ranking.lists import empty_lists
from beekit.ranking.ties import history_keys, tie_keys
from beekit.ranking.top_k import candidate_indices, sparse_top_k, top_k

# How many scores are stored at once: 16 MB, and ten times that to rank them if they are dense.
_BLOCK_STORED = 2**21
# Above this share of stored scores, a selection among all is faster than sorting the stored ones.
_DENSE_SHARE = 1 / 4


@dataclass(eq=False)
class SparseItemModel(BaseRecommender):
    """A model whose scores are X B.

    Attributes:
        item_item: B (items, items) float32 CSR, from history to recommended item, after `fit`.
    """

    item_item: sp.csr_array = field(default=NOT_FITTED, init=False, repr=False)

    def _recommend(self, asked: Request) -> Recommendations:
        return recommend_sparse(self.item_item, asked)


def recommend_sparse(item_item: sp.csr_array, asked: Request) -> Recommendations:
    """The k best items by X B, B (items, items) float32 CSR.

    Candidates without a stored score have score zero, so they come after positive and before
    negative scores. A user's scores are summed over the history item by item, so they depend
    neither on the batch size nor on the candidates.
    """
    histories, k, candidates, exclude_seen = asked
    ranked, best = empty_lists(histories.shape[0], k)
    allowed, side, known = of_candidates(item_item, histories, candidates)
    if not len(allowed):
        return ranked, best
    keys = history_keys(histories)
    for begin, end in row_blocks(histories, side, _BLOCK_STORED):
        scores = histories[begin:end] @ side
        seen = known[begin:end] if exclude_seen else None
        if scores.nnz > _DENSE_SHARE * scores.shape[0] * scores.shape[1]:
            excluded = None if seen is None else seen.toarray() != 0
            found = top_k(scores.toarray(), k, allowed, keys[begin:end], excluded)
        else:
            found = _best_stored(scores, k, allowed, keys[begin:end], seen)
        ranked[begin:end], best[begin:end] = found
    return ranked, best


def of_candidates(
    decoder: sp.csr_array, histories: sp.csr_array, candidates: np.ndarray | None
) -> tuple[np.ndarray, sp.csr_array, sp.csr_array]:
    """The candidates, ascending, and their columns of `decoder` (any, items) and `histories`."""
    allowed = candidate_indices(candidates, histories.shape[1])
    if len(allowed) == histories.shape[1]:
        return allowed, as_csr(decoder), histories
    return allowed, as_csr(decoder[:, allowed]), sp.csr_array(histories[:, allowed])


def _best_stored(
    scores: sp.csr_array, k: int, allowed: np.ndarray, keys: np.ndarray, seen: sp.csr_array | None
) -> Recommendations:
    """The result of `sparse_top_k`, faster: that function is called only for users with ties at the
    end of the list or with too few positive scores."""
    unseen = scores if seen is None else scores - seen * np.finfo(np.float32).max
    positive = strongest(unseen, k + 1)
    rows, values = empty_lists(scores.shape[0], k)
    full = np.flatnonzero(np.diff(positive.indptr) == k + 1)
    stored = positive[full]
    items, found = (a.reshape(-1, k + 1) for a in (allowed[stored.indices], stored.data))
    order = np.lexsort((tie_keys(keys[full, None], items), -found), axis=1)
    items, found = (np.take_along_axis(a, order, 1) for a in (items, found))
    rows[full], values[full] = items[:, :k], found[:, :k]
    open_ = np.ones(scores.shape[0], dtype=bool)
    open_[full] = found[:, k - 1] == found[:, k]  # others may tie with the last one too
    if open_.any():
        rest = None if seen is None else seen[open_]
        rows[open_], values[open_] = sparse_top_k(scores[open_], k, allowed, keys[open_], rest)
    return rows, values
