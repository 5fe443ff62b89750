"""ALS: weighted matrix factorisation of implicit feedback."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from beekit.blas_threads import one_blas_thread
from beekit.errors import ConfigError
from beekit.models.factors.fold_in import FoldIn
from beekit.models.finite_models import solvable
from beekit.models.settings import NOT_FITTED, Count, NotNegative, Positive
from beekit.models.vectors import VectorRecommender


@dataclass(eq=False)
class ALS(VectorRecommender):
    """Weighted matrix factorisation (Hu, Koren & Volinsky, ICDM 2008), by the package `implicit`.

    Minimises Σ_{u,i} c_ui (x_ui − p_u·q_i)² + λ(Σ|p_u|² + Σ|q_i|²) over all pairs, with c_ui =
    1 + α where x_ui = 1 and c_ui = 1 elsewhere (eq. 3). Each iteration updates first the user and
    then the item vectors; `implicit` takes a few conjugate gradient steps instead of solving in
    full (Takács et al., RecSys 2011). `recommend` solves in full for the vector of each history
    (eq. 4). Items without users get vectors of zeros, which minimise the objective, and score 0.

    Args:
        embedding_dim: dimensions of the vectors.
        regularization: λ > 0.
        alpha: α ≥ 0, the extra weight of interactions.
        iterations: number of iterations.
        seed: seed of the initial vectors.

    Attributes:
        item_vectors: Q (items, embedding_dim) float32 after `fit`.
    """

    embedding_dim: Count = 64
    regularization: Positive = 0.1
    alpha: NotNegative = 10.0
    iterations: Count = 15
    seed: int = 0
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> None:
        """Factorise X (users, items) on all cores."""
        solver = _solver(self)
        # `implicit` reads values as confidences, and takes a scipy matrix, not a scipy array.
        confidences = sp.csr_matrix(X * np.float32(1 + self.alpha))
        with one_blas_thread():
            solver.fit(confidences, show_progress=sys.stderr.isatty())
        used = np.bincount(X.indices, minlength=X.shape[1]) > 0
        self.item_vectors = np.where(used[:, None], solver.item_factors, 0).astype(np.float32)

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        """The user vectors of the histories, in closed form."""
        items = self._kept("fold-in", FoldIn, self.item_vectors)
        with solvable(self):
            return items.users(histories, 1 + self.alpha, self.regularization)


def _solver(model: ALS) -> Any:
    try:
        from implicit.cpu.als import AlternatingLeastSquares
    except ImportError as error:
        raise ConfigError(
            "ALS without the package implicit",
            expected="the package implicit, which computes the factors",
            remedy="pip install 'beekit[implicit]'",
        ) from error
    with one_blas_thread():  # because `implicit` runs a thread on each core
        # alpha=1, because the matrix already holds the weights.
        return AlternatingLeastSquares(
            factors=model.embedding_dim,
            regularization=model.regularization,
            alpha=1.0,
            iterations=model.iterations,
            random_state=model.seed,
        )
