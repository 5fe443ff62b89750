"""BPR: matrix factorisation learnt from pairs of an item used and one not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional

from beekit.matrices import ones
from beekit.models.checks import require, training_matrix
from beekit.models.factors.fold_in import KnownUsers, recall_users, remember
from beekit.models.factors.negatives import SharedNegatives, interactions
from beekit.models.factors.vector_ranking import fitted, recommend_by_vectors, similar_items
from beekit.models.fitting import normal_vectors, shuffled, train, training_device
from beekit.models.saved import load_fields, save_fields
from beekit.models.sound import sound
from beekit.ranking import Recommendations


@dataclass(eq=False)
class BPR:
    """Bayesian personalised ranking with matrix factorisation (Rendle et al., UAI 2009).

    Minimises Σ −ln σ(p_u·q_i − p_u·q_j) + λ/2 (|p_u|² + |q_i|² + |q_j|²) over interactions (u, i)
    and items j the user does not have, drawn uniformly (BPR-Opt, section 4.1). Departures from
    LearnBPR (section 4.2), which takes a descent step for each triple drawn:

    - An interaction is set against the mean of many items, and a group of interactions shares them,
      which makes products of matrices of what were single dot products. The expected gradient stays
      that of one item an interaction, with far less noise. What a user has is left out of theirs.
    - Steps are Adam's (Kingma & Ba, ICLR 2015), on mini-batches of several groups, in random order.
    - One λ for all vectors.

    Users are known by their histories: one that is exactly a training user's gets the vector learnt
    for that user, any other is folded in (`fold_in`) by weighted least squares and turned to where
    such vectors of training users come nearest to those learnt (`recall_users`).

    Args:
        embedding_dim: length of the vectors.
        learning_rate: of Adam.
        regularization: λ ≥ 0.
        epochs: passes over the interactions.
        batch_size: interactions in a mini-batch.
        group_size: interactions that share their negatives.
        negatives: items drawn for a group.
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
    learning_rate: float = 0.003
    regularization: float = 0.006
    epochs: int = 100
    batch_size: int = 8192
    group_size: int = 256
    negatives: int = 64
    seed: int = 0
    device: str | None = None
    item_vectors: np.ndarray | None = field(default=None, init=False, repr=False)
    known_keys: np.ndarray | None = field(default=None, init=False, repr=False)
    known_vectors: np.ndarray | None = field(default=None, init=False, repr=False)
    known_turn: np.ndarray | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, f"learning_rate={self.learning_rate}", "a number above 0")
        require(
            self.regularization >= 0, f"regularization={self.regularization}", "a number from 0 on"
        )
        for name in ("embedding_dim", "epochs", "batch_size", "group_size", "negatives"):
            value = getattr(self, name)
            require(value >= 1, f"{name}={value}", "an integer from 1 on")

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
            normal_vectors(rows, self.embedding_dim, 0.1, generator, device).requires_grad_()
            for rows in histories.shape
        )
        optimizer = torch.optim.Adam([users, items], lr=self.learning_rate, fused=True)
        owners, owned = interactions(histories)
        negatives = SharedNegatives(histories)

        def step(batch: torch.Tensor) -> torch.Tensor:
            groups = max(1, len(batch) // self.group_size)
            # Groups of one size; up to groups − 1 interactions wait for the next pass.
            grouped = batch[: len(batch) // groups * groups].view(groups, -1)
            user = owners[grouped]
            others, theirs = negatives.draw(user, self.negatives, generator)
            parts = (part.to(device) for part in (user, owned[grouped], others, theirs))
            loss = pairwise_loss(users, items, *parts, regularization=self.regularization)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        train(
            "BPR",
            self.epochs,
            -(-len(owned) // self.batch_size),
            lambda: shuffled(len(owned), self.batch_size, generator),
            step,
        )
        self.item_vectors = items.detach().cpu().numpy()
        known = remember(histories, users.detach().cpu().numpy(), self.item_vectors)
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


def pairwise_loss(
    users: torch.Tensor,
    items: torch.Tensor,
    user: torch.Tensor,
    item: torch.Tensor,
    others: torch.Tensor,
    theirs: torch.Tensor,
    *,
    regularization: float,
) -> torch.Tensor:
    """The objective of BPR, averaged over interactions and what they are set against.

    Args:
        users, items: vectors (users, dims) and (items, dims).
        user, item: (groups, group_size) who, and an item they have.
        others: (groups, negatives) items a group is set against.
        theirs: (groups, group_size, negatives) bool, which of those the user has.
        regularization: λ.
    """
    # index_select: its gradient is a single pass, unlike that of indexing.
    p, q, r = (
        vectors.index_select(0, rows.flatten()).view(*rows.shape, -1)
        for vectors, rows in ((users, user), (items, item), (items, others))
    )
    margin = (p * q).sum(dim=-1, keepdim=True) - p @ r.transpose(1, 2)
    lost = functional.softplus(-margin).masked_fill(theirs, 0).sum(dim=-1)
    against = (others.shape[1] - theirs.sum(dim=-1)).clamp(min=1)
    sizes = p.square().sum() + q.square().sum()
    sizes = sizes / user.numel() + r.square().sum() / others.numel()
    return (lost / against).mean() + regularization / 2 * sizes
