"""Matrix factorisation of ratings by alternating least squares, with biases and without."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from beekit.models.ratings.least_squares import ridge_vectors
from beekit.models.ratings.means import mean_of
from beekit.models.ratings.rating_model import RatingModel
from beekit.models.settings import NOT_FITTED, Count, CountOrNone, Positive

# Standard deviation of the first item vectors.
_START = 0.1


@dataclass(eq=False)
class BiasedMF(RatingModel):
    """Biased matrix factorisation (Koren, Bell & Volinsky, IEEE Computer 2009).

    A rating is expected to be μ + b_u + b_i + p_u·q_i, with μ the mean of all training ratings.
    Minimises, over all that was rated,

        Σ (r_ui − μ − b_u − b_i − p_u·q_i)² + λ (Σ |p_u|² + Σ |q_i|²) + λ_b (Σ b_u² + Σ b_i²)

    (eq. 5, where λ_b is λ) by turns for users and for items, each turn exactly, where the paper
    follows the gradient. It ends with the users, so that a user's vector is the best one for the
    ratings given: any user gets one without a fit, and without ratings μ + b_i is expected. An item
    without ratings has b_i = 0 and q_i = 0.

    Args:
        embedding_dim: length of p and q; 0 for biases alone.
        regularization: λ > 0.
        bias_regularization: λ_b > 0.
        sweeps: turns for both sides.
        seed: of the first item vectors.

    Attributes:
        item_vectors: (items, embedding_dim + 2) float32 after `fit`: q, a one, and b_i.
        mean: μ after `fit`.
    """

    embedding_dim: CountOrNone = 50
    regularization: Positive = 15.0
    bias_regularization: Positive = 3.0
    sweeps: Count = 10
    seed: int = field(default=0, kw_only=True)
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    mean: float = field(default=0.0, init=False, repr=False)

    biases: ClassVar[bool] = True

    def _learn(self, X: sp.csr_array) -> None:
        self.mean = mean_of(X)
        by_user = _less(X, self.mean)
        by_item = sp.csr_array(by_user.T)
        generator = np.random.default_rng(self.seed % 2**64)
        q = _START * generator.standard_normal((X.shape[1], self.embedding_dim))
        items = np.hstack([q, np.ones((len(q), 1)), np.zeros((len(q), 1))])
        for _ in range(self.sweeps):
            users = self._solved(by_user, items)
            items = _facing(self._solved(by_item, _facing(users)))
        self.item_vectors = items.astype(np.float32)

    def _solved(self, ratings: sp.csr_array, other: np.ndarray) -> np.ndarray:
        """One side's best vectors, biases and a one (rows, dims + 2), for those of the other side:
        its vectors, a one, and its biases."""
        free = other.shape[1] - 1 if self.biases else other.shape[1] - 2
        left = _less(ratings, other[:, -1][ratings.indices])
        found = np.ones((ratings.shape[0], other.shape[1]))
        # With a scale of its own, the bias has a penalty of its own.
        scale = np.ones(free)
        if self.biases:
            scale[-1] = (self.regularization / self.bias_regularization) ** 0.5
        sides = other[:, :free] * scale
        solved = ridge_vectors(left, sides, self.regularization, np.zeros(free))
        found[:, :-1] = 0
        found[:, :free] = scale * solved
        return found

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        items = self.item_vectors.astype(np.float64)
        return self._solved(_less(histories, self.mean), items).astype(np.float32)

    def _predicted(self, products: np.ndarray) -> np.ndarray:
        return self.mean + products


@dataclass(eq=False)
class RatingPMF(BiasedMF):
    """Probabilistic matrix factorisation of ratings (Salakhutdinov & Mnih, NeurIPS 2007).

    A rating is expected to be μ + p_u·q_i, with μ the mean of all training ratings; the maximum a
    posteriori vectors minimise Σ (r_ui − μ − p_u·q_i)² + λ (Σ_u |p_u|² + Σ_i |q_i|²) over all that
    was rated (eq. 4, with λ the ratio of variances). This is the paper's linear model: predictions
    are cut to the range of ratings in place of its logistic function, and the vectors are found by
    turns, each exactly, in place of gradient descent. So the vector of any user is the best one for
    the ratings given.

    It is a class of its own beside `PMF`, which factorises interactions: that one reads which items
    a user has, with drawn zeros, and this one what was rated how, without any.

    Args and attributes are those of `BiasedMF`, whose biases are zeros.
    """

    embedding_dim: Count = 10
    biases: ClassVar[bool] = False


def _less(ratings: sp.csr_array, what: np.ndarray | float) -> sp.csr_array:
    """Ratings minus a number, or minus one for each of them."""
    parts = (ratings.data - what, ratings.indices, ratings.indptr)
    return sp.csr_array(parts, shape=ratings.shape)


def _facing(side: np.ndarray) -> np.ndarray:
    """Vectors, biases and a one as the other side meets them: the last two change places."""
    return side[:, [*range(side.shape[1] - 2), -1, -2]]
