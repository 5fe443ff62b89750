"""Search of item vectors by inner product with user vectors, exact or approximate."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import scipy.sparse as sp

from beekit.data.ids import digest, require_distinct
from beekit.errors import ConfigError, DataError
from beekit.finite import finite_vectors
from beekit.index.approximate import ApproximateSearch, Effort
from beekit.index.duplicate_vectors import Copies, copies_in
from beekit.index.exact import ExactSearch
from beekit.index.factory import trained
from beekit.matrices import holds, ones
from beekit.ranking import Recommendations
from beekit.ranking.lists import empty_lists
from beekit.ranking.ties import history_keys
from beekit.ranking.top_k import candidate_indices, count_candidates, require_length


class VectorSearch:
    """Finds the items whose vectors have the largest inner products with a user's vector.

    With the factory "Flat", search is exact. The ranking depends neither on the batch size nor on
    the order of the items: ties are broken by a hash of user and item (`beekit.ranking.ties`).

    With any other factory, FAISS proposes items, by searching a part of the catalog or compressed
    vectors, and the proposed items are ranked by their exact inner products. Seen items and items
    that are no candidates are never listed, scores are exact, and lists are as long as the
    candidates allow: exact search answers if the index finds too few items or costs no less, for
    example with few candidates. The first exact search takes as much memory again as the vectors.
    Only the choice of proposed items is approximate; `beekit.index.measure_index` measures it. It
    depends on the user, k, candidates and effort, and on FAISS's rounding: FAISS selects cells and
    applies transforms with float32 products whose last bits change with the batch size.

    What exact search needs beside the vectors is built at the first search, and kept until a search
    has other candidates.

    Args:
        item_vectors: (items, dims) float32.
        item_ids: (items,) the caller's ids; None to use item indices.
        gpu: search on the first GPU; None to use it if FAISS finds one. Exact search and IVF can
            run on it; HNSW, and PQ without IVF, stay on the CPU.
        factory: "Flat", or a FAISS factory string such as "IVF256,Flat", "HNSW32",
            "IVF256,PQ48x8", "OPQ48,IVF256,PQ48x8"; that index is trained on the item vectors.
        effort: how far an approximate search looks; the attribute may be changed at any time.

    Raises:
        DataError: if there are no vectors, if one is not finite, if ids are repeated, or if there
            is not one id for each vector.
        ConfigError: if FAISS cannot make such an index, or if there are too few items to train it.
    """

    def __init__(
        self,
        item_vectors: np.ndarray,
        item_ids: np.ndarray | None = None,
        *,
        gpu: bool | None = None,
        factory: str = "Flat",
        effort: Effort | None = None,
    ) -> None:
        self.item_vectors = finite_vectors(item_vectors, "item vectors", item_ids)
        self.item_ids = np.arange(len(self)) if item_ids is None else np.asarray(item_ids)
        if self.item_ids.shape != (len(self),):
            raise DataError(
                f"item ids of shape {self.item_ids.shape}",
                expected=f"({len(self)},), one id a vector",
                remedy="Pass the ids of the items that were embedded, in the same order.",
            )
        if item_ids is not None:
            require_distinct(self.item_ids, "the index")
        self.gpu = faiss.get_num_gpus() > 0 if gpu is None else gpu
        self.factory = factory
        self.effort = effort or Effort()
        self._exact: tuple[str, ExactSearch] | None = None
        self._approximate: ApproximateSearch | None = None
        if factory != "Flat":
            copies = Copies.among(self.item_vectors)
            index = trained(factory, self.item_vectors, copies)
            self._approximate = ApproximateSearch(index, self.item_vectors, copies, gpu=self.gpu)

    def __len__(self) -> int:
        return len(self.item_vectors)

    @property
    def nested_lists(self) -> bool:
        """Whether the list of k items is the beginning of the list of k + 1; not if approximate."""
        return self._approximate is None

    def search(
        self,
        user_vectors: np.ndarray,
        k: int,
        candidates: np.ndarray | None = None,
        seen: sp.csr_array | None = None,
        keys: np.ndarray | None = None,
        batch_size: int = 4096,
    ) -> Recommendations:
        """The k best items of each user, best first.

        Args:
            user_vectors: (users, dims) float32; they need not have length 1.
            k: length of the lists; shorter ones are padded with -1.
            candidates: item indices that may be listed; None for all items.
            seen: (users, items) nonzero where an item must not be listed for a user.
            keys: (users,) `history_keys`, which break ties; None to compute them from `seen`. If
                `seen` is None too, ties are broken as for a user without history.
            batch_size: number of users searched at once. It does not change the result of exact
                search.

        Returns:
            item indices (users, k) int64, scores (users, k) float32.

        Raises:
            ConfigError: if k is below 1.
            DataError: if user vectors have other dimensions than item vectors, if `seen` has
                another number of users or items, if there is not one key for each user, if a number
                is not finite, or if a candidate is not the index of an item.
        """
        require_length(k)
        allowed = candidate_indices(candidates, len(self))
        if np.shape(user_vectors)[:1] == (0,) and (seen is None or not seen.shape[0]):
            return empty_lists(0, k)
        dims, again = self.item_vectors.shape[1], "Fit the model again."
        users = finite_vectors(
            user_vectors, "user vectors", dims=dims, row="user", remedy=again, any_length=True
        )
        shape = (len(users), len(self))
        seen = sp.csr_array(shape) if seen is None else seen
        seen = ones(seen, "histories", users=shape[0], items=shape[1])
        keys = history_keys(seen) if keys is None else np.asarray(keys)
        if keys.shape != shape[:1]:
            raise DataError(
                f"history keys of shape {keys.shape}",
                expected=f"({shape[0]},), one a user",
                remedy="Give `history_keys` of the same users.",
            )
        ranked, scores = empty_lists(len(users), k)
        if not len(allowed):
            return ranked, scores
        left = np.arange(len(users))
        if self._approximate is not None:
            ranked, scores, left = self._approximate.search(
                users, keys, k, allowed, seen, batch_size, self.effort
            )
        if len(left):
            ranked[left], scores[left] = self._exactly(
                users[left], keys[left], k, allowed, seen[left], batch_size
            )
        return ranked, scores

    def _exactly(
        self,
        users: np.ndarray,
        keys: np.ndarray,
        k: int,
        allowed: np.ndarray,
        seen: sp.csr_array,
        batch_size: int,
    ) -> Recommendations:
        """`search` by exact search; the index of the last candidates is kept."""
        key = "" if len(allowed) == len(self) else digest(allowed)
        if self._exact is None or self._exact[0] != key:
            self._exact = None  # frees its memory before the next one is built
            self._exact = (key, ExactSearch(self.item_vectors, allowed, gpu=self.gpu))
        search = self._exact[1]
        ranked, scores = empty_lists(len(users), k)
        # Seen items are fetched too and then dropped, so users who have seen about as many items
        # are searched together.
        n_seen = count_candidates(seen, allowed)
        by_seen = np.argsort(n_seen, kind="stable")
        for begin in range(0, len(users), batch_size):
            members = by_seen[begin : begin + batch_size]
            most = int(n_seen[members[-1]])
            fetch = min(k + most, len(allowed))
            items, found = search.search(users[members], keys[members], fetch)
            if most:
                dropped = holds(seen[members], np.arange(len(members))[:, None], items)
                order = np.argsort(dropped, axis=1, kind="stable")[:, :k]
                dropped = np.take_along_axis(dropped, order, 1)
                items = np.where(dropped, -1, np.take_along_axis(items, order, 1))
                found = np.where(dropped, -np.inf, np.take_along_axis(found, order, 1))
            width = min(k, fetch)
            ranked[members, :width], scores[members, :width] = items[:, :k], found[:, :k]
        return ranked, scores

    def propose_from(self, index: Any, factory: str, effort: Effort) -> None:
        """Use an index that was trained earlier on these vectors with that factory.

        Args:
            index: what `proposing_index` returned, or an index saved by an older version, which
                holds the vector of every item in its row.
            factory: the factory string it was made with.
            effort: how far to look.

        Raises:
            ValueError: if the index was built from other vectors.
        """
        copies = copies_in(index, self.item_vectors)
        self.factory, self.effort = factory, effort
        self._approximate = ApproximateSearch(index, self.item_vectors, copies, gpu=self.gpu)

    def proposing_index(self) -> Any:
        """The trained FAISS index: it holds each distinct vector once and answers with item
        indices.

        Raises:
            ConfigError: if the index is flat.
        """
        if self._approximate is None:
            raise ConfigError(
                "a flat index",
                expected="an index with a factory other than Flat",
                remedy="Make it with factory=, for example factory='IVF256,Flat'.",
            )
        return self._approximate.numbered
