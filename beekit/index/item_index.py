"""Recommendations by item vectors for users with a history; saving and loading the index."""

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

    For an encoder, E and D are both A, the L2-normalised item embeddings. For a linear item-item
    model they are its factors, B = E Dᵀ. `VectorSearch` describes the search.

    Args:
        item_vectors: D (items, dims) float32.
        item_ids, gpu, factory, effort: as in `VectorSearch`.
        user_side: E (items, dims) float32, by which a history becomes a user vector; None if E
            is D.

    Raises:
        DataError: if `VectorSearch` raises it, or if `user_side` is not finite or has another shape
            than `item_vectors`.
        ConfigError: if `VectorSearch` raises it.
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
        """X E: (users, dims) float32. A user's vector does not depend on the rest of the batch.

        Every nonzero value of X counts as 1, as in `recommend`.

        Raises:
            DataError: if X has another number of items than the index, or a value of X is not
                finite.
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
            X: (users, items) histories, with items in the order of the index; every nonzero value
                counts as 1.
            k, candidates, batch_size: as in `search`.
            exclude_seen: leave out the items that the user has in X.
            user_vectors: (users, dims) float32, of a model that computes its own; None for X E.

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
        """The k items with the largest inner products of their vectors (rows of D) with each given
        item's row of E; the item itself is left out.

        Raises:
            DataError: if one of `item_indices` is not the index of an item.
        """
        given = require_indices(item_indices, len(self), "item indices")
        one_hot = sp.eye_array(len(self), dtype=np.float32, format="csr")[given]
        return self.recommend(one_hot, k)

    def indices_of(self, item_ids: list[object]) -> np.ndarray:
        """Item indices of the caller's ids; -1 for an id that the index does not hold."""
        return lookup(item_ids, self.item_ids)

    def save(self, folder: str | Path) -> None:
        """Write the index to a folder of its own; if writing fails, the folder stays as it was."""
        with replacing_folder(folder) as staging:
            self.write(staging)

    def write(self, folder: Path) -> None:
        """Write the files of the index (`beekit.index_files`) one by one to an existing folder."""
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
        """The index saved in a folder, without training it again.

        Raises:
            RunError: if there is no index, if its files are broken or were not written together, or
                if a vector is not finite.
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
                f"broken index files in {folder}, or files of different indexes",
                expected="whole files that were written together",
                remedy=_AGAIN,
            ) from error

    @classmethod
    def _read(cls, folder: Path, gpu: bool | None) -> ItemIndex:
        """The index in a folder; raises an error of any kind if its files have changed."""
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
            # Checked before FAISS reads it, since a broken file can make FAISS allocate any amount
            # of memory.
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
    """The vectors in a file.

    Raises:
        RunError: if a vector is not finite.
    """
    index = faiss.read_index(str(path))
    vectors = np.ascontiguousarray(index.reconstruct_n(0, index.ntotal))
    require_finite(vectors, f"vectors in {path}", item_ids, remedy=_AGAIN, error=RunError)
    return vectors
