"""Recommendations from the item vectors beside this file, with FAISS and numpy alone.

from recommend import Items

items = Items("FOLDER OF THE EXPORT")
items.recommend([[1, 48, 260]], k=10)  # a list of (item id, score) for each history
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss as faiss_module
import numpy as np

faiss: Any = faiss_module  # its stubs take C++ vectors for lists
# Vectors looked at together.
_BLOCK = 65536
# Items fetched beyond those asked for, so that ties at the cut are seen whole.
_MARGIN = 32


class Items:
    """The exported items; row i of the index is entry i of items.json.

    Args:
        folder: of the export; the one this file lies in without it.
        approximate: let `approximate.faiss`, where there is one, propose items, and rank those by
            their exact inner products; without it, every item is looked at.

    Attributes:
        item_ids, labels: (items,) the caller's ids, and names for people.
        cold: (items,) bool, no interaction in training.
        flat: the FAISS index of all vectors, of length 1; its inner products are exact.

    Raises:
        ValueError: if there is not one vector for each item in items.json, or if a vector is NaN or
            infinite.
    """

    def __init__(self, folder: str | Path | None = None, approximate: bool = False) -> None:
        folder = Path(__file__).parent if folder is None else Path(folder)
        known = json.loads((folder / "items.json").read_text(encoding="utf-8"))
        self.item_ids: list[Any] = known["item_id"]
        self.labels: list[str] = known["label"]
        self.cold = np.array(known["cold"], dtype=bool)
        self.flat: Any = faiss.read_index(str(folder / "items.faiss"))
        self._require_vectors(folder / "items.faiss")
        self.approximate: Any = None
        if approximate:
            about = json.loads((folder / "export.json").read_text(encoding="utf-8"))
            self.approximate = faiss.read_index(str(folder / "approximate.faiss"))
            self._refine = int(about["refine"])
        self._row = {item_id: row for row, item_id in enumerate(self.item_ids)}

    def _require_vectors(self, path: Path) -> None:
        if self.flat.ntotal != len(self.item_ids):
            raise ValueError(
                f"{self.flat.ntotal} vectors in {path} for {len(self.item_ids)} items of "
                "items.json; export both again"
            )
        for begin in range(0, self.flat.ntotal, _BLOCK):
            vectors = self.flat.reconstruct_n(begin, min(_BLOCK, self.flat.ntotal - begin))
            wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
            if len(wrong):
                item = self.item_ids[begin + int(wrong[0])]
                raise ValueError(
                    f"the vector of item {item!r} in {path} is NaN or infinite; export it again"
                )

    def rows(self, history: Sequence[Any]) -> list[int]:
        """Rows of a history's items, each once; KeyError for an id that is not there."""
        return sorted({self._row[item_id] for item_id in history})

    def user_vectors(self, histories: Sequence[Sequence[Any]]) -> np.ndarray:
        """(users, dims) float32: the sum of the vectors of a history's items."""
        vectors = np.zeros((len(histories), self.flat.d), dtype=np.float32)
        for user, history in enumerate(histories):
            if history:
                vectors[user] = self.flat.reconstruct_batch(np.array(self.rows(history))).sum(
                    axis=0
                )
        return vectors

    def recommend(
        self, histories: Sequence[Sequence[Any]], k: int = 10, cold: bool = False
    ) -> list[list[tuple[Any, float]]]:
        """The k best items of each history that are not in it: (item id, score), best first.

        Items that score the same come in an order drawn by a hash of history and item, the same at
        every request.

        Args:
            histories: item ids of each user.
            k: how many at most.
            cold: recommend cold items only, of which every one is looked at.
        """
        seen = [set(self.rows(history)) for history in histories]
        users = self.user_vectors(histories)
        keys = self._history_keys(seen)
        more = max(map(len, seen), default=0)
        if cold or self.approximate is None:
            scores, rows = self._searched(users, k + more, cold)
        else:
            scores, rows = self._proposed(users, min(self._refine * k + more, self.flat.ntotal))
        order = np.lexsort((_tie_keys(keys[:, None], rows), -scores), axis=1)
        scores, rows = (np.take_along_axis(found, order, 1) for found in (scores, rows))
        lists = []
        for user, own in enumerate(seen):
            ranked = zip(rows[user].tolist(), scores[user].tolist(), strict=True)
            unseen = [pair for pair in ranked if pair[0] >= 0 and pair[0] not in own]
            lists.append([(self.item_ids[row], score) for row, score in unseen[:k]])
        return lists

    def _searched(
        self, users: np.ndarray, wanted: int, cold: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """(users, fetched) scores, best first, and rows: those wanted, with all their ties."""
        total = int(self.cold.sum()) if cold else self.flat.ntotal
        wanted = min(wanted, total)
        fetch = wanted + _MARGIN
        while True:
            fetch = min(fetch, total)
            scores, rows = self.flat.search(
                users, max(fetch, 1), params=self._only_cold() if cold else None
            )
            if fetch == total or (scores[:, -1] < scores[:, wanted - 1]).all():
                return scores, rows
            fetch *= 2

    def _proposed(self, users: np.ndarray, fetch: int) -> tuple[np.ndarray, np.ndarray]:
        """(users, fetch) exact scores and rows of what the approximate index finds."""
        rows = self.approximate.search(users, fetch)[1]
        scores = np.full(rows.shape, -np.inf, dtype=np.float32)
        for user, proposed in enumerate(rows):
            there = proposed >= 0
            scores[user, there] = self.flat.reconstruct_batch(proposed[there]) @ users[user]
        return scores, rows

    def _history_keys(self, seen: Sequence[set[int]]) -> np.ndarray:
        """(users,) uint64: what stands for a history in a tie."""
        item_keys = _scramble(
            np.arange(self.flat.ntotal, dtype=np.uint64) ^ np.uint64(0x9E3779B97F4A7C15)
        )
        sums = [item_keys[sorted(own)].sum(dtype=np.uint64) for own in seen]
        return np.array(sums, dtype=np.uint64)

    def _only_cold(self) -> Any:
        return faiss.SearchParameters(sel=faiss.IDSelectorBatch(np.flatnonzero(self.cold)))


def _tie_keys(histories: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of items that tie for a history, the one with the lowest key comes first."""
    return _scramble(histories ^ _scramble(rows.astype(np.uint64) ^ np.uint64(0xC2B2AE3D27D4EB4F)))


def _scramble(keys: np.ndarray) -> np.ndarray:
    """SplitMix64: 64-bit keys to 64 well-mixed bits."""
    with np.errstate(over="ignore"):
        mixed = keys + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))
