"""ELSA: an item-item model of low rank, learnt by gradient descent."""

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
from beekit.models.early_stopping import StopsEarly
from beekit.models.linear.elsa_steps import Items, RowNadam, elsa_training, teaching
from beekit.models.linear.normalised_error import Batch, normalised_error
from beekit.models.linear.spectral import spectral_vectors
from beekit.models.linear.two_sides import recommend_by_sides
from beekit.models.settings import FROM_TWO_OR_ALL, NOT_FITTED, Count, Positive
from beekit.models.training_loop import Training, training_device
from beekit.models.vectors import VectorRecommender
from beekit.ranking import Recommendations


@dataclass(eq=False)
class ELSA(StopsEarly, VectorRecommender):
    """Scalable linear shallow autoencoder (Vančura et al., RecSys 2022).

    B = A Aᵀ − I, where the rows of A (items, dims) have length 1, so that no item predicts itself.
    On mini-batches of users, A minimises, with S = relu(X A Aᵀ − X),

        mean over users of ‖ S_u/‖S_u‖ − X_u/‖X_u‖ ‖²

    A batch is taken from CSR directly. Memory is needed for a few (items, dims) matrices and one
    (users_per_step, items) matrix. If no user with two or more interactions has an item, its row of
    A is zero and it scores 0.

    Departures from the paper: A starts from the leading eigenvectors of normalised co-occurrence,
    not at random, which saves most of the epochs. The rows of A are scaled to length 1 after every
    step, not in the loss. The second moment of Nadam is one number for each item. The learning rate
    falls along a cosine. The loss is not divided by the number of items, which changes no step.

    Args (those of `StopsEarly`, and):
        embedding_dim: columns of A.
        learning_rate: about the angle in radians by which an item turns in one of the first steps.
        epochs: passes over the users.
        users_per_step: users in a batch.
        items_per_step: sparsity pruning: a step scores only this many items, those that occur in
            the batch and negatives drawn without replacement; None for all items.
        seed: seed of the initial vectors, the order of users and the negatives.
        device: device to train on; by default a GPU if there is one.

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
        """Learn A for the items of users with at least two interactions."""
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
            # `normalize` turns a row whose length overflows into zeros.
            lost = int((had_length & ~vectors.any(dim=1)).sum())
            if lost:
                raise ConfigError(
                    f"ELSA diverged: {lost:,} of {len(vectors):,} item vectors grew too long to be "
                    "scaled to length 1",
                    expected="steps of a few radians at most",
                    remedy=f"Choose a smaller learning_rate than {self.learning_rate}.",
                )
            learnt[taught] = vectors.cpu().numpy()
            self.item_vectors = learnt.copy()

        return elsa_training(self, rows, nadam, step, keep)

    @property
    def encoder_side(self) -> np.ndarray:
        """E (items, dims); B = E Dᵀ outside the diagonal. It is A, as D is."""
        return self.index.item_vectors

    @property
    def decoder_side(self) -> np.ndarray:
        """D (items, dims), which is A."""
        return self.index.item_vectors

    def _directions(self) -> ItemIndex:
        return self.index

    def _recommend(self, asked: Request) -> Recommendations:
        return recommend_by_sides(self.index, asked)


def sphere_gradient(batch: Batch, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The loss, and its gradient in A along the unit sphere of each row.

    Both sides of B are A, so with G = ∂loss/∂S, ∂loss/∂A = Xᵀ (G A) + Gᵀ (X A). The part of each
    row along A is subtracted. This also removes the gradient of the diagonal, a multiple of A.
    """
    error = normalised_error(batch, vectors, vectors)
    gradient = batch.transposed_times(error.slope @ vectors)
    gradient.addmm_(error.slope.T, error.user_vectors)
    outward = torch.linalg.vecdot(gradient, vectors)
    return error.loss, gradient.addcmul_(outward[:, None], vectors, value=-1)
