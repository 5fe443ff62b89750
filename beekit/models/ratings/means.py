"""Means: what a rating is expected to be without knowing who rates what."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from beekit.models.ratings.rating_model import RatingModel
from beekit.models.settings import NotNegative


@dataclass(eq=False)
class GlobalMean(RatingModel):
    """Predicts the mean of all training ratings, for everybody and everything.

    Attributes:
        item_vectors: (items, 1) float32 after `fit`: the mean, in each row.
    """

    def _learn(self, X: sp.csr_array) -> None:
        self.item_vectors = np.full((X.shape[1], 1), mean_of(X), dtype=np.float32)

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        return np.ones((histories.shape[0], 1), dtype=np.float32)


@dataclass(eq=False)
class ItemMean(RatingModel):
    """Predicts the mean of an item's training ratings, whoever rates it.

    With μ the mean of all training ratings and d the damping, the mean of an item is
    μ + Σ (r − μ) / (n + d): n ratings are drawn to μ as d further ones of μ would draw them. So an
    item without ratings has μ.

    Args:
        damping: d; 0 for the plain mean.

    Attributes:
        item_vectors: (items, 1) float32 after `fit`: the means.
    """

    damping: NotNegative = 5.0

    def _learn(self, X: sp.csr_array) -> None:
        means = damped_means(sp.csr_array(X.T), mean_of(X), self.damping)
        self.item_vectors = means.astype(np.float32)[:, None]

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        return np.ones((histories.shape[0], 1), dtype=np.float32)


@dataclass(eq=False)
class UserMean(RatingModel):
    """Predicts the mean of a user's known ratings, whatever is rated; damped as `ItemMean` is.

    The ratings are those of the history given, so that any user has a mean; without ratings it is
    the mean of all training ratings.

    Args:
        damping: d; 0 for the plain mean.

    Attributes:
        item_vectors: (items, 1) float32 ones after `fit`.
        mean: the mean of all training ratings, after `fit`.
    """

    damping: NotNegative = 5.0
    mean: float = field(default=0.0, init=False, repr=False)

    def _learn(self, X: sp.csr_array) -> None:
        self.mean = mean_of(X)
        self.item_vectors = np.ones((X.shape[1], 1), dtype=np.float32)

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        return damped_means(histories, self.mean, self.damping).astype(np.float32)[:, None]


def mean_of(X: sp.csr_array) -> float:
    """The mean of the stored numbers; 0 if there are none."""
    return float(X.data.mean()) if X.nnz else 0.0


def damped_means(X: sp.csr_array, mean: float, damping: float) -> np.ndarray:
    """(rows,) μ + Σ (r − μ) / (n + d) of the n stored numbers of each row; μ if there are none."""
    counts = np.diff(X.indptr)
    rows = np.repeat(np.arange(X.shape[0]), counts)
    sums = np.bincount(rows, weights=X.data - mean, minlength=X.shape[0])
    return np.asarray(mean + sums / np.maximum(counts + damping, 1e-300))
