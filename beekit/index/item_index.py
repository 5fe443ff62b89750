"""Serving item vectors: FAISS search with seen items excluded and candidates respected."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import scipy.sparse as sp

from beekit import index_files
from beekit.data.ids import digest, lookup, require_distinct
from beekit.errors import ConfigError, DataError, RunError
from beekit.files import file_digest, replacing_folder
from beekit.finite import finite_csr, finite_vectors, require_finite
from beekit.index.approximate import ApproximateSearch, Effort
from beekit.index.copies import Copies, copies_in
from beekit.index.exact import ExactSearch
from beekit.index.factory import trained
from beekit.matrices import ones
from beekit.ranking import Recommendations
from beekit.ranking.ties import history_keys
from beekit.ranking.top_k import candidate_indices, require_length


class ItemIndex:
    """Recommends by inner product of user vectors X E with item vectors D.

    For an encoder both sides are A, the L2-normalised item embeddings; for a linear item-item model
    they are its factors, B = E Dᵀ. Unless another factory is given, search is exact (a flat index)
    and its ranking does not depend on the batch size, nor on the order of the items: ties are
    broken by a hash of user and item (`beekit.ranking.ties`).

    With another factory FAISS proposes items, from a part of the catalog or from compressed
    vectors, and the proposed are ranked by their exact inner products. It holds one of each vector,
    in an order that rows have no say in, and copies are proposed together. What holds then: no seen
    item, no item but candidates, lists as long as candidates allow (exact search answers where
    the index comes back short, and where it costs no more, such as for few candidates; its first
    use takes three times the memory of the vectors), and scores that are exact. Which items are
    proposed is approximate: `beekit.index.measure_index` says how well. It depends on the user,
    k, candidates and effort alone, but for FAISS's rounding: it picks cells, and applies
    transforms, with float32 products whose last bits depend on the size of a batch.

    Args:
        item_vectors: D (items, dims) float32.
        item_ids: (items,) the caller's ids; item indices without them.
        user_side: E (items, dims) float32 that maps a history to a user vector; D without it.
        gpu: search on the first GPU; by default where FAISS finds one. Exact search and IVF have
            a form for it; HNSW, and PQ without IVF, stay on the CPU.
        factory: "Flat", or a FAISS factory string: "IVF256,Flat", "HNSW32", "IVF256,PQ48x8",
            "OPQ48,IVF256,PQ48x8". Trained on the item vectors.
        effort: how far to look; may be set anew on the index at any time. Without meaning for
            Flat.

    Raises:
        DataError: if vectors are empty, are not finite or have another shape, or if ids are
            repeated or are not one for each vector.
        ConfigError: if FAISS cannot make such an index, or if there are too few items to train it.
    """

    scores_cold_items = True

    def __init__(
        self,
        item_vectors: np.ndarray,
        item_ids: np.ndarray | None = None,
        *,
        user_side: np.ndarray | None = None,
        gpu: bool | None = None,
        factory: str = "Flat",
        effort: Effort | None = None,
    ) -> None:
        self.item_vectors = finite_vectors(item_vectors, "item vectors", item_ids)
        self.user_side = None
        if user_side is not None:
            rows, dims = self.item_vectors.shape
            self.user_side = finite_vectors(user_side, "user side", item_ids, rows=rows, dims=dims)
        self.item_ids = np.arange(len(self.item_vectors))
        if item_ids is not None:
            self.item_ids = np.asarray(item_ids)
            if self.item_ids.shape != (len(self.item_vectors),):
                raise DataError(
                    f"item ids of shape {self.item_ids.shape}",
                    expected=f"({len(self.item_vectors)},), one id a vector",
                    remedy="Pass the ids of the items that were embedded, in the same order.",
                )
            require_distinct(self.item_ids, "the index")
        self.gpu = faiss.get_num_gpus() > 0 if gpu is None else gpu
        self.factory = factory
        self.effort = effort or Effort()
        self._searches: dict[str, ExactSearch] = {}
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

    def user_vectors(self, X: sp.csr_array) -> np.ndarray:
        """X E: (users, dims) float32, summed row by row, so alike in any batch.

        Only what is nonzero in X counts, as in `recommend`.

        Raises:
            DataError: if X has another number of items than the index, or holds numbers that are
                not finite.
        """
        X = ones(finite_csr(X, "histories", items=len(self)))
        side = self.item_vectors if self.user_side is None else self.user_side
        return np.asarray(X @ side)

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
        *,
        user_vectors: np.ndarray | None = None,
        batch_size: int = 4096,
    ) -> Recommendations:
        """The k best items of each user, best first.

        Args:
            X: (users, items) histories in the index's item order; only what is nonzero counts.
            k: length of the lists; -1 pads what cannot be filled.
            candidates: item indices that may be recommended; all without it.
            exclude_seen: leave out what X holds.
            user_vectors: (users, dims) float32 of a model that has its own; X E without it.
            batch_size: users searched at once; does not change the result.

        Returns:
            item indices (users, k) int64, scores (users, k) float32.

        Raises:
            DataError: if X has another number of items than the index, if a candidate is not the
                index of an item, if there is not one user vector of the index's dimensions for each
                user, or if a number is not finite.
        """
        require_length(k)
        allowed = candidate_indices(candidates, len(self))
        X = ones(finite_csr(X, "histories", items=len(self)))
        if user_vectors is not None and X.shape[0]:
            user_vectors = finite_vectors(
                user_vectors,
                "user vectors",
                rows=X.shape[0],
                dims=self.item_vectors.shape[1],
                row="user",
                remedy="Fit the model again.",
            )
        if not len(allowed):
            shape = (X.shape[0], k)
            return np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
        keys = history_keys(X)

        def vectors_of(users: np.ndarray) -> np.ndarray:
            return self.user_vectors(X[users]) if user_vectors is None else user_vectors[users]

        if self._approximate is None:
            everybody = np.arange(X.shape[0])
            return self._exactly(
                vectors_of, everybody, X, keys, k, allowed, exclude_seen, batch_size
            )
        ranked, scores, left = self._approximate.recommend(
            vectors_of,
            X,
            keys,
            k,
            allowed,
            exclude_seen=exclude_seen,
            batch_size=batch_size,
            effort=self.effort,
        )
        if left.any():
            ranked[left], scores[left] = self._exactly(
                vectors_of, np.flatnonzero(left), X, keys, k, allowed, exclude_seen, batch_size
            )
        return ranked, scores

    def _exactly(
        self,
        vectors_of: Callable[[np.ndarray], np.ndarray],
        users: np.ndarray,
        X: sp.csr_array,
        keys: np.ndarray,
        k: int,
        allowed: np.ndarray,
        exclude_seen: bool,
        batch_size: int,
    ) -> Recommendations:
        """`recommend` by flat search, for some of the users."""
        search, X = self._search(allowed), X[users]
        seen = sp.csr_array(X[:, allowed]) if exclude_seen else sp.csr_array(X.shape)
        n_seen = np.diff(seen.indptr)
        ranked = np.full((X.shape[0], k), -1, dtype=np.int64)
        scores = np.full((X.shape[0], k), -np.inf, dtype=np.float32)
        # Seen items are fetched too and dropped, so users with like histories search together.
        by_seen = np.argsort(n_seen, kind="stable")
        for begin in range(0, len(by_seen), batch_size):
            members = by_seen[begin : begin + batch_size]
            fetch = min(k + int(n_seen[members[-1]]), len(allowed))
            asked = users[members]
            rows, found = search.search(vectors_of(asked), keys[asked], fetch)
            if n_seen[members[-1]]:
                rows, found = _without_seen(rows, found, seen[members], k)
            width = min(k, rows.shape[1])
            unfilled = rows[:, :width] < 0
            ranked[members, :width] = np.where(unfilled, -1, allowed[rows[:, :width]])
            scores[members, :width] = found[:, :width]
        return ranked, scores

    def similar(self, item_indices: np.ndarray, k: int) -> Recommendations:
        """The k items nearest to each given item by inner product, itself left out.

        Raises:
            DataError: if one of `item_indices` is not the index of an item.
        """
        item_indices = np.asarray(item_indices)
        if item_indices.ndim != 1 or (len(item_indices) and item_indices.dtype.kind not in "iu"):
            raise DataError(
                f"item indices of shape {item_indices.shape} and type {item_indices.dtype}",
                expected="integers (queries,)",
                remedy="Look them up with `indices_of`.",
            )
        outside = item_indices[(item_indices < 0) | (item_indices >= len(self))]
        if len(outside):
            raise DataError(
                f"item index {outside[0]}",
                expected=f"0 to {len(self) - 1}",
                remedy="Look the item up in the catalog the vectors are of.",
            )
        one_hot = sp.csr_array(
            (
                np.ones(len(item_indices), dtype=np.float32),
                (np.arange(len(item_indices)), item_indices),
            ),
            shape=(len(item_indices), len(self)),
        )
        return self.recommend(one_hot, k)

    def indices_of(self, item_ids: list[object]) -> np.ndarray:
        """Item indices of the caller's ids; -1 for an id the index does not have."""
        return lookup(item_ids, self.item_ids)

    def proposing_index(self) -> Any:
        """What FAISS proposes items from: it holds one of each vector, and answers with items.

        Raises:
            ConfigError: if the index is flat.
        """
        if self._approximate is None:
            raise ConfigError(
                "a flat index",
                expected="an index with a factory such as IVF256,Flat",
                remedy="Make the index with a factory.",
            )
        return self._approximate.numbered

    def save(self, folder: str | Path) -> None:
        """Write the index, whole or not at all, in a folder of its own."""
        with replacing_folder(folder) as staging:
            self.write(staging)

    def write(self, folder: Path) -> None:
        """Write the files of the index into a folder that is there, one by one.

        `beekit.index_files` says what they are: vectors; item ids, factory, effort and digests; the
        user side and the trained index, where there are any.
        """
        faiss.write_index(_flat(self.item_vectors), str(folder / index_files.ITEM_VECTORS))
        described: dict[str, Any] = {
            "item_ids": self.item_ids.tolist(),
            "vectors": digest(self.item_vectors.view(np.int32)),
            "factory": self.factory,
        }
        if self._approximate is not None:
            place = folder / index_files.APPROXIMATE
            faiss.write_index(self.proposing_index(), str(place))
            described["approximate"] = file_digest(place)
            described["effort"] = dataclasses.asdict(self.effort)
        (folder / index_files.INDEX).write_text(json.dumps(described))
        if self.user_side is not None:
            faiss.write_index(_flat(self.user_side), str(folder / index_files.USER_SIDE))

    @classmethod
    def load(cls, folder: str | Path, *, gpu: bool | None = None) -> ItemIndex:
        """The index saved in a folder; it is not trained again.

        Raises:
            RunError: if there is no index, if its files are broken or do not belong together, or if
                a vector is not finite.
        """
        folder = Path(folder)
        if not (folder / index_files.INDEX).is_file():
            raise RunError(
                f"no index in {folder}",
                expected=f"{index_files.INDEX} and {index_files.ITEM_VECTORS}",
                remedy="Make it with `beekit index RUN`.",
            )
        try:
            return cls._read(folder, gpu)
        except (
            *(ValueError, KeyError, TypeError, RuntimeError, OSError),
            *(AttributeError, ConfigError, DataError),  # faiss reads "null" as None
        ) as error:
            raise RunError(
                f"{index_files.ITEM_VECTORS}, {index_files.INDEX} and what lies beside them in "
                f"{folder} are broken or differ",
                expected="whole files, written together",
                remedy="Make the index again with `beekit index RUN`.",
            ) from error

    @classmethod
    def _read(cls, folder: Path, gpu: bool | None) -> ItemIndex:
        """The index in a folder; an error of any kind where its files are not as written."""
        described = json.loads((folder / index_files.INDEX).read_text())
        item_ids = np.array(
            described["item_ids"],
            dtype=object if isinstance(next(iter(described["item_ids"]), 0), str) else np.int64,
        )
        vectors = _vectors(folder / index_files.ITEM_VECTORS, item_ids)
        if digest(vectors.view(np.int32)) != described["vectors"]:
            raise ValueError("the vectors are not those the index was written with")
        side = folder / index_files.USER_SIDE
        user_side = _vectors(side, item_ids) if side.is_file() else None
        index = cls(vectors, item_ids, user_side=user_side, gpu=gpu)
        index.factory = described.get("factory", "Flat")  # older folders are all flat
        if index.factory != "Flat":
            # Before FAISS reads it: a broken file can ask for any amount of memory.
            place = folder / index_files.APPROXIMATE
            if file_digest(place) != described["approximate"]:
                raise ValueError("the trained index is not the one the index was written with")
            approximate = faiss.read_index(str(place))
            copies = copies_in(approximate, vectors)
            index.effort = Effort(**described["effort"])
            index._approximate = ApproximateSearch(approximate, vectors, copies, gpu=index.gpu)
        return index

    def _search(self, allowed: np.ndarray) -> ExactSearch:
        """A search over the candidates alone; the last one used is kept."""
        key = digest(allowed)
        if key not in self._searches:
            everything = len(allowed) == len(self)
            vectors = self.item_vectors if everything else self.item_vectors[allowed]
            self._searches = {key: ExactSearch(vectors, allowed, gpu=self.gpu)}
        return self._searches[key]


