"""Recommending by X (I + W Z) with two sparse factors, whose product is never made."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.matrices import as_csr, ones
from beekit.models.linear.blocks import row_blocks
from beekit.ranking import Recommendations
from beekit.ranking.ties import history_keys
from beekit.ranking.top_k import candidate_indices, require_length, sparse_top_k, top_k

# Past this share of nonzeros, a dense product takes less time than a sparse one.
_DENSE_SHARE = 1 / 32
# Numbers a dense block of users holds at once: 16 MB in float32.
_BLOCK_ELEMENTS = 2**22
# Scores a sparse block stores at once.
_BLOCK_STORED = 2**21


def recommend_by_factors(
    encoder: sp.csr_array,
    decoder: sp.csr_array,
    X: sp.csr_array,
    k: int,
    candidates: np.ndarray | None = None,
    exclude_seen: bool = True,
) -> Recommendations:
    """`recommend` for a model whose scores are X + X W Z.

    Users whose code X W has few nonzeros stay sparse up to their list; for the others the scores of
    a block are dense. Which one it is depends on the user alone, so that batches change nothing.
    Candidates without a score rank at zero.

    Args:
        encoder: W (items, inner) float32 CSR, finite.
        decoder: Z (inner, items) float32 CSR, finite.
        X, k, candidates, exclude_seen: as `Recommender.recommend` has them.
    """
    require_length(k)
    histories = ones(X)
    users, n_items = histories.shape
    ranked = np.full((users, k), -1, dtype=np.int64)
    best = np.full((users, k), -np.inf, dtype=np.float32)
    allowed = candidate_indices(candidates, n_items)
    if not len(allowed):
        return ranked, best
    everything = len(allowed) == n_items
    side = decoder if everything else as_csr(decoder[:, allowed])
    known = histories if everything else as_csr(histories[:, allowed])
    by_candidate = sp.csr_array(side.T)
    keys = history_keys(histories)
    for begin, end in row_blocks(histories, encoder, _BLOCK_STORED):
        codes = (histories[begin:end] @ encoder).sorted_indices()
        is_wide = np.diff(codes.indptr) > _DENSE_SHARE * codes.shape[1]
        for members, wide in ((np.flatnonzero(is_wide), True), (np.flatnonzero(~is_wide), False)):
            if not len(members):
                continue
            rank = _rank_dense if wide else _rank_sparse
            factor = by_candidate if wide else side
            users = begin + members
            ranked[users], best[users] = rank(
                codes[members], factor, known[users], k, allowed, keys[users], exclude_seen
            )
    return ranked, best


def _rank_dense(
    codes: sp.csr_array,
    by_candidate: sp.csr_array,
    known: sp.csr_array,
    k: int,
    allowed: np.ndarray,
    keys: np.ndarray,
    exclude_seen: bool,
) -> Recommendations:
    """The k best by dense scores, blocks of users; `by_candidate` is Zᵀ."""
    ranked, best = [], []
    step = max(1, _BLOCK_ELEMENTS // max(by_candidate.shape))
    for begin in range(0, codes.shape[0], step):
        part, held = codes[begin : begin + step], known[begin : begin + step]
        scores = np.ascontiguousarray((by_candidate @ part.T.toarray(order="C")).T)
        if not exclude_seen:
            scores += held
        seen = held.toarray() != 0 if exclude_seen else None
        rows, values = top_k(scores, k, allowed, keys[begin : begin + step], seen)
        ranked.append(rows)
        best.append(values)
    return np.concatenate(ranked), np.concatenate(best)


def _rank_sparse(
    codes: sp.csr_array,
    side: sp.csr_array,
    known: sp.csr_array,
    k: int,
    allowed: np.ndarray,
    keys: np.ndarray,
    exclude_seen: bool,
) -> Recommendations:
    """The k best by sparse scores, blocks of users; `side` is Z."""
    ranked, best = [], []
    for begin, end in row_blocks(codes, side, _BLOCK_STORED):
        scores, held = codes[begin:end] @ side, known[begin:end]
        if not exclude_seen:
            scores = scores + held
        seen = held if exclude_seen else None
        rows, values = sparse_top_k(scores, k, allowed, keys[begin:end], seen)
        ranked.append(rows)
        best.append(values)
    return np.concatenate(ranked), np.concatenate(best)
