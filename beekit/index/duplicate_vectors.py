"""Items whose vectors are the same: FAISS holds one of each, and all are found with it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import faiss as faiss_module
import numpy as np

faiss: Any = faiss_module  # its stubs take C++ vectors for lists


class Copies:
    """Which items share a vector, and in what order FAISS gets the vectors.

    FAISS would fetch of many copies those in the first rows, and the graph of an HNSW index, which
    links copies to each other, would lead to some and not to the rest. So it holds one of each
    vector, in the order of their bytes: rows in another order make the same index.

    Args:
        groups: (items,) which of FAISS's vectors is an item's, from 0 on.
    """

    def __init__(self, groups: np.ndarray) -> None:
        self.groups = groups
        self.counts = np.bincount(groups)
        self.starts = np.cumsum(self.counts) - self.counts
        self.members = np.argsort(groups, kind="stable")
        """(items,) item indices, copies side by side, in FAISS's order."""

    @classmethod
    def among(cls, vectors: np.ndarray) -> Copies:
        """Those among vectors (items, dims), by their bytes."""
        rows = np.ascontiguousarray(vectors)
        whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
        return cls(np.unique(whole, return_inverse=True)[1])

    @cached_property
    def first(self) -> np.ndarray:
        """(distinct,) item indices, one of each vector."""
        return np.asarray(self.members[self.starts])

    def groups_of(self, items: np.ndarray) -> np.ndarray:
        """The numbers of the vectors of distinct items, ascending, each once."""
        if len(items) == len(self.groups):
            return np.arange(len(self.counts))
        among = np.zeros(len(self.counts), dtype=bool)
        among[self.groups[items]] = True
        return np.flatnonzero(among)

    def items_of(self, found: np.ndarray, most: int) -> np.ndarray:
        """The items (users, most of a user's) that numbers of vectors (users, fetched) stand for,
        both padded with -1; none for a user with more than `most`."""
        counts = np.where(found < 0, 0, self.counts[found])
        totals = counts.sum(axis=1)
        if counts.max(initial=0) <= 1:
            return np.where(found < 0, -1, self.first[found])
        counts[totals > most] = 0
        totals[totals > most] = 0
        items = np.full((len(found), int(totals.max())), -1, dtype=np.int64)
        counts, users = counts.ravel(), np.repeat(np.arange(len(found)), totals)
        pairs = np.arange(len(users))
        places = pairs - np.repeat(np.cumsum(totals) - totals, totals)
        within = pairs - np.repeat(np.cumsum(counts) - counts, counts)
        items[users, places] = self.members[np.repeat(self.starts[found.ravel()], counts) + within]
        return items


def within(index: Any) -> Any:
    """What an index searches, whose numbers are those of its vectors; it lives no longer."""
    outer = faiss.downcast_index(index)
    return faiss.downcast_index(outer.index) if isinstance(outer, faiss.IndexIDMap) else outer


def copies_in(index: Any, vectors: np.ndarray) -> Copies:
    """Which of the vectors (items, dims) each vector in an index stands for: one of each, or, in an
    index of before, which does not answer with items, every one.

    Raises:
        ValueError: if the index is of other vectors.
    """
    if not isinstance(index, faiss.IndexIDMap):
        return Copies(np.arange(len(vectors)))
    copies = Copies.among(vectors)
    if not np.array_equal(faiss.vector_to_array(index.id_map), copies.first):
        raise ValueError("the index is not of these vectors")
    return copies
