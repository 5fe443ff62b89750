"""The pretrained collaborative filtering that cold-start models build on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from torch import Tensor, ones

from beekit.errors import ConfigError
from beekit.finite import finite_vectors
from beekit.models.linear.elsa import ELSA


@dataclass(frozen=True)
class LinearFactors:
    """A linear model X E Dᵀ of the interactions X, whose users follow from their histories.

    Attributes:
        user_side: E (items, dims) float32; a history x is the user x E.
        item_factors: D (items, dims) float32.
    """

    user_side: np.ndarray
    item_factors: np.ndarray


def linear_factors(
    X: sp.csr_array,
    dims: int,
    seed: int,
    device: str | None = None,
    user_side: np.ndarray | None = None,
    item_factors: np.ndarray | None = None,
) -> LinearFactors:
    """The factors given, or else E = D = A, the item vectors of ELSA.

    Rows of A have length 1, so that content is asked what goes with what, and not how popular an
    item is: by the factors of a truncated SVD, large for popular items and next to nothing for the
    others, these models rank sparse data worse than content alone does. Rows of D of items without
    interactions are zero.

    Args:
        X: (users, items) CSR of ones.
        dims: of ELSA, unless factors are given.
        seed, device: of ELSA.
        user_side, item_factors: E and D of a model fitted to X before.

    Raises:
        ConfigError: if only one of `user_side` and `item_factors` is given, or if ELSA diverges.
        DataError: if the factors given are not two finite matrices (items, dims) of one shape.
    """
    if (user_side is None) != (item_factors is None):
        raise ConfigError(
            "one of cf_user_side and cf_item_factors",
            expected="both sides of one linear model, or neither",
            remedy="Choose another value.",
        )
    if user_side is not None:
        again = "Fit the model they come from again."
        encoder = finite_vectors(user_side, "cf_user_side", rows=X.shape[1], remedy=again)
        decoder = finite_vectors(
            item_factors,
            "cf_item_factors",
            rows=X.shape[1],
            dims=encoder.shape[1],
            remedy=again,
        )
        warm = np.bincount(X.indices, minlength=X.shape[1]) > 0
        return LinearFactors(encoder, decoder * warm[:, None])
    vectors = ELSA(embedding_dim=dims, seed=seed, device=device).fit(X).item_vectors
    return LinearFactors(vectors, vectors)


def unit_scale(factors: Tensor) -> Tensor:
    """Factors (items, dims) times the number that makes the values of rows that are not zero of
    size 1 (root mean square), the scale networks work on; it changes no ranking."""
    rows = factors[factors.any(dim=1)]
    size = rows.square().mean().sqrt() if len(rows) else ones(())
    return factors / size
