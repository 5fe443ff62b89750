"""Exact ranking on top of FAISS: near ties decided in float64, equals by item index."""

from __future__ import annotations

import faiss
import numpy as np

from beekit.models import Recommendations

# Entries fetched beyond those asked for, so that ties at the cut are seen whole.
_MARGIN = 8


def search_exact(
    index: faiss.Index, vectors: np.ndarray, users: np.ndarray, k: int
) -> Recommendations:
    """The k nearest rows of `vectors` by inner product, ranked as exact arithmetic would.

    A float32 product depends on the shape of the batch it is computed in, so neighbours whose
    scores differ by less than its error may swap from one batch size to another. Here such
    neighbours are scored again in float64, row by row; equal scores rank the lower row first. The
    result is the same for any batch size.

    Args:
        index: flat inner-product index over `vectors`, or its GPU clone.
        vectors: (items, dims) float32, what the index holds.
        users: (users, dims) float32 queries.
        k: how many, at most the number of vectors.

    Returns:
        rows (users, k) int64 and scores (users, k) float32.
    """
    fetch = min(k + _MARGIN, len(vectors))
    scores, rows = index.search(users, fetch)
    scores = scores.astype(np.float64)
    # A float32 dot product is off by at most dims x eps/2 x |u| |v|, and a gap by twice that.
    norms = np.linalg.norm(users, axis=1) * np.linalg.norm(vectors, axis=1).max(initial=0)
    tolerance = vectors.shape[1] * np.finfo(np.float32).eps * norms
    close = np.zeros((len(users), fetch + 1), dtype=bool)
    close[:, 1:-1] = scores[:, :-1] - scores[:, 1:] <= tolerance[:, None]
    unsettled = close[:, :-1] | close[:, 1:]
    touched = np.flatnonzero(unsettled.any(axis=1))
    if len(touched):
        user, place = np.nonzero(unsettled[touched])
        user = touched[user]
        scores[user, place] = _dots(users, vectors, user, rows[user, place])
        order = np.lexsort((rows[touched], -scores[touched]), axis=1)
        scores[touched] = np.take_along_axis(scores[touched], order, 1)
        rows[touched] = np.take_along_axis(rows[touched], order, 1)
    if k < fetch < len(vectors):
        # A run of near ties that reaches the end of what was fetched may go on behind it.
        runs_on = np.flatnonzero(close[:, k:-1].all(axis=1))
        for one in runs_on:
            everything = _dots(users, vectors, np.full(len(vectors), one), np.arange(len(vectors)))
            order = np.lexsort((np.arange(len(vectors)), -everything))[:k]
            rows[one, :k], scores[one, :k] = order, everything[order]
    return rows[:, :k], scores[:, :k].astype(np.float32)


def _dots(users: np.ndarray, vectors: np.ndarray, user: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Inner products of pairs in float64, each computed alike whoever else is computed."""
    out = np.empty(len(user))
    for begin in range(0, len(user), 2**15):
        part = slice(begin, begin + 2**15)
        left, right = users[user[part]].astype(np.float64), vectors[row[part]].astype(np.float64)
        out[part] = np.multiply(left, right, out=left).sum(axis=1)
    return out
