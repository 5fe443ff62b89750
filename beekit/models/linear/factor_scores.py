"""Recommending by X (I + W Z) with two sparse factors, without computing their product."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.models.base import Request
from beekit.models.linear.blocks import row_blocks
from beekit.models.linear.sparse_scores import of_candidates
from beekit.ranking import Recommendations
from beekit.ranking.lists import empty_lists
from beekit.ranking.ties import history_keys
from beekit.ranking.top_k import sparse_top_k, top_k

# Above this share of nonzeros, a dense product is faster than a sparse one.
_DENSE_SHARE = 1 / 32
# How many numbers a dense block of users holds: 16 MB in float32.
_BLOCK_ELEMENTS = 2**22
# How many scores a sparse block stores.
_BLOCK_STORED = 2**21


def recommend_by_factors(
    encoder: sp.csr_array, decoder: sp.csr_array, asked: Request
) -> Recommendations:
    """The k best items by X + X W Z, W (items, inner) and Z (inner, items) float32 CSR.

    Scores are computed sparse for users whose row of X W has few nonzeros, and dense for the
    others. This depends on the user alone, so the result does not depend on batches. Candidates
    without a stored score have score zero.
    """
    histories, k, candidates, exclude_seen = asked
    ranked, best = empty_lists(histories.shape[0], k)
    allowed, side, known = of_candidates(decoder, histories, candidates)
    if not len(allowed):
        return ranked, best
    by_candidate = sp.csr_array(side.T)
    keys = history_keys(histories)
    step = max(1, _BLOCK_ELEMENTS // max(by_candidate.shape))
    for begin, end in row_blocks(histories, encoder, _BLOCK_STORED):
        codes = (histories[begin:end] @ encoder).sorted_indices()
        wide = np.diff(codes.indptr) > _DENSE_SHARE * codes.shape[1]
        members = np.flatnonzero(wide)
        for first in range(0, len(members), step):
            part = members[first : first + step]
            users = begin + part
            scores = np.ascontiguousarray((by_candidate @ codes[part].T.toarray(order="C")).T)
            if not exclude_seen:
                scores += known[users]
            excluded = known[users].toarray() != 0 if exclude_seen else None
            ranked[users], best[users] = top_k(scores, k, allowed, keys[users], excluded)
        members = np.flatnonzero(~wide)
        for first, last in row_blocks(codes[members], side, _BLOCK_STORED):
            users = begin + members[first:last]
            scores = codes[members[first:last]] @ side
            if not exclude_seen:
                scores = scores + known[users]
            seen = known[users] if exclude_seen else None
            ranked[users], best[users] = sparse_top_k(scores, k, allowed, keys[users], seen)
    return ranked, best
