"""What every recommender answers."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import scipy.sparse as sp

Recommendations = tuple[np.ndarray, np.ndarray]
"""Item indices (users, k) int64, padded with -1, and their scores (users, k) float32."""


class Recommender(Protocol):
    """Ranks candidates for users given by their interactions."""

    scores_cold_items: bool
    """Whether items without training interactions get a meaningful score."""

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items of each user, best first; ties rank the lower item index first.

        Args:
            X: (users, items) what is known of the users.
            k: length of the lists.
            candidates: item indices that may be recommended; all without it.
            exclude_seen: leave out what X holds.
        """
        ...
