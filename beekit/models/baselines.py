"""Baselines that every recommender has to beat: popularity and chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp

from beekit.models.base import BaseRecommender, Request
from beekit.models.settings import NOT_FITTED
from beekit.ranking import Recommendations
from beekit.ranking.lists import empty_lists
from beekit.ranking.ties import history_keys, scramble
from beekit.ranking.top_k import (
    Scorer,
    candidate_indices,
    count_candidates,
    recommend_by_scores,
    seen_mask,
    top_k,
)

# How many scores are held at once: 32 MB of tie keys.
_BLOCK_ELEMENTS = 2**22


@dataclass(eq=False)
class Popularity(BaseRecommender):
    """Recommends the items that most training users have.

    Cold items all score zero, so they come in an order like a random one.

    Attributes:
        support: (items,) float32 number of users of each item, after `fit`.
    """

    support: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> None:
        self.support = np.asarray(X.sum(axis=0), dtype=np.float32)

    def _recommend(self, asked: Request) -> Recommendations:
        """All users get the same order, except for ties and for the items they have seen."""
        X, k, candidates, exclude_seen = asked
        support = self.support
        allowed = candidate_indices(candidates, X.shape[1])
        ranked, best = empty_lists(X.shape[0], k)
        if not len(allowed):
            return ranked, best
        by_support = allowed[np.argsort(-support[allowed], kind="stable")]
        descending = support[by_support]
        users = history_keys(X)
        # The list of a user who has seen n candidates is among the k + n most popular ones and
        # those that tie with the last of them. Users with a similar n share a block.
        overlap = count_candidates(X, allowed) if exclude_seen else np.zeros(X.shape[0], int)
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


@dataclass(eq=False)
class Random(BaseRecommender):
    """Recommends candidates in random order; the same history always gets the same order.

    Args:
        seed: any integer; another seed gives other orders.
    """

    scores_cold_items: ClassVar[bool] = True

    seed: int = 0

    def fit(self, X: sp.csr_array, *_: Any, **__: Any) -> Self:
        """Does nothing: there is nothing to learn, and X is not checked."""
        return self

    def _fit(self, X: sp.csr_array) -> None:
        """Never called, because `fit` does nothing."""

    def _require_fitted(self, X: sp.sparray | sp.spmatrix | None = None) -> None:
        """Accepts everything: this model needs no `fit` and takes any number of items."""

    def _recommend(self, asked: Request) -> Recommendations:
        """The scores depend on the seed, the user's history and the item alone."""

        def scorer(allowed: np.ndarray) -> Scorer:
            # The seed is scrambled first. With a plain sum, the scores of a seed would be those of
            # the next seed, moved by one item.
            drawn = scramble(np.array([self.seed % 2**64], dtype=np.uint64))
            candidate_keys = scramble(allowed.astype(np.uint64) ^ scramble(drawn))

            def scores(histories: sp.csr_array) -> np.ndarray:
                keys = scramble(history_keys(histories)[:, None] ^ candidate_keys[None, :])
                return (keys >> np.uint64(40)).astype(np.float32) / np.float32(2**24)

            return scores

        return recommend_by_scores(scorer, *asked)
