"""Exact ranking on top of FAISS: near ties decided in float64, equals by `tie_keys`."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

from beekit.ranking import Recommendations
from beekit.ranking.ties import tie_keys

# Entries fetched beyond those asked for, so that ties at the cut are seen whole.
_MARGIN = 8
# Entries fetched or drawn at once, over all users: 32 MB of indices.
_FETCHED = 2**22
# Pairs scored in float64 at once: a few MB, so that they stay in the cache.
_PAIRS = 2**11
# FAISS on a GPU finds at most so many neighbours.
_GPU_LIMIT = 2048


class ExactSearch:
    """The rows of `vectors` with the largest inner products, ranked as exact arithmetic would.

    A float32 product depends on the shape of the batch it is computed in, so neighbours whose
    scores differ by less than its error may swap from one batch size to another. Here such
    neighbours are scored again in float64, row by row, and equal scores rank by the hash of user
    and item: the ranking is the same for any batch size and any order of the vectors.

    FAISS holds the vectors less their mean, which changes no ranking, and keeps the error small
    for encoders whose embeddings all point one way.

    Args:
        vectors: (items, dims) float32.
        items: (items,) item indices of the rows.
        gpu: search on the first GPU.
    """

    def __init__(self, vectors: np.ndarray, items: np.ndarray, *, gpu: bool = False) -> None:
        self.items = items
        self.exact = vectors.astype(np.float64)
        self.centre = self.exact.mean(axis=0)
        centred = (self.exact - self.centre).astype(np.float32)
        self.largest = float(np.linalg.norm(centred, axis=1).max(initial=0))
        self.index: Any = faiss.IndexFlatIP(vectors.shape[1])
        self.index.add(centred)
        self.gpu_index: Any = None
        if gpu:
            resources = faiss.StandardGpuResources()
            self.gpu_index = faiss.index_cpu_to_gpu(resources, 0, self.index)

    def search(self, users: np.ndarray, keys: np.ndarray, k: int) -> Recommendations:
        """The k best rows for each user vector.

        Args:
            users: (users, dims) float32.
            keys: (users,) of their histories.
            k: how many, at most the number of vectors.

        Returns:
            rows (users, k) int64 and scores (users, k) float32, best first.
        """
        rows = np.empty((len(users), k), dtype=np.int64)
        scores = np.empty((len(users), k))
        open_users, fetch = np.arange(len(users)), k + _MARGIN
        while len(open_users):
            fetch = min(fetch, len(self.exact))
            found, values, runs_on = self._settled(users[open_users], keys[open_users], k, fetch)
            rows[open_users], scores[open_users] = found[:, :k], values[:, :k]
            # A run of near ties that reaches the end of what was fetched may go on behind it.
            open_users, fetch = open_users[runs_on], 2 * fetch
        scores += self._shift(users)[:, None]
        return rows, scores.astype(np.float32)

    def _settled(
        self, users: np.ndarray, keys: np.ndarray, k: int, fetch: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`fetch` rows in exact order, their centred scores, and whom that is not enough for."""
        on_gpu = self.gpu_index is not None and fetch <= _GPU_LIMIT
        index = self.gpu_index if on_gpu else self.index
        found, rows = index.search(users, fetch)
        scores = found.astype(np.float64)
        # The error of a float32 dot product grows like a random walk, eps/2 · √dims · |u| |v| at
        # most; seven standard deviations of it on both sides of a gap.
        norms = np.linalg.norm(users, axis=1) * self.largest
        tolerance = 4 * np.sqrt(users.shape[1]) * np.finfo(np.float32).eps * norms
        close = np.zeros((len(users), fetch + 1), dtype=bool)
        close[:, 1:-1] = scores[:, :-1] - scores[:, 1:] <= tolerance[:, None]
        unsettled = close[:, :-1] | close[:, 1:]
        touched = np.flatnonzero(unsettled.any(axis=1))
        if len(touched):
            user, place = np.nonzero(unsettled[touched])
            user = touched[user]
            exact = self._dots(users, user, rows[user, place])
            scores[user, place] = exact - self._shift(users)[user]
            ties = tie_keys(keys[touched, None], self.items[rows[touched]])
            order = np.lexsort((ties, -scores[touched]), axis=1)
            scores[touched] = np.take_along_axis(scores[touched], order, 1)
            rows[touched] = np.take_along_axis(rows[touched], order, 1)
        if fetch == len(self.exact):
            return rows, scores, np.zeros(len(users), dtype=bool)
        return rows, scores, np.asarray(close[:, k:-1].all(axis=1))

    def _shift(self, users: np.ndarray) -> np.ndarray:
        """What centring takes from all scores of a user."""
        return np.asarray((users * self.centre).sum(axis=1))

    def _dots(self, users: np.ndarray, user: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Inner products of pairs in float64, each computed alike whoever else is computed."""
        out = np.empty(len(user))
        exact_users = users.astype(np.float64)
        for begin in range(0, len(user), _PAIRS):
            part = slice(begin, begin + _PAIRS)
            left = exact_users[user[part]]
            out[part] = np.multiply(left, self.exact[row[part]], out=left).sum(axis=1)
        return out
