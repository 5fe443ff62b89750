"""Exact ranking on top of FAISS: near ties decided in float64, equals by `tie_keys`."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

from beekit.index import inner_products
from beekit.ranking import Recommendations
from beekit.ranking.ties import tie_keys

# Entries fetched beyond those asked for, so that ties at the cut are seen whole.
_MARGIN = 8
# Vectors centred at once: 12 MB in 384 dimensions.
_PREPARED = 4096


class ExactSearch:
    """The items whose vectors have the largest inner products, ranked as exact arithmetic would.

    A float32 product depends on the shape of the batch it is computed in, so neighbours whose
    scores differ by less than its error may swap from one batch size to another. Here such
    neighbours are scored again in float64, row by row, and equal scores rank by the hash of user
    and item: the ranking is the same for any batch size and any order of the vectors.

    FAISS holds the vectors less their mean, which changes no ranking, and keeps the error small
    for encoders whose embeddings all point one way. It sees them, and users, multiplied by powers
    of two that bring their lengths near 1, so that no product of very short vectors becomes zero.

    Args:
        vectors: (all items, dims) float32.
        items: indices of those to search.
        gpu: search on the first GPU.
    """

    def __init__(self, vectors: np.ndarray, items: np.ndarray, *, gpu: bool = False) -> None:
        self.vectors, self.items = vectors, items
        rows = vectors if len(items) == len(vectors) else vectors[items]
        # The mean of equal vectors is off by its rounding, which would be left as their direction.
        alike = bool((rows == rows[0]).all())
        self.centre = rows[0].astype(np.float64) if alike else rows.mean(axis=0, dtype=np.float64)
        parts = [slice(begin, begin + _PREPARED) for begin in range(0, len(rows), _PREPARED)]
        self.largest = max(inner_products.longest(rows[part] - self.centre) for part in parts)
        self.exponent = int(_exponents(np.array(self.largest)))
        centred = np.empty_like(rows)
        for part in parts:
            centred[part] = (rows[part] - self.centre) * 2.0**-self.exponent
        self.index: Any = faiss.IndexFlatIP(vectors.shape[1])
        self.index.add(centred)
        self.gpu_index: Any = inner_products.on_gpu(self.index) if gpu else None

    def search(self, users: np.ndarray, keys: np.ndarray, k: int) -> Recommendations:
        """The k best items, of at least k searched, for user vectors (users, dims) float32.

        Memory grows with users times k, and no further where all items tie: what is fetched to see
        ties whole goes in blocks of users, and where every item scores the same, because the user's
        vector is zero or all vectors are equal, the k are drawn without a search.
        """
        items = np.empty((len(users), k), dtype=np.int64)
        scores = np.zeros((len(users), k))
        directed = users.any(axis=1) & (self.largest > 0)
        items[~directed] = self._drawn(keys[~directed], k)
        open_users, fetch = np.flatnonzero(directed), k + _MARGIN
        while len(open_users):
            fetch = min(fetch, len(self.items))
            runs_on = np.empty(len(open_users), dtype=bool)
            step = max(1, inner_products.FETCHED // fetch)
            for begin in range(0, len(open_users), step):
                part = slice(begin, begin + step)
                members = open_users[part]
                settled = self._settled(users[members], keys[members], k, fetch)
                items[members], scores[members] = settled[0][:, :k], settled[1][:, :k]
                runs_on[part] = settled[2]
            # A run of near ties that reaches the end of what was fetched may go on behind it.
            open_users, fetch = open_users[runs_on], 4 * fetch
        scores += self._shift(users)[:, None]
        return items, scores.astype(np.float32)

    def _drawn(self, keys: np.ndarray, k: int) -> np.ndarray:
        """(users, k) the first items of those who score all the same."""
        histories, which = np.unique(keys, return_inverse=True)
        items = np.empty((len(histories), k), dtype=np.int64)
        step = max(1, inner_products.FETCHED // len(self.items))
        for begin in range(0, len(histories), step):
            part = slice(begin, begin + step)
            ties = tie_keys(histories[part, None], self.items)
            first = np.argpartition(ties, k - 1, axis=1)[:, :k]
            order = np.argsort(np.take_along_axis(ties, first, 1), axis=1)
            items[part] = self.items[np.take_along_axis(first, order, 1)]
        return items[which]

    def _settled(
        self, users: np.ndarray, keys: np.ndarray, k: int, fetch: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`fetch` items in exact order, their centred scores, and whom that is not enough for."""
        on_gpu = self.gpu_index is not None and fetch <= inner_products.GPU_LIMIT
        index = self.gpu_index if on_gpu else self.index
        lengths = np.linalg.norm(users.astype(np.float64), axis=1)
        exponents = _exponents(lengths)[:, None]
        found, rows = index.search(np.ldexp(users, -exponents), fetch)
        items = self.items[rows]
        scores = np.ldexp(found.astype(np.float64), exponents + self.exponent)
        tolerance = inner_products.tie_width(lengths, self.largest, users.shape[1])
        close = np.zeros((len(users), fetch + 1), dtype=bool)
        close[:, 1:-1] = scores[:, :-1] - scores[:, 1:] <= tolerance[:, None]
        unsettled = close[:, :-1] | close[:, 1:]
        touched = np.flatnonzero(unsettled.any(axis=1))
        if len(touched):
            user, place = np.nonzero(unsettled[touched])
            user = touched[user]
            exact = inner_products.pair_products(users, self.vectors, user, items[user, place])
            scores[user, place] = exact - self._shift(users)[user]
            ties = tie_keys(keys[touched, None], items[touched])
            order = np.lexsort((ties, -scores[touched]), axis=1)
            scores[touched] = np.take_along_axis(scores[touched], order, 1)
            items[touched] = np.take_along_axis(items[touched], order, 1)
        if fetch == len(self.items):
            return items, scores, np.zeros(len(users), dtype=bool)
        return items, scores, np.asarray(close[:, k:-1].all(axis=1))

    def _shift(self, users: np.ndarray) -> np.ndarray:
        """What centring takes from all scores of a user."""
        return np.asarray((users * self.centre).sum(axis=1))


def _exponents(lengths: np.ndarray) -> np.ndarray:
    """The powers of two just above each length."""
    return np.asarray(np.frexp(lengths)[1])
