"""BPR: matrix factorisation learnt from pairs of an item used and one not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
import torch

from beekit.models.checks import require, training_matrix
from beekit.models.factors.epochs import normal_vectors, train, training_device
from beekit.models.factors.fold_in import recall_users, remember
from beekit.models.factors.negatives import Triples
from beekit.models.factors.vector_ranking import fitted, recommend_by_vectors, similar_items
from beekit.models.saved import load_fields, save_fields
from beekit.ranking import Recommendations
from beekit.ranking.top_k import ones


@dataclass(eq=False)
class BPR:
    """Bayesian personalised ranking with matrix factorisation (Rendle et al., UAI 2009).

    Minimises Σ −ln σ(p_u·q_i − p_u·q_j) + λ/2 (|p_u|² + |q_i|² + |q_j|²) over interactions (u, i)
    and items j the user does not have, drawn uniformly (BPR-Opt, section 4.1), by stochastic
    gradient descent (LearnBPR, section 4.2). Departures from the paper: every interaction is
    visited once an epoch, in random order, instead of draws with replacement; steps are taken on
    mini-batches, the gradients of a batch added up, not averaged; one λ for all vectors.

    Users are known by their histories: one that is exactly a training user's gets the vector learnt
    for that user, any other is folded in (`fold_in`) by weighted least squares.

    Args:
        embedding_dim: length of the vectors.
        learning_rate: of a single interaction.
        regularization: λ ≥ 0.
        iterations: passes over the interactions.
        batch_size: interactions in a mini-batch.
        seed: of first vectors, order and draws.
        device: where to train; by default the GPU where there is one. There, sums run in no fixed
            order, so that results of one seed may differ in the last digits.

    Attributes:
        item_vectors: Q (items, embedding_dim) float32 after `fit`.
        known_keys, known_vectors: histories (histories,) uint64 of training users and their p
            (histories, embedding_dim) float32.
    """

    scores_cold_items: ClassVar[bool] = False

    embedding_dim: int = 64
    learning_rate: float = 0.1
    regularization: float = 0.01
    iterations: int = 100
    batch_size: int = 4096
    seed: int = 0
    device: str | None = None
    item_vectors: np.ndarray | None = field(default=None, init=False, repr=False)
    known_keys: np.ndarray | None = field(default=None, init=False, repr=False)
    known_vectors: np.ndarray | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require(
            self.embedding_dim >= 1, f"embedding_dim={self.embedding_dim}", "an integer from 1 on"
        )
        require(self.learning_rate > 0, f"learning_rate={self.learning_rate}", "a number above 0")
        require(
            self.regularization >= 0, f"regularization={self.regularization}", "a number from 0 on"
        )
        require(self.iterations >= 1, f"iterations={self.iterations}", "an integer from 1 on")
        require(self.batch_size >= 1, f"batch_size={self.batch_size}", "an integer from 1 on")

    def fit(self, X: sp.csr_array) -> Self:
        """Learn the vectors of users and items from X (users, items).

        Raises:
            ConfigError: it diverged.
        """
        histories = training_matrix(X)
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        users, items = (
            normal_vectors(rows, self.embedding_dim, 0.1, generator, device)
            for rows in histories.shape
        )
        triples = Triples(histories, 1, self.batch_size, generator)

        def step(batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
            user, item, other = (part.flatten().to(device) for part in batch)
            return pairwise_step(
                users, items, user, item, other, self.learning_rate, self.regularization
            )

        train("BPR", self.iterations, triples.epoch, step)
        self.item_vectors = items.cpu().numpy()
        self.known_keys, self.known_vectors = remember(histories, users.cpu().numpy())
        return self

    def user_vectors(self, X: sp.csr_array) -> np.ndarray:
        """(users, embedding_dim) float32: learnt, or folded in, for the histories X."""
        vectors = fitted(self, self.item_vectors, X)
        assert self.known_keys is not None  # for the type checker
        assert self.known_vectors is not None
        return recall_users(ones(X), self.known_keys, self.known_vectors, vectors)

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
        """Write settings and vectors."""
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder."""
        return load_fields(cls, folder)


def pairwise_step(
    users: torch.Tensor,
    items: torch.Tensor,
    user: torch.Tensor,
    item: torch.Tensor,
    other: torch.Tensor,
    learning_rate: float,
    regularization: float,
) -> torch.Tensor:
    """A step down the gradient of BPR-Opt, in place, on the rows a mini-batch names.

    Args:
        users, items: vectors (users, dims) and (items, dims), changed.
        user, item, other: (batch,) who, an item they have and one they do not.
        learning_rate, regularization: as `BPR` has them.

    Returns:
        The mean of −ln σ(p_u·q_i − p_u·q_j) before the step.
    """
    p, q, r = users.index_select(0, user), items.index_select(0, item), items.index_select(0, other)
    difference = q - r
    margin = (p * difference).sum(dim=1)
    pull = torch.sigmoid(-margin)[:, None]
    toward = pull * p
    users.index_add_(0, user, pull * difference - regularization * p, alpha=learning_rate)
    items.index_add_(0, item, toward - regularization * q, alpha=learning_rate)
    items.index_add_(0, other, -toward - regularization * r, alpha=learning_rate)
    return torch.nn.functional.softplus(-margin).mean()