def _flat(vectors: np.ndarray) -> faiss.IndexFlatIP:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def _vectors(path: Path, item_ids: np.ndarray) -> np.ndarray:
    """The vectors in a file.

    Raises:
        RunError: if a vector is not finite.
    """
    index = faiss.read_index(str(path))
    vectors = np.ascontiguousarray(index.reconstruct_n(0, index.ntotal))
    require_finite(
        vectors,
        f"vectors in {path}",
        item_ids if len(item_ids) == len(vectors) else None,
        remedy="Make the index again with `beekit index RUN`.",
        error=RunError,
    )
    return vectors


def _without_seen(
    rows: np.ndarray, scores: np.ndarray, seen: sp.csr_array, k: int
) -> Recommendations:
    """Drop seen rows from ranked lists and close the gaps; -1 where too few are left."""
    is_seen = np.zeros(seen.shape, dtype=bool)
    is_seen[np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr)), seen.indices] = True
    dropped = np.take_along_axis(is_seen, rows, 1)
    order = np.argsort(dropped, axis=1, kind="stable")[:, :k]
    dropped = np.take_along_axis(dropped, order, 1)
    rows = np.where(dropped, -1, np.take_along_axis(rows, order, 1))
    return rows, np.where(dropped, -np.inf, np.take_along_axis(scores, order, 1))
