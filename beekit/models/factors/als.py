"""ALS: weighted matrix factorisation of implicit feedback."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp

from beekit.errors import ConfigError
from beekit.matrices import ones
from beekit.models.checks import require, training_matrix
from beekit.models.factors.fold_in import fold_in
from beekit.models.factors.vector_ranking import fitted, recommend_by_vectors, similar_items
from beekit.models.saved import load_fields, save_fields
from beekit.models.sound import solvable, sound
from beekit.ranking import Recommendations


@dataclass(eq=False)
class ALS:
    """Weighted matrix factorisation (Hu, Koren & Volinsky, ICDM 2008), by the package `implicit`.

    Minimises Σ_{u,i} c_ui (x_ui − p_u·q_i)² + λ(Σ|p_u|² + Σ|q_i|²) over all pairs, c_ui = 1 + α
    where x_ui = 1 and 1 elsewhere (eq. 3), by turns over users and items; `implicit` takes a few
    conjugate gradient steps a turn instead of a full solution (Takács et al., RecSys 2011). Users
    are known by their histories: `recommend` solves for their vectors in full (eq. 4). Items
    without users get vectors of zeros, the minimiser, and score 0.

    Args:
        embedding_dim: length of the vectors.
        regularization: λ > 0.
        alpha: α ≥ 0, how much more what was used weighs than what was not.
        iterations: turns.
        seed: of the first vectors.

    Attributes:
        item_vectors: Q (items, embedding_dim) float32 after `fit`.
    """

    scores_cold_items: ClassVar[bool] = False

    embedding_dim: int = 64
    regularization: float = 0.1
    alpha: float = 10.0
    iterations: int = 15
    seed: int = 0
    item_vectors: np.ndarray | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require(
            self.embedding_dim >= 1, f"embedding_dim={self.embedding_dim}", "an integer from 1 on"
        )
        require(
            self.regularization > 0, f"regularization={self.regularization}", "a number above 0"
        )
        require(self.alpha >= 0, f"alpha={self.alpha}", "a number from 0 on")
        require(self.iterations >= 1, f"iterations={self.iterations}", "an integer from 1 on")

    @sound
    def fit(self, X: sp.csr_array) -> Self:
        """Factorise X (users, items) on all cores.

        Raises:
            ConfigError: if `implicit` is not installed, or if the vectors it learns are not finite.
        """
        binary = training_matrix(X)
        solver = _solver(self)
        # The package reads values as confidences, and wants a matrix, not an array.
        confidences = sp.csr_matrix(binary * np.float32(1 + self.alpha))
        with _one_blas_thread():
            solver.fit(confidences, show_progress=sys.stderr.isatty())
        used = np.bincount(binary.indices, minlength=binary.shape[1]) > 0
        self.item_vectors = np.where(used[:, None], solver.item_factors, 0).astype(np.float32)
        return self

    def user_vectors(self, X: sp.csr_array) -> np.ndarray:
        """(users, embedding_dim) float32: the histories' vectors in closed form."""
        vectors = fitted(self, self.item_vectors, X)
        with solvable(self):
            return fold_in(ones(X), vectors, 1 + self.alpha, self.regularization)

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items by p·q."""
        vectors = fitted(self, self.item_vectors, X)
        return recommend_by_vectors(vectors, self.user_vectors(X), X, k, candidates, exclude_seen)

    def similar(self, item_indices: np.ndarray, k: int) -> Recommendations:
        """The k items nearest to each given one by the cosine of their vectors."""
        return similar_items(fitted(self, self.item_vectors), item_indices, k)

    def save(self, folder: str | Path) -> None:
        """Write settings and item vectors."""
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder; it needs no `implicit`."""
        return load_fields(cls, folder)


def _solver(model: ALS) -> Any:
    try:
        from implicit.cpu.als import AlternatingLeastSquares
    except ImportError as error:
        raise ConfigError(
            "ALS without the package implicit",
            expected="the package that factorises",
            remedy="pip install 'beekit[implicit]'",
        ) from error
    with _one_blas_thread():
        # alpha=1: the weights are in the matrix.
        return AlternatingLeastSquares(
            factors=model.embedding_dim,
            regularization=model.regularization,
            alpha=1.0,
            iterations=model.iterations,
            random_state=model.seed,
        )


def _one_blas_thread() -> Any:
    """A context in which BLAS leaves the cores to `implicit`, which runs a thread on each."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    return threadpool_limits(1, user_api="blas")
