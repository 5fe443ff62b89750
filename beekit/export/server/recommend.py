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
        ValueError: vectors of other items than items.json names, or some are NaN or infinite.
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

        Args:
            histories: item ids of each user.
            k: how many at most.
            cold: recommend cold items only, of which every one is looked at.
        """
        seen = [set(self.rows(history)) for history in histories]
        users = self.user_vectors(histories)
        more = max(map(len, seen), default=0)
        if cold or self.approximate is None:
            fetch = min(k + more, self.flat.ntotal)
            scores, rows = self.flat.search(
                users, fetch, params=self._only_cold() if cold else None
            )
        else:
            scores, rows = self._proposed(users, min(self._refine * k + more, self.flat.ntotal))
        lists = []
        for user, own in enumerate(seen):
            ranked = zip(rows[user].tolist(), scores[user].tolist(), strict=True)
            unseen = [pair for pair in ranked if pair[0] >= 0 and pair[0] not in own]
            lists.append([(self.item_ids[row], score) for row, score in unseen[:k]])
        return lists

    def _proposed(self, users: np.ndarray, fetch: int) -> tuple[np.ndarray, np.ndarray]:
        """(users, fetch) exact scores, best first, and rows of what the approximate index finds."""
        rows = self.approximate.search(users, fetch)[1]
        scores = np.full(rows.shape, -np.inf, dtype=np.float32)
        for user, proposed in enumerate(rows):
            there = proposed >= 0
            scores[user, there] = self.flat.reconstruct_batch(proposed[there]) @ users[user]
        order = np.argsort(-scores, axis=1, kind="stable")
        return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)

    def _only_cold(self) -> Any:
        return faiss.SearchParameters(sel=faiss.IDSelectorBatch(np.flatnonzero(self.cold)))
