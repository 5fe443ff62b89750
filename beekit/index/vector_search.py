"""Search among item vectors by inner product, exact or approximate, for users given by vectors."""

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
    """The items whose vectors have the largest inner products with a user's.

    Unless another factory is given, search is exact (a flat index) and its ranking does not depend
    on the batch size, nor on the order of the items: ties are broken by a hash of user and item
    (`beekit.ranking.ties`).

    With another factory FAISS proposes items, from a part of the catalog or from compressed
    vectors, and the proposed are ranked by their exact inner products. It holds one of each vector,
    in an order that rows have no say in, and copies are proposed together. What holds then: no seen
    item, no item but candidates, lists as long as candidates allow (exact search answers where
    the index comes back short, and where it costs no more, such as for few candidates; its first
    use takes as much memory again as the vectors), and scores that are exact. Which items are
    proposed is approximate: `beekit.index.measure_index` says how well. It depends on the user,
    k, candidates and effort alone, but for FAISS's rounding: it picks cells, and applies
    transforms, with float32 products whose last bits depend on the size of a batch.

    Cheap to keep: what exact search needs beside the vectors is made at the first search, and kept
    with the candidates it is for until others are asked for.

    Args:
        item_vectors: (items, dims) float32.
        item_ids: (items,) the caller's ids; item indices without them.
        gpu: search on the first GPU; by default where FAISS finds one. Exact search and IVF have
            a form for it; HNSW, and PQ without IVF, stay on the CPU.
        factory: "Flat", or a FAISS factory string: "IVF256,Flat", "HNSW32", "IVF256,PQ48x8",
            "OPQ48,IVF256,PQ48x8". Trained on the item vectors.
        effort: how far to look; may be set anew at any time. Without meaning for Flat.

    Raises:
        DataError: if vectors are empty or are not finite, or if ids are repeated or are not one
            for each vector.
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
        """Whether longer lists begin as shorter ones do: not where k says how far to look."""
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
            user_vectors: (users, dims) float32, of any length.
            k: length of the lists; -1 pads what cannot be filled.
            candidates: item indices that may be listed; all without it.
            seen: (users, items) what must not be listed, where it is nonzero.
            keys: (users,) `history_keys` that break ties; those of `seen` without, and without
                that the key of a user of whom nothing is known.
            batch_size: users searched at once; does not change the result.

        Returns:
            item indices (users, k) int64, scores (users, k) float32.

        Raises:
            ConfigError: if k is below 1.
            DataError: if there is not one user vector of the items' dimensions for each user, if
                `seen` has another number of users or items, if a number is not finite, or if a
                candidate is not the index of an item.
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
        """`search` by a flat index; what it needs for the last candidates is kept."""
        key = "" if len(allowed) == len(self) else digest(allowed)
        if self._exact is None or self._exact[0] != key:
            self._exact = None  # before another takes as much memory
            self._exact = (key, ExactSearch(self.item_vectors, allowed, gpu=self.gpu))
        search = self._exact[1]
        ranked, scores = empty_lists(len(users), k)
        # Seen items are fetched too and dropped, so users with like histories search together.
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
        """Let an index trained before on these vectors with that factory propose items: one that
        `proposing_index` gave, or one of before, over every vector in its row.

        Raises:
            ValueError: if the index is of other vectors.
        """
        copies = copies_in(index, self.item_vectors)
        self.factory, self.effort = factory, effort
        self._approximate = ApproximateSearch(index, self.item_vectors, copies, gpu=self.gpu)

    def proposing_index(self) -> Any:
        """What FAISS proposes items from: it holds one of each vector, and answers with items.

        Raises:
            ConfigError: if the index is flat.
        """
        if self._approximate is None:
            raise ConfigError(
                "a flat index", expected="an index with a factory", remedy="Give it one."
            )
        return self._approximate.numbered
