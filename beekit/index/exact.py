"""Exact search by FAISS: close scores are compared in float64, equal ones ordered by `tie_keys`."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

from beekit.index import inner_products
from beekit.ranking import Recommendations
from beekit.ranking.ties import tie_keys

# Items fetched beyond the k asked for, so that all items that tie with the k-th are fetched.
_MARGIN = 8
# How many vectors are centred at once: 12 MB in 384 dimensions, float64.
_PREPARED = 4096


class ExactSearch:
    """Ranks items by the inner products of their vectors with a user's, computed exactly.

    A float32 inner product depends on the shape of the batch it is computed in, so neighbours whose
    scores differ by less than its rounding error may change places with the batch size. Here such
    neighbours are scored again in float64, row by row, and equal scores are ordered by the hash of
    user and item. So the ranking is the same for any batch size and any order of the vectors.

    FAISS holds the vectors minus their mean. This changes no ranking, and keeps the error small for
    encoders whose embeddings all point in similar directions. Vectors and users are multiplied by
    powers of two so that their lengths are near 1; otherwise products of very short vectors would
    become zero.

    Args:
        vectors: (all items, dims) float32.
        items: indices of the items to search.
        gpu: search on the first GPU.
    """

    def __init__(self, vectors: np.ndarray, items: np.ndarray, *, gpu: bool = False) -> None:
        self.vectors, self.items = vectors, items
        rows = vectors if len(items) == len(vectors) else vectors[items]
        # The mean of equal vectors has a rounding error, which centring would leave behind as if it
        # were the direction of the vectors.
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
        """The k best items for user vectors (users, dims) float32; k is at most the items searched.

        Memory grows with users times k, also when all items tie: the further items that are fetched
        because of ties are held for one block of users at a time. When every item scores the same,
        because the user's vector is zero or all item vectors are equal, the k items are chosen by
        their tie keys without a search.
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
            # Close scores up to the last fetched item may go on after it: fetch more for them.
            open_users, fetch = open_users[runs_on], 4 * fetch
        scores += self._shift(users)[:, None]
        return items, scores.astype(np.float32)

    def _drawn(self, keys: np.ndarray, k: int) -> np.ndarray:
        """(users, k) the items with the lowest tie keys, for users whose items all tie."""
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
        """`fetch` items of each user in exact order, their centred scores, and (users,) bool:
        whether more have to be fetched."""
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
        """(users,) the number that centring subtracts from every score of a user."""
        return np.asarray((users * self.centre).sum(axis=1))


def _exponents(lengths: np.ndarray) -> np.ndarray:
    """The exponent of the power of two just above each length."""
    return np.asarray(np.frexp(lengths)[1])
