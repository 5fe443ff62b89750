"""Approximate search by FAISS: FAISS proposes items, and these are ranked by exact scores."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable
from typing import Any

import faiss as faiss_module
import numpy as np
import scipy.sparse as sp

from beekit.data.ids import digest
from beekit.errors import ConfigError
from beekit.index import inner_products
from beekit.index.duplicate_vectors import Copies, within
from beekit.index.factory import keeps_vectors, searched
from beekit.matrices import holds
from beekit.ranking.lists import empty_lists
from beekit.ranking.ties import tie_keys
from beekit.ranking.top_k import count_candidates

faiss: Any = faiss_module  # the type stubs of faiss lack most search parameters
# For each item that an IVF search has to return, it looks at no fewer than this many candidates.
_LOOKED_AT = 2
# An inner product in a cell takes about this many times as long as one in exact search, which
# computes them in blocks.
_CELL_COST = 3
# Several items may share a vector. For each vector fetched for a user, no more than this many items
# on average are ranked; a user with more goes to exact search.
_STAND_FOR = 8

logger = logging.getLogger(__name__)

Lookup = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""A function from user vectors to FAISS's scores and row numbers of its vectors, both
(users, fetched); -1 stands for no vector."""


@dataclasses.dataclass(frozen=True)
class Effort:
    """How far an approximate search looks. A higher effort finds more of what exact search finds,
    and takes more time.

    The numbers hold when all items are candidates. When only a share of the catalog is, nprobe and
    ef_search are divided by that share, so that the search looks at as many candidates as it would
    without a filter. Exact search answers instead when it costs no more: when a third of an IVF
    index's cells or more would be searched, or when an HNSW search would follow as many edges as
    there are candidates.

    Attributes:
        nprobe: how many cells of an IVF index are searched for each user; more are searched if
            these are likely to hold too few items.
        ef_search: how many items an HNSW search keeps in its queue; never fewer than it returns.
        refine: for indexes that hold codes (PQ, SQ) or transformed vectors (OPQ, PCA): `refine`
            times k items are fetched by approximate score and then ranked by exact score.
    """

    nprobe: int = 16
    ef_search: int = 64
    refine: int = 4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, int) or value < 1:
                raise ConfigError(
                    f"search effort {name}={value!r}",
                    expected="an integer of at least 1",
                    remedy="Choose another value.",
                )


