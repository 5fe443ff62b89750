"""AsymmetricSVD: users as the sum of what they have, in vectors of a second set."""

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
from beekit.models.factors.negatives import UnseenItems
from beekit.models.factors.vector_ranking import fitted, recommend_by_vectors, similar_items
from beekit.models.fitting import normal_vectors, shuffled, train, training_device
from beekit.models.saved import load_fields, save_fields
from beekit.models.sound import sound
from beekit.ranking import Recommendations


@dataclass(eq=False)
class AsymmetricSVD:
    """Asymmetric-SVD for implicit feedback (Koren, KDD 2008, eq. 13).

    A history N scores item i by b_i + q_i·p with p = |N|^(−1/2) Σ_{j in N} y_j: of the paper's
    sums, the one over implicit feedback, there being no ratings for the other. Minimises the
    squared error of ones for interactions and zeros for `negatives` items drawn for each, uniformly
    from those the user does not have, around their mean, plus λ(|q|² + b² + |y|²) of the vectors
    taking part; by Adam on mini-batches of users, not by the paper's descent rating by rating.

    Departure: an interaction is predicted from the rest of the history, i left out of N. With i in
    it, as in the paper, q_i·y_i alone would explain the ones, and nothing could be learnt from
    implicit feedback about other items (Kabbur et al., FISM, KDD 2013).

    Args:
        embedding_dim: length of the vectors, without the bias.
        learning_rate: of Adam.
        regularization: λ ≥ 0.
        negatives: zeros drawn for each interaction.
        epochs: passes over the users.
        users_per_step: users in a mini-batch.
        seed: of first vectors, order and draws.
        device: where to train; by default the GPU where there is one. There, sums run in no fixed
            order, so that results of one seed may differ in the last digits.

    Attributes:
        item_vectors: (items, embedding_dim + 1) float32 after `fit`: q and, last, b.
        history_vectors: y (items, embedding_dim) float32 after `fit`.
    """

    scores_cold_items: ClassVar[bool] = False

    embedding_dim: int = 64
    learning_rate: float = 0.005
    regularization: float = 0.001
    negatives: int = 4
    epochs: int = 20
    users_per_step: int = 256
    seed: int = 0
    device: str | None = None
    item_vectors: np.ndarray | None = field(default=None, init=False, repr=False)
    history_vectors: np.ndarray | None = field(default=None, init=False, repr=False)

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
        require(
            self.users_per_step >= 1,
            f"users_per_step={self.users_per_step}",
            "an integer from 1 on",
        )

    @sound
    def fit(self, X: sp.csr_array) -> Self:
        """Learn q, b and y from X (users, items).

        Raises:
            ConfigError: if training diverges.
        """
        histories = training_matrix(X)
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        shape = (histories.shape[1], self.embedding_dim)
        q, y = (normal_vectors(*shape, 0.05, generator, device) for _ in range(2))
        b = torch.zeros(shape[0], device=device)
        parameters = [q.requires_grad_(), y.requires_grad_(), b.requires_grad_()]
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate)
        unseen = UnseenItems(histories)
        # Whoever has nothing, or everything, gives nothing to predict or to set against it.
        lengths = torch.from_numpy(np.diff(histories.indptr))
        users = torch.nonzero((lengths > 0) & (unseen.counts > 0)).flatten()

        def step(places: torch.Tensor) -> torch.Tensor:
            members = users[places]
            theirs = histories[members.numpy()]
            owner = torch.repeat_interleave(lengths[members])
            against = unseen.draw(members[owner].repeat(self.negatives), generator)
            loss = squared_error(
                q,
                y,
                b,
                torch.from_numpy(theirs.indices).long().to(device),
                lengths[members].to(device),
                against.view(self.negatives, -1).T.to(device),
                self.regularization,
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        train(
            "AsymmetricSVD",
            self.epochs,
            -(-len(users) // self.users_per_step),
            lambda: shuffled(len(users), self.users_per_step, generator),
            step,
        )
        self.item_vectors = torch.cat([q, b[:, None]], dim=1).detach().cpu().numpy()
        self.history_vectors = y.detach().cpu().numpy()
        return self

    def user_vectors(self, X: sp.csr_array) -> np.ndarray:
        """(users, embedding_dim + 1) float32: p, and a one for the bias."""
        fitted(self, self.item_vectors, X)
        histories = ones(X)
        sums = histories @ self.history_vectors
        lengths = np.maximum(np.diff(histories.indptr), 1).astype(np.float32)
        pooled = sums / np.sqrt(lengths)[:, None]
        return np.concatenate([pooled, np.ones((len(pooled), 1), dtype=np.float32)], axis=1)

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items by q·p + b."""
        vectors = fitted(self, self.item_vectors, X)
        return recommend_by_vectors(vectors, self.user_vectors(X), X, k, candidates, exclude_seen)

    def similar(self, item_indices: np.ndarray, k: int) -> Recommendations:
        """The k items nearest to each given one by the cosine of their q."""
        return similar_items(fitted(self, self.item_vectors)[:, :-1], item_indices, k)

    def save(self, folder: str | Path) -> None:
        """Write settings and vectors."""
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder."""
        return load_fields(cls, folder)


def squared_error(
    q: torch.Tensor,
    y: torch.Tensor,
    b: torch.Tensor,
    items: torch.Tensor,
    lengths: torch.Tensor,
    against: torch.Tensor,
    regularization: float,
) -> torch.Tensor:
    """The objective of AsymmetricSVD on some users, averaged over interactions and zeros.

    Args:
        q, y, b: parameters (items, dims), (items, dims), (items,).
        items: (interactions,) item indices of the users' histories, one user after the other.
        lengths: (users,) of the histories, each at least 1.
        against: (interactions, negatives) items set against each interaction.
        regularization: λ.
    """
    ends = lengths.cumsum(0)
    owner = torch.repeat_interleave(lengths)
    sums = functional.embedding_bag(items, y, ends - lengths, mode="sum")  # (users, dims)
    whole = sums / lengths.sqrt()[:, None]
    rest = (sums[owner] - y[items]) / (lengths - 1).clamp(min=1).sqrt()[owner, None]
    # Known beforehand: the mean of what is to be predicted.
    mean = 1 / (1 + against.shape[1])
    used, unused = q[items], q[against]
    ones_predicted = mean + b[items] + (rest * used).sum(dim=1)
    zeros_predicted = mean + b[against] + torch.einsum("nd,nmd->nm", whole[owner], unused)
    error = (1 - ones_predicted).square().sum() + zeros_predicted.square().sum()
    size = used.square().sum() + unused.square().sum() + y[items].square().sum()
    size = size + b[items].square().sum() + b[against].square().sum()
    return (error + regularization * size) * mean / len(items)
