"""Items that share a vector: FAISS holds the vector once, and finding it finds all its items."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import faiss as faiss_module
import numpy as np

faiss: Any = faiss_module  # its type stubs mistake C++ vectors for lists


class Copies:
    """Which items share a vector, and in what order FAISS gets the distinct vectors.

    If FAISS held every copy, it would fetch those in the first rows only, and the graph of an HNSW
    index, which links copies to each other, would reach some of them and not others. So FAISS holds
    each distinct vector once, ordered by its bytes: the index does not depend on the order of rows.

    Args:
        groups: (items,) the number of each item's distinct vector, from 0 on.
    """

    def __init__(self, groups: np.ndarray) -> None:
        self.groups = groups
        self.counts = np.bincount(groups)
        self.starts = np.cumsum(self.counts) - self.counts
        self.members = np.argsort(groups, kind="stable")
        """(items,) item indices in FAISS's order; items that share a vector are neighbours."""

    @classmethod
    def among(cls, vectors: np.ndarray) -> Copies:
        """The copies among vectors (items, dims): rows with the same bytes."""
        rows = np.ascontiguousarray(vectors)
        whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
        return cls(np.unique(whole, return_inverse=True)[1])

    @cached_property
    def first(self) -> np.ndarray:
        """(distinct vectors,) the index of one item for each vector."""
        return np.asarray(self.members[self.starts])

    def groups_of(self, items: np.ndarray) -> np.ndarray:
        """The distinct numbers of the vectors of these items, ascending."""
        if len(items) == len(self.groups):
            return np.arange(len(self.counts))
        among = np.zeros(len(self.counts), dtype=bool)
        among[self.groups[items]] = True
        return np.flatnonzero(among)

    def items_of(self, found: np.ndarray, most: int) -> np.ndarray:
        """The items that share the found vectors.

        Args:
            found: (users, fetched) numbers of vectors, padded with -1.
            most: a user whose vectors stand for more items than this gets none.

        Returns:
            item indices (users, length of the longest row), padded with -1.
        """
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
    """The index inside an IndexIDMap: it answers with row numbers of its vectors. It must not be
    used after `index` is deleted."""
    outer = faiss.downcast_index(index)
    return faiss.downcast_index(outer.index) if isinstance(outer, faiss.IndexIDMap) else outer


def copies_in(index: Any, vectors: np.ndarray) -> Copies:
    """The copies that an index of vectors (items, dims) was built with.

    An IndexIDMap holds each distinct vector once. An index saved by an older version is no
    IndexIDMap and holds the vector of every item; for it, every item is a group of its own.

    Raises:
        ValueError: if an IndexIDMap was built from other vectors.
    """
    if not isinstance(index, faiss.IndexIDMap):
        return Copies(np.arange(len(vectors)))
    copies = Copies.among(vectors)
    if not np.array_equal(faiss.vector_to_array(index.id_map), copies.first):
        raise ValueError("the index is not of these vectors")
    return copies
