"""Recommend items by the vectors beside this file, with FAISS and numpy only.

from recommend import Items

items = Items("FOLDER OF THE EXPORT")
items.recommend([[1, 48, 260]], k=10)  # a list of (item id, score) for each history
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import faiss as faiss_module
import numpy as np

faiss: Any = faiss_module  # its type stubs mistake C++ vectors for lists
# How many vectors are processed at once.
_BLOCK = 65536
# Items fetched beyond those asked for, so that all items that tie with the last one are fetched.
_MARGIN = 32
# How many items are fetched at once, over all users.
_FETCHED = 2**20


class Items:
    """The exported items; row i of the index is entry i of items.json.

    Args:
        folder: folder of the export; None for the folder of this file.
        approximate: let `approximate.faiss` propose items, and rank these by their exact inner
            products. If False, and for users with too few proposed items, all items are searched.

    Attributes:
        item_ids, labels: (items,) ids and names of the items.
        cold: (items,) bool: whether an item had no interaction in training.
        flat: the FAISS index of all vectors, which have length 1; its search is exact.

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
            self._find_copies()
        self._row = {item_id: row for row, item_id in enumerate(self.item_ids)}

    def _require_vectors(self, path: Path) -> None:
        if self.flat.ntotal != (items := len(self.item_ids)):
            found = f"{self.flat.ntotal} vectors in {path} for {items} items of items.json"
            raise ValueError(f"{found}; export both again")
        for begin in range(0, self.flat.ntotal, _BLOCK):
            vectors = self.flat.reconstruct_n(begin, min(_BLOCK, self.flat.ntotal - begin))
            wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
            if len(wrong):
                item = self.item_ids[begin + int(wrong[0])]
                raise ValueError(
                    f"the vector of item {item!r} in {path} is NaN or infinite; export it again"
                )

    def rows(self, history: Sequence[Any]) -> list[int]:
        """The distinct row numbers of a history's items.

        Raises:
            KeyError: if an id is not in `item_ids`.
        """
        return sorted({self._row[item_id] for item_id in history})

    def user_vectors(self, histories: Sequence[Sequence[Any]]) -> np.ndarray:
        """(users, dims) float32: for each history, the sum of the vectors of its items."""
        vectors = np.zeros((len(histories), self.flat.d), dtype=np.float32)
        for user, history in enumerate(histories):
            if history:
                known = self.flat.reconstruct_batch(np.array(self.rows(history)))
                vectors[user] = known.sum(axis=0)
        return vectors

    def recommend(
        self, histories: Sequence[Sequence[Any]], k: int = 10, cold: bool = False
    ) -> list[list[tuple[Any, float]]]:
        """For each history the k best items that are not in it: (item id, score), best first.

        Items with equal scores are ordered by a hash of history and item, which is the same for
        every request.

        Args:
            histories: the item ids of each user.
            k: length of the lists at most.
            cold: recommend only cold items; then the search is always exact.
        """
        seen = [set(self.rows(history)) for history in histories]
        users = self.user_vectors(histories)
        keys = self._history_keys(seen)
        everything = np.flatnonzero(self.cold) if cold else np.arange(self.flat.ntotal)
        lists: list[list[tuple[Any, float]]] = [[] for _ in seen]

        def settle(user: int, rows: np.ndarray) -> int:
            """Rank the rows found for a user; returns how many of them are not in the history."""
            unseen = rows[~np.isin(rows, sorted(seen[user]))]
            scores = self._scores(users[user], unseen)
            best = np.lexsort((_tie_keys(keys[user], unseen), -scores))[:k]
            lists[user] = [(self.item_ids[unseen[i]], float(scores[i])) for i in best]
            return len(unseen)

        left = np.flatnonzero(users.any(axis=1))
        for user in np.flatnonzero(~users.any(axis=1)).tolist():  # all items score the same
            first = np.argsort(_tie_keys(keys[user], everything))[: k + len(seen[user])]
            settle(user, everything[first])
        if not cold and self.approximate is not None:
            fetch = self._refine * k + max(map(len, seen), default=0) + 1
            proposed = self._proposed(users[left], min(fetch, self.flat.ntotal))
            few = [
                settle(user, rows) < min(k, self.flat.ntotal - len(seen[user]))
                for user, rows in zip(left.tolist(), proposed, strict=True)
            ]
            left = left[np.array(few, dtype=bool)]
        more = max((len(seen[user]) for user in left.tolist()), default=0)
        wanted = min(k + more, len(everything))
        for user, rows in self._searched(users, left, wanted, everything):
            settle(user, rows)
        return lists

    def _searched(
        self, users: np.ndarray, asked: np.ndarray, wanted: int, within: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        """For each user in `asked`, the `wanted` best rows and all rows that tie with the last."""
        sel = None if len(within) == self.flat.ntotal else faiss.IDSelectorBatch(within)
        params = faiss.SearchParameters(sel=sel) if sel is not None else None
        fetch = wanted + _MARGIN
        while len(asked) and wanted:
            fetch = min(fetch, len(within))
            longer: list[int] = []
            step = max(1, _FETCHED // fetch)
            for begin in range(0, len(asked), step):
                members = asked[begin : begin + step]
                scores, rows = self.flat.search(users[members], fetch, params=params)
                error = self._error(users[members])
                cut = (scores[:, -1] >= scores[:, wanted - 1] - error) & (fetch < len(within))
                longer += members[cut].tolist()
                yield from zip(members[~cut].tolist(), rows[~cut], strict=True)
            asked, fetch = np.array(longer, dtype=np.int64), 4 * fetch

    def _proposed(self, users: np.ndarray, fetch: int) -> Iterator[np.ndarray]:
        """For each user, the rows that the approximate index finds, and all rows with the same
        vectors.

        The index breaks ties by its own order. So rows that tie with the last one found are left
        out, because others that tie may not have been found.
        """
        step = max(1, _FETCHED // fetch)
        for begin in range(0, len(users), step):
            part = users[begin : begin + step]
            found, rows = self.approximate.search(part, fetch)
            last = np.where(rows[:, -1] < 0, -np.inf, found[:, -1] + self._error(part))
            if fetch == self.flat.ntotal:
                last[:] = -np.inf
            for proposed, scores, lowest in zip(rows, found, last, strict=True):
                groups = np.unique(self._groups[proposed[(proposed >= 0) & (scores > lowest)]])
                copies = [self._members[self._starts[g] : self._starts[g + 1]] for g in groups]
                yield np.concatenate([np.empty(0, dtype=np.int64), *copies])

    def _find_copies(self) -> None:
        """Find rows with the same vector, because the approximate index holds it only once."""
        vectors = self.flat.reconstruct_n(0, self.flat.ntotal)
        whole = vectors.view(np.dtype((np.void, vectors.itemsize * self.flat.d))).ravel()
        self._groups = np.unique(whole, return_inverse=True)[1]
        self._members = np.argsort(self._groups, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(self._groups))])

    def _scores(self, user: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Inner products in float64, so that items with the same vector have the same score."""
        scores = [np.empty(0)]
        for begin in range(0, len(rows), _BLOCK):
            vectors = self.flat.reconstruct_batch(rows[begin : begin + _BLOCK]).astype(np.float64)
            scores.append((vectors * user).sum(axis=1))
        return np.concatenate(scores)

    def _error(self, users: np.ndarray) -> np.ndarray:
        """(users,) by how much two float32 inner products with vectors of length 1 may differ
        although the exact ones are equal: seven standard deviations of their rounding error."""
        lengths = np.linalg.norm(users.astype(np.float64), axis=1)
        return np.asarray(4 * np.sqrt(self.flat.d) * np.finfo(np.float32).eps * lengths)

    def _history_keys(self, seen: Sequence[set[int]]) -> np.ndarray:
        """(users,) uint64: a key of each history, for breaking ties."""
        rows = np.arange(self.flat.ntotal, dtype=np.uint64)
        item_keys = _scramble(rows ^ np.uint64(0x9E3779B97F4A7C15))
        sums = [item_keys[sorted(own)].sum(dtype=np.uint64) for own in seen]
        return np.array(sums, dtype=np.uint64)


def _tie_keys(histories: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Keys of items for a history: among items that tie, the lowest key comes first."""
    return _scramble(histories ^ _scramble(rows.astype(np.uint64) ^ np.uint64(0xC2B2AE3D27D4EB4F)))


def _scramble(keys: np.ndarray) -> np.ndarray:
    """Mix the bits of uint64 keys well, by SplitMix64."""
    with np.errstate(over="ignore"):
        mixed = keys + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))
