"""Recommending by B = E Dᵀ − diag(E Dᵀ)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.index import ItemIndex
from beekit.index.inner_products import FETCHED, pair_products
from beekit.models.base import Request
from beekit.ranking import Recommendations
from beekit.ranking.ties import history_keys, tie_keys
from beekit.ranking.top_k import candidate_indices


def recommend_by_sides(index: ItemIndex, asked: Request) -> Recommendations:
    """The k best items by X (E Dᵀ − diag(E Dᵀ)), so that no item contributes to its own score.

    D are the vectors of the index, and E is its user side. The diagonal does not change the scores
    of unseen items, so the index alone ranks them. With `exclude_seen=False`, the score of a seen
    item comes from the user's other items, as in training.
    """
    histories, k, candidates, exclude_seen = asked
    ranked, best = index.recommend(histories, k, candidates, exclude_seen=True)
    if exclude_seen:
        return ranked, best
    allowed = np.zeros(histories.shape[1], dtype=bool)
    allowed[candidate_indices(candidates, histories.shape[1])] = True
    longest = int(np.diff(histories.indptr).max(initial=0))
    block = max(1, FETCHED // (k + longest + 1))
    for begin in range(0, len(ranked), block):
        part = slice(begin, begin + block)
        ranked[part], best[part] = _with_seen(index, histories[part], ranked[part], allowed)
    return ranked, best


def _with_seen(
    index: ItemIndex, histories: sp.csr_array, unseen: np.ndarray, allowed: np.ndarray
) -> Recommendations:
    """The k best among `unseen` (users, k) and the users' own items, all scored in float64."""
    users, k = unseen.shape
    lengths = np.diff(histories.indptr)
    owners = np.repeat(np.arange(users), lengths)
    places = np.arange(len(owners)) - np.repeat(histories.indptr[:-1], lengths)
    items = np.full((users, k + int(lengths.max(initial=0))), -1, dtype=np.int64)
    items[:, :k] = unseen
    items[owners, k + places] = np.where(allowed[histories.indices], histories.indices, -1)
    encoder = index.item_vectors if index.user_side is None else index.user_side
    vectors, scores = index.user_vectors(histories), np.full(items.shape, -np.inf)
    user, place = np.nonzero(items >= 0)
    item = items[user, place]
    about_items = pair_products(vectors, index.item_vectors, user, item)
    own = place >= k
    about_items[own] -= pair_products(encoder, index.item_vectors, item[own], item[own])
    scores[user, place] = about_items
    keys = tie_keys(history_keys(histories)[:, None], items)
    order = np.lexsort((keys, -scores), axis=1)[:, :k]
    best = np.take_along_axis(scores, order, 1).astype(np.float32)
    return np.where(np.isneginf(best), -1, np.take_along_axis(items, order, 1)), best
