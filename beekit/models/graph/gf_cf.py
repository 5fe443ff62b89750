"""GF-CF: graph filters in closed form."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from beekit.models.base import BaseRecommender, Request
from beekit.models.factors.pure_svd import right_singular_vectors
from beekit.models.graph.adjacency import normalised_adjacency
from beekit.models.settings import NOT_FITTED, Count, NotNegative
from beekit.ranking import Recommendations
from beekit.ranking.top_k import Scorer, recommend_by_scores


@dataclass(eq=False)
class GFCF(BaseRecommender):
    """GF-CF: graph filter based collaborative filtering (Shen et al., CIKM 2021).

    With D_u and D_i the numbers of interactions of users and items, N = D_u^(−1/2) X D_i^(−1/2),
    and V (items, dims) the leading right singular vectors of N, a history x scores

        x Nᵀ N + α x D_i^(−1/2) V Vᵀ D_i^(1/2)

    a linear low-pass filter on the graph of items, and an ideal one (eq. 12). As in the authors'
    code, N stays the one of the training users, and x is not normalised by its length, which
    changes no ranking. Items without interactions score 0.

    Nothing is learnt by steps, and any history is taken: a new user needs no fit.

    Args:
        embedding_dim: singular vectors of the ideal filter, or as many as there are.
        ideal_weight: α; 0 leaves the ideal filter out.
        seed: of the vector that the search for singular vectors starts from.

    Attributes:
        item_vectors: V (items, min(embedding_dim, users, items)) float32 after `fit`.
        item_degrees: D_i (items,) float32 after `fit`.
        normalised: N (users, items) float32 CSR after `fit`.
    """

    embedding_dim: Count = 256
    ideal_weight: NotNegative = 0.3
    seed: int = 0
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    item_degrees: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    normalised: sp.csr_array = field(default=NOT_FITTED, init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> None:
        normalised = normalised_adjacency(X)
        _, vectors = right_singular_vectors(normalised, self.embedding_dim, self.seed)
        self.item_vectors = vectors.astype(np.float32)
        self.item_degrees = np.bincount(X.indices, minlength=X.shape[1]).astype(np.float32)
        self.normalised = normalised.astype(np.float32)

    def _recommend(self, asked: Request) -> Recommendations:
        learnt = self.normalised, self.item_vectors, self.item_degrees
        N, into, out_of_ideal = self._kept("filters", _filters, *learnt)

        def scorer(allowed: np.ndarray) -> Scorer:
            near, out_of = sp.csr_array(N[:, allowed]), self.ideal_weight * out_of_ideal[allowed].T

            def scores(histories: sp.csr_array) -> np.ndarray:
                linear = (histories @ N.T) @ near
                ideal = (histories @ into) @ out_of
                return np.asarray(linear.toarray() + ideal).astype(np.float32)

            return scores

        return recommend_by_scores(scorer, *asked)


def _filters(
    normalised: sp.csr_array, item_vectors: np.ndarray, item_degrees: np.ndarray
) -> tuple[sp.csr_array, np.ndarray, np.ndarray]:
    """N (users, items), D_i^(−1/2) V and D_i^(1/2) V (items, dims).

    All are float64, so that a score does not depend on how many users are asked for at once.
    """
    sizes = np.sqrt(item_degrees.astype(np.float64))[:, None]
    V = item_vectors.astype(np.float64)
    into = np.divide(V, sizes, out=np.zeros_like(V), where=sizes > 0)
    return sp.csr_array(normalised, dtype=np.float64), into, V * sizes
