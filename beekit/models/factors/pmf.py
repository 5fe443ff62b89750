"""PMF: probabilistic matrix factorisation with sampled zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.models.factors.fold_in import RemembersUsers
from beekit.models.factors.negatives import Triples
from beekit.models.settings import Count, NotNegative, Positive
from beekit.models.training_loop import Training, training_device
from beekit.models.vectors import VectorRecommender


@dataclass(eq=False)
class PMF(RemembersUsers, VectorRecommender):
    """Probabilistic matrix factorisation (Salakhutdinov & Mnih, NeurIPS 2007).

    The maximum a posteriori vectors minimise Σ ½ (x_ui − σ(p_u·q_i))² + λ/2 (|p_u|² + |q_i|²)
    (eq. 4, with the logistic function of section 2). The paper sums over observed ratings.
    Interactions are all ones, from which nothing can be learnt. So for each one, `negatives` items
    that the user does not have are added with x = 0, drawn uniformly and anew in each epoch.
    Training is stochastic gradient descent on mini-batches without momentum; the gradients of a
    batch are added up.

    `RemembersUsers` describes the user vectors of histories.

    Args (those of `RemembersUsers`, and):
        learning_rate: learning rate of a single pair.
        regularization: λ ≥ 0.
        negatives: number of zeros drawn for each interaction.
        epochs: passes over the interactions.
        batch_size: interactions in a mini-batch.
    """

    learning_rate: Positive = 0.2
    regularization: NotNegative = 0.002
    negatives: Count = 4
    epochs: Count = 50
    batch_size: Count = 4096

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        users, items = self._first_vectors(X, generator, device)
        triples = Triples(X, self.negatives, self.batch_size, generator)
        # The targets of an interaction and of its negatives.
        target = torch.zeros(1 + self.negatives, device=device)
        target[0] = 1

        def step(batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            user, item, others = (part.to(device) for part in batch)
            pairs = torch.cat([item[:, None], others], dim=1)
            return pointwise_step(
                users, items, user, pairs, target, self.learning_rate, self.regularization
            )

        state = {"users": users, "items": items, "generator": generator}
        return Training(self.epochs, triples, step, self._keeping(X, users, items), state)


def pointwise_step(
    users: Tensor,
    items: Tensor,
    user: Tensor,
    pairs: Tensor,
    target: Tensor,
    learning_rate: float,
    regularization: float,
) -> Tensor:
    """A gradient step of PMF, in place, on the vectors of the users and items of a mini-batch.

    Args:
        users, items: vectors (users, dims) and (items, dims).
        user: (batch,) user indices.
        pairs: (batch, n) item indices to score for each user.
        target: (n,) the value x of each column of `pairs`.
        learning_rate: learning rate of a single pair.
        regularization: λ.

    Returns:
        the mean of (x − σ(p·q))² before the step.
    """
    p = users.index_select(0, user)
    q = items.index_select(0, pairs.flatten()).view(*pairs.shape, p.shape[1])
    predicted = torch.sigmoid(torch.einsum("bd,bmd->bm", p, q))
    error = predicted - target
    slope = error * predicted * (1 - predicted)
    # λ counts once for each pair.
    toward_user = torch.einsum("bm,bmd->bd", slope, q) + pairs.shape[1] * regularization * p
    toward_items = slope[:, :, None] * p[:, None, :] + regularization * q
    users.index_add_(0, user, toward_user, alpha=-learning_rate)
    items.index_add_(0, pairs.flatten(), toward_items.flatten(0, 1), alpha=-learning_rate)
    return (error**2).mean()
