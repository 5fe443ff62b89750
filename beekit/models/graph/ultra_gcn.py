"""UltraGCN: graph convolution replaced by the weights of a loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from beekit.matrices import rows_with_entries
from beekit.models.factors.fold_in import RemembersUsers
from beekit.models.graph.constraints import Pairs, PairWeights, item_graph
from beekit.models.graph.spectral_start import popular_start
from beekit.models.settings import Count, CountOrNone, NotNegative, Positive
from beekit.models.training_loop import Shuffled, Training, training_device
from beekit.models.vectors import VectorRecommender

# The authors' batch, in interactions. Their code adds the penalty of all vectors once a batch.
_BATCH = 1024
# The logits of a pair start with this many times the reconstructed interaction.
_GAIN = 4.0


@dataclass(eq=False)
class UltraGCN(RemembersUsers, VectorRecommender):
    """UltraGCN: the limit of endless graph convolution, as a loss (Mao et al., CIKM 2021).

    No vector is propagated. Instead the loss weights each pair of a user and an item, and each pair
    of similar items, as the limit of propagation says. With s_ui = p_u·q_i, an interaction (u, i)
    and its negatives j, drawn uniformly from all items, cost

        ω⁺_ui softplus(−s_ui) + W mean_j ω⁻_uj softplus(s_uj) + λ Σ_k ω_ik softplus(−s_uk)

    with the weights of `PairWeights`, over the items k most similar to i (`item_graph`). As in the
    authors' code the losses of a batch are added up, and γ/2 times the squared length of *all*
    vectors is added for every 1,024 interactions, their batch.

    Departures from the authors' code:

    - A mini-batch has all interactions of some users, and its loss is the expectation of the loss
      over the drawn negatives. That takes one dense product with all items, where hundreds of
      negatives are drawn for each interaction: the same gradient without the noise, in less time.
      In a catalog of more than `negatives` items, a step scores the items that have a weight ω⁺ or
      ω_ik for one of its users, and so many of the others, drawn without replacement and weighted
      up to all of them. The expectation is the same.
    - Vectors start from the odds of items and from singular vectors, not at random
      (`popular_start`). From a random start the popularity of items is learnt first, and it takes
      several times as many epochs until other directions grow.

    Besides the vectors, memory is needed for up to `neighbours` + 1 weights for each interaction.
    `RemembersUsers` describes the user vectors of histories: one that is no training user's is
    folded in by least squares.

    Args (those of `RemembersUsers`, and):
        positive_constant, positive_by_degree: w₁ and w₂, ω⁺ = w₁ + w₂ β.
        negative_constant, negative_by_degree: w₃ and w₄, ω⁻ = w₃ + w₄ β.
        negative_weight: W.
        item_weight: λ ≥ 0.
        neighbours: similar items k of each item; the item itself is usually one of them.
        regularization: γ ≥ 0.
        learning_rate: of Adam.
        epochs: passes over the users.
        users_per_step: users in a mini-batch.
        negatives: most items that a step scores of those that its users do not have.
    """

    positive_constant: NotNegative = 0.0
    positive_by_degree: NotNegative = 1.0
    negative_constant: NotNegative = 0.0
    negative_by_degree: NotNegative = 1.0
    negative_weight: Positive = 200.0
    item_weight: NotNegative = 1e-3
    neighbours: Count = 10
    regularization: NotNegative = 1e-4
    learning_rate: Positive = 0.005
    epochs: Count = 50
    users_per_step: Count = 64
    negatives: Count = 50_000
    patience: CountOrNone = field(default=5, kw_only=True)

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        weights = self._weights(X)
        start = popular_start(X, weights.odds(), self.embedding_dim, _GAIN, self.seed)
        tables = [torch.from_numpy(table).to(device) for table in start]
        users, items = tables
        optimizer = torch.optim.Adam(tables, lr=self.learning_rate, fused=True)
        taught, lengths = rows_with_entries(X), np.diff(X.indptr)

        def step(batch: Tensor) -> Tensor:
            chosen = taught[batch.numpy()]
            pairs = weights.step(chosen, self.negatives, generator)
            penalty = self.regularization * float(lengths[chosen].sum()) / _BATCH
            loss = set_gradients(users, items, chosen, pairs, penalty)
            optimizer.step()
            return loss

        batches = Shuffled(len(taught), self.users_per_step, generator)
        state = {"users": users, "items": items, "optimizer": optimizer, "generator": generator}
        return Training(self.epochs, batches, step, self._keeping(X, users, items), state)

    def _weights(self, X: sp.csr_array) -> PairWeights:
        return PairWeights(
            X,
            item_graph(X, self.neighbours),
            self.item_weight,
            (self.positive_constant, self.positive_by_degree),
            (self.negative_constant, self.negative_by_degree),
            self.negative_weight,
        )


def set_gradients(
    users: Tensor, items: Tensor, chosen: np.ndarray, pairs: Pairs, penalty: float
) -> Tensor:
    """Set `grad` of both tables to the gradient of the loss of a step, and return the loss.

    With s = p·q, a pair costs t softplus(−s) + a softplus(s) = (t + a) softplus(s) − t s, where t
    and a are its weights, which has the slope (t + a) σ(s) − t.

    Args:
        users, items: vectors (users, dims) and (items, dims).
        chosen: (batch,) distinct user indices.
        pairs: the weights of these users with some items.
        penalty: γ of this step; γ/2 times the squared length of all vectors is added.
    """
    user = torch.from_numpy(chosen).to(users.device)
    item = None if pairs.items is None else torch.from_numpy(pairs.items).to(users.device)
    toward = torch.from_numpy(pairs.toward).to(users)
    both = toward + torch.from_numpy(pairs.away).to(users)
    p, q = users[user], items if item is None else items[item]
    scores = p @ q.T
    loss = torch.vdot(both.flatten(), functional.softplus(scores).flatten())
    loss -= torch.vdot(toward.flatten(), scores.flatten())
    slopes = scores.sigmoid_().mul_(both).sub_(toward)
    for table, rows, gradient in ((users, user, slopes @ q), (items, item, slopes.T @ p)):
        loss += penalty / 2 * table.square().sum()
        whole = penalty * table
        if rows is None:
            whole += gradient
        else:
            whole[rows] += gradient  # the rows are distinct, so that no sum has an order
        table.grad = whole
    return loss
