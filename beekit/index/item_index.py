"""Serving item vectors to users given by their histories; saved and loaded."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import scipy.sparse as sp

from beekit import index_files
from beekit.data.ids import digest, lookup
from beekit.errors import ConfigError, DataError, RunError
from beekit.files import file_digest, replacing_folder
from beekit.finite import finite_vectors, require_finite
from beekit.index.approximate import Effort
from beekit.index.vector_search import VectorSearch
from beekit.matrices import ones
from beekit.ranking import Recommendations
from beekit.ranking.ties import history_keys
from beekit.ranking.top_k import require_indices

_AGAIN = "Make the index again with `beekit index RUN`."


class ItemIndex(VectorSearch):
    """Recommends by inner product of user vectors X E with item vectors D.

    For an encoder both sides are A, the L2-normalised item embeddings; for a linear item-item model
    they are its factors, B = E Dᵀ. How it searches, `VectorSearch` says.

    Args:
        item_vectors: D (items, dims) float32.
        item_ids: (items,) the caller's ids; item indices without them.
        user_side: E (items, dims) float32 that maps a history to a user vector; D without it.
        gpu, factory, effort: as `VectorSearch` has them.

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
        super().__init__(item_vectors, item_ids, gpu=gpu, factory=factory, effort=effort)
        self.user_side = None
        if user_side is not None:
            rows, dims = self.item_vectors.shape
            self.user_side = finite_vectors(user_side, "user side", item_ids, rows=rows, dims=dims)

    @property
    def encoder_side(self) -> np.ndarray:
        """E (items, dims)."""
        return self.item_vectors if self.user_side is None else self.user_side

    def user_vectors(self, X: sp.csr_array) -> np.ndarray:
        """X E: (users, dims) float32, summed row by row, so alike in any batch.

        Only what is nonzero in X counts, as in `recommend`.

        Raises:
            DataError: if X has another number of items than the index, or one is not finite.
        """
        return np.asarray(ones(X, "histories", items=len(self)) @ self.encoder_side)

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
            ConfigError: if k is below 1.
            DataError: if X has another number of items than the index, or if `search` refuses
                `candidates` or `user_vectors`.
        """
        X = ones(X, "histories", items=len(self))
        users = X @ self.encoder_side if user_vectors is None else user_vectors
        seen = X if exclude_seen else sp.csr_array(X.shape)
        return self.search(users, k, candidates, seen, history_keys(X), batch_size)

    def similar(self, item_indices: np.ndarray, k: int) -> Recommendations:
        """The k items nearest to each given item by inner product, itself left out.

        Raises:
            DataError: if one of `item_indices` is not the index of an item.
        """
        given = require_indices(item_indices, len(self), "item indices")
        one_hot = sp.eye_array(len(self), dtype=np.float32, format="csr")[given]
        return self.recommend(one_hot, k)

    def indices_of(self, item_ids: list[object]) -> np.ndarray:
        """Item indices of the caller's ids; -1 for an id the index does not have."""
        return lookup(item_ids, self.item_ids)

    def save(self, folder: str | Path) -> None:
        """Write the index, whole or not at all, in a folder of its own."""
        with replacing_folder(folder) as staging:
            self.write(staging)

    def write(self, folder: Path) -> None:
        """Write the files of the index, as `beekit.index_files` names them, into a folder that is
        there, one by one."""
        faiss.write_index(_flat(self.item_vectors), str(folder / index_files.ITEM_VECTORS))
        described: dict[str, Any] = {
            "item_ids": self.item_ids.tolist(),
            "vectors": digest(self.item_vectors.view(np.int32)),
            "factory": self.factory,
        }
        if self.factory != "Flat":
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
            *(ValueError, LookupError, TypeError, RuntimeError, OSError),
            *(AttributeError, ConfigError, DataError),  # faiss reads "null" as None
        ) as error:
            raise RunError(
                f"the files of the index in {folder} are broken or differ",
                expected="whole files, written together",
                remedy=_AGAIN,
            ) from error

    @classmethod
    def _read(cls, folder: Path, gpu: bool | None) -> ItemIndex:
        """The index in a folder; an error of any kind where its files are not as written."""
        described = json.loads((folder / index_files.INDEX).read_text())
        given = described["item_ids"]
        item_ids = np.array(given, dtype=object if isinstance(given[0], str) else np.int64)
        vectors = _vectors(folder / index_files.ITEM_VECTORS, item_ids)
        if digest(vectors.view(np.int32)) != described["vectors"]:
            raise ValueError("the vectors are not those the index was written with")
        side = folder / index_files.USER_SIDE
        user_side = _vectors(side, item_ids) if side.is_file() else None
        index = cls(vectors, item_ids, user_side=user_side, gpu=gpu)
        factory = described.get("factory", "Flat")  # older folders are all flat
        if factory != "Flat":
            # Before FAISS reads it: a broken file can ask for any amount of memory.
            place = folder / index_files.APPROXIMATE
            if file_digest(place) != described["approximate"]:
                raise ValueError("the trained index is not the one the index was written with")
            approximate = faiss.read_index(str(place))
            index.propose_from(approximate, factory, Effort(**described["effort"]))
        return index


def _flat(vectors: np.ndarray) -> faiss.IndexFlatIP:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def _vectors(path: Path, item_ids: np.ndarray) -> np.ndarray:
    """The vectors in a file; RunError if one is not finite."""
    index = faiss.read_index(str(path))
    vectors = np.ascontiguousarray(index.reconstruct_n(0, index.ntotal))
    require_finite(vectors, f"vectors in {path}", item_ids, remedy=_AGAIN, error=RunError)
    return vectors
