"""Approximate search by FAISS: which items are looked at is approximate, all else is exact."""

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

faiss: Any = faiss_module  # its stubs know few of the search parameters
# Candidates an IVF search looks at for each one it is to return, at least.
_LOOKED_AT = 2
# A product in a cell takes about so many times that of one in exact search, which goes in blocks.
_CELL_COST = 3
# Items that the vectors fetched for a user may stand for, for each one fetched.
_STAND_FOR = 8

logger = logging.getLogger(__name__)

Lookup = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From user vectors to FAISS's scores and numbers of its vectors (users, fetched), -1 for none."""


@dataclasses.dataclass(frozen=True)
class Effort:
    """How far an approximate search looks: more finds more of what exact search does, slower.

    Each number is for all items as candidates; where they are a share of the catalog, cells and
    ef_search are divided by it, so that as many candidates are looked at as without a filter. Where
    that comes to so much that exact search costs no more, exact search answers: from a third of an
    IVF index's cells on, or where the edges an HNSW search follows are as many as the candidates.

    Attributes:
        nprobe: cells of an IVF index looked into for each user; more where they hold too few.
        ef_search: items an HNSW search keeps in view, at least as many as it is to return.
        refine: where the index holds codes (PQ, SQ) or transformed vectors (OPQ, PCA), `refine`
            times k items are fetched by their approximate scores and ranked by their exact ones.
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
    """Lists from a trained FAISS index: fetched items, less seen ones, by exact inner product.

    FAISS breaks ties by the order of its vectors, and has ties where some share a code. So of the
    vectors that score the same for it, all are looked at or none: those that score like the last
    one fetched, since more of them may lie behind it, are left out.

    A GPU searches IVF with vectors, PQ or SQ codes. HNSW and PQ without IVF have no form for it,
    and searches among some candidates only stay on the CPU too.

    Args:
        index: as `copies_in` takes it, over vectors (items, dims) float32.
        copies: which items share a vector, and so what stands where in the index.
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
        """Lists of those users whom the index can serve.

        More vectors are fetched for a user than k and their own history ask for, up to the next
        power of two; users with the same number search together.

        Args:
            users, keys, k, seen, batch_size: as `VectorSearch.search` has them.
            allowed: candidates, ascending.
            effort: how far to look.

        Returns:
            item indices (users, k) int64 padded with -1; exact scores (users, k) float32; and
            indices of the users left to exact search: because it costs no more than looking at
            the candidates one by one, because too few items came back to fill the list without
            those that tie with the last one, because what came back stands for very many copies,
            or because their vector is zero, so that all items are equal.
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
                # More candidates are unseen than k, or all would have been left to exact search.
                left[members] = (listed.sum(axis=1) < k) | ~asking.any(axis=1)
        return ranked, scores, np.flatnonzero(left)

    def _lookup(self, size: int, allowed: np.ndarray, effort: Effort) -> Lookup | None:
        """A search for `size` of the vectors allowed; None where exact search costs no more."""
        n_items, n_allowed = len(self.copies.first), len(allowed)
        if size >= n_allowed:
            return None
        if isinstance(self._inner, faiss.IndexFlatCodes):
            codes = self._codes_of(allowed)

            def among_codes(users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                scores, rows = codes.search(users, size)
                return scores, np.where(rows < 0, -1, allowed[rows])

            return among_codes
        # As arguments, since FAISS's parameters keep alive only what their constructor is given.
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
        """(users, fetched) bool: what does not tie with the last vector fetched, as far as FAISS's
        float32 tells; where FAISS had no more to return, nothing was cut off."""
        lengths = np.linalg.norm(users.astype(np.float64), axis=1)
        error = inner_products.tie_width(lengths, self._longest, users.shape[1])
        cut = np.where(found[:, -1] < 0, -np.inf, scored[:, -1] + error)
        return np.asarray(scored > cut[:, None])

    def _codes_of(self, allowed: np.ndarray) -> Any:
        """The codes of what is allowed alone, since FAISS takes no selection of them; last kept."""
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
        """The k best of what is listed, by inner products in float64, ties by `tie_keys`."""
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
