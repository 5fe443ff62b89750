"""How often the items that users have score above those that they do not have."""

from __future__ import annotations

import numpy as np


def right_order(model, X) -> float:
    """The mean over users with items of the share of pairs that are in the right order."""
    scores = model.user_vectors(X) @ model.item_vectors.T
    has = X.toarray() > 0
    return np.mean(
        [
            (scores[user][has[user], None] > scores[user][~has[user]]).mean()
            for user in range(X.shape[0])
            if has[user].any()
        ]
    )
