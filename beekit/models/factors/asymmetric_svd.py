"""AsymmetricSVD: users as the sum of what they have, in vectors of a second set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from beekit.index import ItemIndex
from beekit.models.factors.negatives import UnseenItems
from beekit.models.settings import NOT_FITTED, Count, NotNegative, Positive
from beekit.models.training_loop import (
    Shuffled,
    Training,
    by_gradient,
    learnt_array,
    normal_vectors,
    training_device,
)
from beekit.models.vectors import VectorRecommender, at_length_one


@dataclass(eq=False)
class AsymmetricSVD(VectorRecommender):
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

    embedding_dim: Count = 64
    learning_rate: Positive = 0.005
    regularization: NotNegative = 0.001
    negatives: Count = 4
    epochs: Count = 20
    users_per_step: Count = 256
    seed: int = 0
    device: str | None = None
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    history_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        shape = (X.shape[1], self.embedding_dim)
        q, y = (normal_vectors(*shape, 0.05, generator, device) for _ in range(2))
        b = torch.zeros(shape[0], device=device)
        parameters = [q.requires_grad_(), y.requires_grad_(), b.requires_grad_()]
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate)
        unseen = UnseenItems(X)
        # Whoever has nothing, or everything, gives nothing to predict or to set against it.
        lengths = torch.from_numpy(np.diff(X.indptr))
        users = torch.nonzero((lengths > 0) & (unseen.counts > 0)).flatten()

        def loss(places: Tensor) -> Tensor:
            members = users[places]
            theirs = X[members.numpy()]
            owner = torch.repeat_interleave(lengths[members])
            against = unseen.draw(members[owner].repeat(self.negatives), generator)
            items = torch.from_numpy(theirs.indices).long()
            sampled = (items, lengths[members], against.view(self.negatives, -1).T)
            items, count, negatives = (part.to(device) for part in sampled)
            return squared_error(q, y, b, items, count, negatives, self.regularization)

        def keep() -> None:
            self.item_vectors = learnt_array(torch.cat([q, b[:, None]], dim=1))
            self.history_vectors = learnt_array(y)

        batches = Shuffled(len(users), self.users_per_step, generator)
        return Training(self.epochs, batches, by_gradient(optimizer, loss), keep)

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        """(users, embedding_dim + 1): p, and a one for the bias."""
        sums = histories @ self.history_vectors
        lengths = np.maximum(np.diff(histories.indptr), 1).astype(np.float32)
        pooled = sums / np.sqrt(lengths)[:, None]
        return np.concatenate([pooled, np.ones((len(pooled), 1), dtype=np.float32)], axis=1)

    def _directions(self) -> ItemIndex:
        """Of q alone."""
        return self._kept("directions", lambda qb: at_length_one(qb[:, :-1]), self.item_vectors)


def squared_error(
    q: Tensor,
    y: Tensor,
    b: Tensor,
    items: Tensor,
    lengths: Tensor,
    against: Tensor,
    regularization: float,
) -> Tensor:
    """The objective of AsymmetricSVD on some users, averaged over interactions and zeros.

    `items` (interactions,) are the users' histories, one after the other, of `lengths` (users,),
    each at least 1; each interaction is set `against` items (interactions, negatives).
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
