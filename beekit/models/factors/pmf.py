"""PMF: probabilistic matrix factorisation with sampled zeros."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
import torch

from beekit.matrices import ones
from beekit.models.checks import require, training_matrix
from beekit.models.factors.fold_in import KnownUsers, recall_users, remember
from beekit.models.factors.negatives import Triples
from beekit.models.factors.vector_ranking import fitted, recommend_by_vectors, similar_items
from beekit.models.fitting import normal_vectors, train, training_device
from beekit.models.saved import load_fields, save_fields
from beekit.models.sound import sound
from beekit.ranking import Recommendations


@dataclass(eq=False)
class PMF:
    """Probabilistic matrix factorisation (Salakhutdinov & Mnih, NeurIPS 2007).

    The maximum a posteriori vectors: they minimise
    Σ ½ (x_ui − σ(p_u·q_i))² + λ/2 (|p_u|² + |q_i|²) (eq. 4, with the logistic function of
    section 2). The paper sums over ratings observed. Interactions alone are all ones and would
    teach nothing, so each is set against `negatives` items the user does not have, with x = 0,
    drawn uniformly and anew each epoch. Stochastic gradient descent on mini-batches, gradients of a
    batch added up; no momentum.

    Users are known by their histories, as `BPR` knows them.

    Args:
        embedding_dim: length of the vectors.
        learning_rate: of a single pair.
        regularization: λ ≥ 0.
        negatives: zeros drawn for each interaction.
        epochs: passes over the interactions.
        batch_size: interactions in a mini-batch.
        seed: of first vectors, order and draws.
        device: where to train; by default the GPU where there is one. There, sums run in no fixed
            order, so that results of one seed may differ in the last digits.

    Attributes:
        item_vectors: Q (items, embedding_dim) float32 after `fit`.
        known_keys, known_vectors: histories (histories,) uint64 of training users and their p
            (histories, embedding_dim) float32.
        known_turn: (embedding_dim, embedding_dim) float32, from folded-in vectors to p.
    """

    scores_cold_items: ClassVar[bool] = False

    embedding_dim: int = 64
    learning_rate: float = 0.2
    regularization: float = 0.002
    negatives: int = 4
    epochs: int = 50
    batch_size: int = 4096
    seed: int = 0
    device: str | None = None
    item_vectors: np.ndarray | None = field(default=None, init=False, repr=False)
    known_keys: np.ndarray | None = field(default=None, init=False, repr=False)
    known_vectors: np.ndarray | None = field(default=None, init=False, repr=False)
    known_turn: np.ndarray | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require(
            self.embedding_dim >= 1, f"embedding_dim={self.embedding_dim}", "an integer from 1 on"
        )
        require(self.learning_rate > 0, f"learning_rate={self.learning_rate}", "a number above 0")
        require(
            self.regularization >= 0, f"regularization={self.regularization}", "a number from 0 on"
        )
        require(self.negatives >= 1, f"negatives={self.negatives}", "an integer from 1 on")
        require(self.epochs >= 1, f"epochs={self.epochs}", "an integer from 1 on")
        require(self.batch_size >= 1, f"batch_size={self.batch_size}", "an integer from 1 on")

    @sound
    def fit(self, X: sp.csr_array) -> Self:
        """Learn the vectors of users and items from X (users, items).

        Raises:
            ConfigError: if training diverges.
        """
        histories = training_matrix(X)
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        users, items = (
            normal_vectors(rows, self.embedding_dim, 0.1, generator, device)
            for rows in histories.shape
        )
        triples = Triples(histories, self.negatives, self.batch_size, generator)
        # An interaction, and then its zeros.
        target = torch.zeros(1 + self.negatives, device=device)
        target[0] = 1

        def step(batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
            user, item, others = (part.to(device) for part in batch)
            pairs = torch.cat([item[:, None], others], dim=1)
            return pointwise_step(
                users, items, user, pairs, target, self.learning_rate, self.regularization
            )

        train("PMF", self.epochs, triples.batches, triples.epoch, step)
        self.item_vectors = items.cpu().numpy()
        known = remember(histories, users.cpu().numpy(), self.item_vectors)
        self.known_keys, self.known_vectors, self.known_turn = known.keys, known.vectors, known.turn
        return self

    def user_vectors(self, X: sp.csr_array) -> np.ndarray:
        """(users, embedding_dim) float32: learnt, or folded in, for the histories X."""
        vectors = fitted(self, self.item_vectors, X)
        assert self.known_keys is not None  # for the type checker
        assert self.known_vectors is not None
        assert self.known_turn is not None
        known = KnownUsers(self.known_keys, self.known_vectors, self.known_turn)
        return recall_users(ones(X), known, vectors)

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items by p·q, which orders items as σ(p·q) does."""
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


def pointwise_step(
    users: torch.Tensor,
    items: torch.Tensor,
    user: torch.Tensor,
    pairs: torch.Tensor,
    target: torch.Tensor,
    learning_rate: float,
    regularization: float,
) -> torch.Tensor:
    """A step down the gradient of the squared error, in place, on the rows a mini-batch names.

    Args:
        users, items: vectors (users, dims) and (items, dims), changed.
        user: (batch,) users.
        pairs: (batch, items of each) item indices.
        target: (items of each,) x of each column of `pairs`.
        learning_rate, regularization: as `PMF` has them.

    Returns:
        The mean of (x − σ(p·q))² before the step.
    """
    p = users.index_select(0, user)
    q = items.index_select(0, pairs.flatten()).view(*pairs.shape, p.shape[1])
    predicted = torch.sigmoid(torch.einsum("bd,bmd->bm", p, q))
    error = predicted - target
    slope = error * predicted * (1 - predicted)
    # Each pair pulls p by its error and keeps it small by λ.
    toward_user = torch.einsum("bm,bmd->bd", slope, q) + pairs.shape[1] * regularization * p
    toward_items = slope[:, :, None] * p[:, None, :] + regularization * q
    users.index_add_(0, user, toward_user, alpha=-learning_rate)
    items.index_add_(0, pairs.flatten(), toward_items.flatten(0, 1), alpha=-learning_rate)
    return (error**2).mean()
