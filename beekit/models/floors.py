"""Baselines that every recommender must beat: popularity and chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp

from beekit.matrices import as_csr
from beekit.models.checks import require_fitted, training_matrix
from beekit.models.saved import load_fields, save_fields
from beekit.ranking import Recommendations
from beekit.ranking.ties import history_keys, scramble
from beekit.ranking.top_k import candidate_indices, require_length, seen_mask, top_k

# Scores drawn at once: 32 MB of keys.
_BLOCK_ELEMENTS = 2**22


@dataclass(eq=False)
class Popularity:
    """Recommends what most training users have; cold items tie at zero, so chance orders them.

    Attributes:
        support: (items,) float32 users of each item, after `fit`.
    """

    scores_cold_items: ClassVar[bool] = False

    support: np.ndarray | None = field(default=None, init=False, repr=False)

    def fit(self, X: sp.csr_array) -> Self:
        """Count the users of each item of X (users, items)."""
        self.support = np.asarray(training_matrix(X).sum(axis=0), dtype=np.float32)
        return self

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The same order for everybody but for ties, less what each has seen."""
        support = self.support
        require_fitted(self, None if support is None else len(support), X)
        assert support is not None  # for the type checker
        X = as_csr(X)
        require_length(k)
        allowed = candidate_indices(candidates, X.shape[1])
        ranked = np.full((X.shape[0], k), -1, dtype=np.int64)
        best = np.full((X.shape[0], k), -np.inf, dtype=np.float32)
        if not len(allowed):
            return ranked, best
        by_support = allowed[np.argsort(-support[allowed], kind="stable")]
        descending = support[by_support]
        users = history_keys(X)
        # A user needs at most k items beyond those they have seen, and all that tie with the last
        # of these. Users who have seen alike many share a block.
        overlap = np.diff(X[:, allowed].indptr) if exclude_seen else np.zeros(X.shape[0], int)
        by_overlap = np.argsort(overlap, kind="stable")
        step = max(1, _BLOCK_ELEMENTS // len(allowed))
        for begin in range(0, len(by_overlap), step):
            members = by_overlap[begin : begin + step]
            last = descending[: k + int(overlap[members[-1]])][-1]
            row = by_support[: np.searchsorted(-descending, -last, side="right")]
            scores = np.broadcast_to(support[row], (len(members), len(row)))
            seen = seen_mask(X[members], row) if exclude_seen else None
            ranked[members], best[members] = top_k(scores, k, row, users[members], seen)
        return ranked, best

    def save(self, folder: str | Path) -> None:
        """Write the support."""
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder."""
        return load_fields(cls, folder)


@dataclass(eq=False)
class Random:
    """Recommends candidates in an order drawn for each user; the same user, the same order.

    Args:
        seed: any integer; each draws other orders.
    """

    scores_cold_items: ClassVar[bool] = True

    seed: int = 0

    def fit(self, X: sp.csr_array) -> Self:
        """Nothing to learn."""
        return self

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """A draw that depends on seed, interactions and candidates, not on who is in the batch."""
        X = as_csr(X)
        require_length(k)
        allowed = candidate_indices(candidates, X.shape[1])
        # Scrambled first: with a plain sum, one seed would draw what the next does one item on.
        drawn = scramble(np.array([self.seed % 2**64], dtype=np.uint64))
        candidate_keys = scramble(allowed.astype(np.uint64) ^ scramble(drawn))
        user_keys = history_keys(X)
        block = max(1, _BLOCK_ELEMENTS // max(1, len(allowed)))
        ranked, best = [np.empty((0, k), dtype=np.int64)], [np.empty((0, k), dtype=np.float32)]
        for begin in range(0, X.shape[0], block):
            part = slice(begin, begin + block)
            keys = scramble(user_keys[part, None] ^ candidate_keys[None, :])
            unit = (keys >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
            seen = seen_mask(X[part], allowed) if exclude_seen else None
            items, scores = top_k(unit, k, allowed, user_keys[part], seen)
            ranked.append(items)
            best.append(scores)
        return np.concatenate(ranked), np.concatenate(best)

    def save(self, folder: str | Path) -> None:
        """Write the seed."""
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder."""
        return load_fields(cls, folder)