class ApproximateSearch:
    """Recommendation lists from a trained FAISS index: the items that FAISS fetches, without seen
    ones, ranked by exact inner product.

    FAISS breaks ties by the order of its vectors, and vectors that share a code always tie. So
    either all vectors with the same FAISS score are used or none of them: vectors that tie with the
    last one fetched are dropped, because others like them may not have been fetched.

    On a GPU, only IVF indexes (with vectors, PQ or SQ codes) are searched, and only if all items
    are candidates. HNSW, PQ without IVF, and searches with a filter run on the CPU.

    Args:
        index: a FAISS index of `vectors`, of either kind that `copies_in` accepts.
        vectors: (items, dims) float32.
        copies: which items share a vector, and the order of the vectors in the index.
        gpu: search on the first GPU where FAISS can.
    """

    def __init__(
        self, index: Any, vectors: np.ndarray, copies: Copies, *, gpu: bool = False
    ) -> None:
        self.numbered = index
        self.index = within(index)
        self.vectors = vectors
        self.copies = copies
        self._longest = inner_products.longest(vectors)
        self._inner = searched(self.index)
        self._part: tuple[str, Any] = ("", None)
        self._gpu: Any = None
        if gpu and isinstance(self._inner, faiss.IndexIVF):
            try:
                self._gpu = inner_products.on_gpu(self.index)
            except RuntimeError as error:
                logger.warning("the index stays on the CPU: %s", str(error).splitlines()[0])

    def search(
        self,
        users: np.ndarray,
        keys: np.ndarray,
        k: int,
        allowed: np.ndarray,
        seen: sp.csr_array,
        batch_size: int,
        effort: Effort,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The lists of all users that the index can serve; the others are left to exact search.

        The number of vectors to fetch for a user, from k, `effort.refine` and the number of seen
        candidates, is rounded up to a power of two, so that many users are searched together.

        Args:
            users, keys, k, seen, batch_size: as in `VectorSearch.search`.
            allowed: the candidates' item indices, ascending.
            effort: how far to look.

        Returns:
            item indices (users, k) int64 padded with -1; exact scores (users, k) float32; and the
            row numbers of the users left to exact search. A user is left to it if it costs no more,
            if too few items remain to fill the list (ties with the last vector do not count), if
            the vectors that came back stand for very many items, or if the user's vector is zero.
        """
        n_items = len(self.vectors)
        is_candidate = np.zeros(n_items, dtype=bool)
        is_candidate[allowed] = True
        groups = self.copies.groups_of(allowed)
        n_seen = count_candidates(seen, allowed)
        refine = 1 if keeps_vectors(self.index) else effort.refine
        fetch = np.exp2(np.ceil(np.log2(refine * k + n_seen + 1))).astype(np.int64)
        ranked, scores = empty_lists(len(users), k)
        left = np.ones(len(users), dtype=bool)
        for size in np.unique(fetch):
            lookup = self._lookup(int(size), groups, effort)
            if lookup is None:
                continue
            group = np.flatnonzero(fetch == size)
            most = int(size) * (1 if len(self.copies.first) == n_items else _STAND_FOR)
            step = max(1, min(batch_size, inner_products.FETCHED // most))
            for begin in range(0, len(group), step):
                members = group[begin : begin + step]
                asking = users[members]
                scored, found = lookup(asking)
                found = np.where(self._above_the_last(asking, scored, found), found, -1)
                items = self.copies.items_of(found, most)
                listed = (items >= 0) & is_candidate[items]
                listed &= ~holds(seen[members], np.arange(len(members))[:, None], items)
                ranked[members], scores[members] = self._best(
                    asking, keys[members], items, listed, k
                )
                # Here more than k candidates are unseen; otherwise `_lookup` would have been None.
                left[members] = (listed.sum(axis=1) < k) | ~asking.any(axis=1)
        return ranked, scores, np.flatnonzero(left)

    def _lookup(self, size: int, allowed: np.ndarray, effort: Effort) -> Lookup | None:
        """A search for `size` of the allowed vectors; None if exact search costs no more."""
        n_items, n_allowed = len(self.copies.first), len(allowed)
        if size >= n_allowed:
            return None
        if isinstance(self._inner, faiss.IndexFlatCodes):
            codes = self._codes_of(allowed)

            def among_codes(users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                scores, rows = codes.search(users, size)
                return scores, np.where(rows < 0, -1, allowed[rows])

            return among_codes
        # Passed to the constructor, since FAISS keeps a selector alive only then.
        given = {} if n_allowed == n_items else {"sel": _selector(allowed, n_items)}
        index = self.index
        if isinstance(self._inner, faiss.IndexIVF):
            fill = _LOOKED_AT * size * self._inner.nlist / n_items
            cells = math.ceil(max(effort.nprobe, fill) * n_items / n_allowed)
            if _CELL_COST * cells >= self._inner.nlist:
                return None
            if self._gpu is not None and not given and max(size, cells) <= inner_products.GPU_LIMIT:
                index = self._gpu
            if isinstance(faiss.downcast_index(self._inner.quantizer), faiss.IndexHNSW):
                given["quantizer_params"] = faiss.SearchParametersHNSW(efSearch=2 * cells)
            parameters = faiss.SearchParametersIVF(nprobe=cells, **given)
        else:
            width = math.ceil(max(effort.ef_search, size) * n_items / n_allowed)
            if width * self._inner.hnsw.nb_neighbors(0) >= n_allowed:
                return None
            parameters = faiss.SearchParametersHNSW(efSearch=width, **given)
        if isinstance(self.index, faiss.IndexPreTransform):
            parameters = faiss.SearchParametersPreTransform(index_params=parameters)
        return lambda users: index.search(users, size, params=parameters)

    def _above_the_last(
        self, users: np.ndarray, scored: np.ndarray, found: np.ndarray
    ) -> np.ndarray:
        """(users, fetched) bool: which vectors score above the last one fetched by more than the
        error of float32; all of them if FAISS returned fewer than asked for."""
        lengths = np.linalg.norm(users.astype(np.float64), axis=1)
        error = inner_products.tie_width(lengths, self._longest, users.shape[1])
        cut = np.where(found[:, -1] < 0, -np.inf, scored[:, -1] + error)
        return np.asarray(scored > cut[:, None])

    def _codes_of(self, allowed: np.ndarray) -> Any:
        """An index of the allowed codes alone, since FAISS cannot filter codes; it is kept."""
        if len(allowed) == len(self.copies.first):
            return self.index
        key = digest(allowed)
        if self._part[0] != key:
            part = faiss.clone_index(self.index)
            part.remove_ids(faiss.IDSelectorNot(_selector(allowed, len(self.copies.first))))
            self._part = (key, part)
        return self._part[1]

    def _best(
        self, users: np.ndarray, keys: np.ndarray, found: np.ndarray, listed: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k best of the found items where `listed`, by inner product in float64."""
        user, place = np.nonzero(listed)
        exact = np.full((len(found), max(k, found.shape[1])), -np.inf)
        exact[user, place] = inner_products.pair_products(
            users, self.vectors, user, found[user, place]
        )
        items = np.full(exact.shape, -1, dtype=np.int64)
        items[user, place] = found[user, place]
        order = np.lexsort((tie_keys(keys[:, None], items), -exact), axis=1)[:, :k]
        items, exact = np.take_along_axis(items, order, 1), np.take_along_axis(exact, order, 1)
        return items, exact.astype(np.float32)


def _selector(allowed: np.ndarray, n_items: int) -> Any:
    chosen = np.zeros(n_items, dtype=bool)
    chosen[allowed] = True
    return faiss.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))
