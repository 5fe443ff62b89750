"""Recommendation lists: item indices (users, k), padded with -1."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.matrices import holds
from beekit.ranking.protocol import Recommendations


def empty_lists(users: int, k: int) -> Recommendations:
    """Empty lists: item indices of -1 and scores of -inf."""
    return np.full((users, k), -1, dtype=np.int64), np.full((users, k), -np.inf, dtype=np.float32)


def listed(lists: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Whether each user's list (users, k) holds that user's `items` (users, items): bool."""
    there = lists >= 0
    ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    width = int(max(lists.max(initial=0), items.max(initial=0))) + 1
    stored = lists[there]
    held = sp.csr_array((np.ones(len(stored), bool), stored, ends), shape=(len(lists), width))
    return holds(held, np.arange(len(items))[:, None], items)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient (users,) float64; NaN where the denominator is not above zero."""
    out = np.full(len(numerator), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=out, where=denominator > 0))
