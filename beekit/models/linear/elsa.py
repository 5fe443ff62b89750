"""ELSA: the item-item model of low rank, learnt by gradient descent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.errors import ConfigError
from beekit.index import ItemIndex
from beekit.models.base import Request
from beekit.models.linear.elsa_steps import Items, RowNadam, elsa_training, teaching
from beekit.models.linear.normalised_error import Batch, normalised_error
from beekit.models.linear.spectral import spectral_vectors
from beekit.models.linear.two_sides import recommend_by_sides
from beekit.models.settings import FROM_TWO_OR_ALL, NOT_FITTED, Count, Positive
from beekit.models.training_loop import Training, training_device
from beekit.models.vectors import VectorRecommender
from beekit.ranking import Recommendations


@dataclass(eq=False)
class ELSA(VectorRecommender):
    """Scalable linear shallow autoencoder (Vančura et al., RecSys 2022).

    B = A Aᵀ − I with A (items, dims), rows of length 1, so that an item never explains itself.
    Over mini-batches of users A minimises, with S = relu(X A Aᵀ − X),

        mean over users of ‖ S_u/‖S_u‖ − X_u/‖X_u‖ ‖²

    A batch comes straight from CSR; memory is a few (items, dims) matrices and one
    (users_per_step, items) matrix. Items that no user with two or more interactions has get A = 0
    and score 0.

    Where we depart from the paper: A starts from the leading eigenvectors of normalised
    co-occurrence instead of at random, which replaces most of the epochs; A is put back on the
    sphere after every step instead of being normalised in the loss; the second moment of Nadam is
    one number an item; the learning rate falls along a cosine; the loss is not divided by the
    number of items (which no step notices).

    Args:
        embedding_dim: columns of A.
        learning_rate: about the angle in radians by which an item turns in one of the first steps.
        epochs: passes over the users.
        users_per_step: users in a batch.
        items_per_step: sparsity pruning: score only so many items a step, those that occur in the
            batch and negatives drawn without replacement; None for all items.
        seed: of the start, the order of users and the negatives.
        device: where to train; by default the GPU where there is one.

    Attributes:
        item_vectors: A (items, dims) float32 after `fit`.
    """

    embedding_dim: Count = 256
    learning_rate: Positive = 0.08
    epochs: Count = 2
    users_per_step: Count = 128
    items_per_step: Annotated[int | None, FROM_TWO_OR_ALL] = None
    seed: int = 42
    device: str | None = None
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> Training[Any] | None:
        """Learn A of the items that have something to teach."""
        learnt = np.zeros((X.shape[1], self.embedding_dim), dtype=np.float32)
        rows, taught = teaching(X)
        if not len(taught):
            self.item_vectors = learnt
            return None
        generator = torch.Generator().manual_seed(self.seed)
        device = training_device(self.device)
        vectors = spectral_vectors(rows, self.embedding_dim, generator, device)
        had_length = vectors.any(dim=1)
        nadam = RowNadam(vectors)

        def step(batch: Batch, items: Items, learning_rate: float) -> Tensor:
            chosen = nadam.rows(items)
            loss, gradient = sphere_gradient(batch, chosen)
            nadam.step(chosen, gradient, items, learning_rate, on_sphere=True)
            return loss

        def keep() -> None:
            # A row too long to be measured is put back on the sphere as zeros.
            lost = int((had_length & ~vectors.any(dim=1)).sum())
            if lost:
                raise ConfigError(
                    f"ELSA diverged: {lost:,} of {len(vectors):,} item vectors left the sphere",
                    expected="steps of a few radians at most",
                    remedy=f"Choose a smaller learning_rate than {self.learning_rate}.",
                )
            learnt[taught] = vectors.cpu().numpy()
            self.item_vectors = learnt.copy()

        return elsa_training(self, rows, step, keep)

    @property
    def encoder_side(self) -> np.ndarray:
        """E (items, dims) with B = E Dᵀ off the diagonal; the same as D."""
        return self.index.item_vectors

    @property
    def decoder_side(self) -> np.ndarray:
        """D (items, dims)."""
        return self.index.item_vectors

    def _directions(self) -> ItemIndex:
        return self.index

    def _recommend(self, asked: Request) -> Recommendations:
        return recommend_by_sides(self.index, asked)


def sphere_gradient(batch: Batch, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The loss and its gradient in A along the sphere each row lives on.

    Both sides of B are A, so G = ∂loss/∂S gives ∂loss/∂A = Xᵀ (G A) + Gᵀ (X A). What points away
    from the sphere is taken out; with it goes the diagonal's part, a multiple of A itself.
    """
    error = normalised_error(batch, vectors, vectors)
    gradient = batch.transposed_times(error.slope @ vectors)
    gradient.addmm_(error.slope.T, error.user_vectors)
    outward = torch.linalg.vecdot(gradient, vectors)
    return error.loss, gradient.addcmul_(outward[:, None], vectors, value=-1)
