"""AsymmetricSVD: a user is a sum over the history of a second set of item vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from beekit.index import ItemIndex
from beekit.models.early_stopping import StopsEarly
from beekit.models.factors.lookup import looked_up
from beekit.models.factors.negatives import UnseenItems
from beekit.models.settings import NOT_FITTED, Count, NotNegative, Positive
from beekit.models.training_loop import (
    GradientSteps,
    Shuffled,
    Training,
    learnt_array,
    normal_vectors,
    training_device,
)
from beekit.models.vectors import VectorRecommender, at_length_one


@dataclass(eq=False)
class AsymmetricSVD(StopsEarly, VectorRecommender):
    """Asymmetric-SVD for implicit feedback (Koren, KDD 2008, eq. 13).

    A history N gives item i the score b_i + q_i·p with p = |N|^(−1/2) Σ_{j in N} y_j. Of the two
    sums in the paper this is the one over implicit feedback; the other one needs ratings. Training
    minimises the squared error of μ + b_i + q_i·p, plus λ(|q|² + b² + |y|²) of the vectors used.
    The target is 1 for interactions and 0 for `negatives` items drawn for each of them, uniformly
    from those that the user does not have; μ is the mean of these targets. The optimiser is Adam on
    mini-batches of users, not gradient descent rating by rating as in the paper.

    Departure: to predict an interaction with i, i is left out of N. If it stayed in N, as in the
    paper, q_i·y_i alone could predict the ones, and the model would learn nothing about other items
    from implicit feedback (Kabbur et al., FISM, KDD 2013).

    Args (those of `StopsEarly`, and):
        embedding_dim: dimensions of the vectors, without the bias.
        learning_rate: learning rate of Adam.
        regularization: λ ≥ 0.
        negatives: number of zeros drawn for each interaction.
        epochs: passes over the users.
        users_per_step: users in a mini-batch.
        seed: seed of initial vectors, order of users and negatives.
        device: device to train on; by default a GPU if there is one. On a GPU sums have no fixed
            order, so two runs with one seed may differ in the last digits.

    Attributes:
        item_vectors: (items, embedding_dim + 1) float32 after `fit`: q, then b in the last column.
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
        # A user with no items has nothing to predict; one with all items has no negatives.
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
        steps = GradientSteps(optimizer, loss)
        state = {"q": q, "y": y, "b": b, "steps": steps, "generator": generator}
        return Training(self.epochs, batches, steps, keep, state)

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        """(users, embedding_dim + 1): p, and 1 in the last column for the bias."""
        sums = histories @ self.history_vectors
        lengths = np.maximum(np.diff(histories.indptr), 1).astype(np.float32)
        pooled = sums / np.sqrt(lengths)[:, None]
        return np.concatenate([pooled, np.ones((len(pooled), 1), dtype=np.float32)], axis=1)

    def _directions(self) -> ItemIndex:
        """The index of q scaled to length 1, without the bias."""
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
    """The objective of AsymmetricSVD for some users, averaged over interactions and negatives.

    Args:
        q, y, b: (items, dims), (items, dims) and (items,).
        items: (interactions,) the item indices of the users' histories, one after the other.
        lengths: (users,) lengths of the histories, each at least 1.
        against: (interactions, negatives) item indices of the negatives.
        regularization: λ.
    """
    ends = lengths.cumsum(0)
    owner = torch.repeat_interleave(lengths)
    sums = functional.embedding_bag(items, y, ends - lengths, mode="sum")  # (users, dims)
    whole = sums / lengths.sqrt()[:, None]
    own, beside = looked_up(y, items), (lengths - 1).clamp(min=1).sqrt()
    rest = (looked_up(sums, owner) - own) / beside[owner, None]
    # μ: the mean of the targets, one 1 and `negatives` zeros for each interaction.
    mean = 1 / (1 + against.shape[1])
    used, unused = looked_up(q, items), looked_up(q, against)
    of_used, of_unused = looked_up(b, items), looked_up(b, against)
    ones_predicted = mean + of_used + (rest * used).sum(dim=1)
    products = torch.einsum("nd,nmd->nm", looked_up(whole, owner), unused)
    error = (1 - ones_predicted).square().sum() + (mean + of_unused + products).square().sum()
    size = used.square().sum() + unused.square().sum() + own.square().sum()
    size = size + of_used.square().sum() + of_unused.square().sum()
    return (error + regularization * size) * mean / len(items)
