"""LightGCN: vectors of users and items, averaged over their neighbourhoods in the graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from beekit.models.factors.fold_in import RemembersUsers
from beekit.models.factors.lookup import looked_up
from beekit.models.factors.negatives import Triples
from beekit.models.graph.propagation import Propagation
from beekit.models.graph.spectral_start import smooth_start
from beekit.models.settings import Count, CountOrNone, NotNegative, Positive
from beekit.models.training_loop import GradientSteps, Training, training_device
from beekit.models.vectors import VectorRecommender

# The root mean square of the numbers that vectors start with.
_SCALE = 0.2


@dataclass(eq=False)
class LightGCN(RemembersUsers, VectorRecommender):
    """LightGCN: graph convolution without weights and activations (He et al., SIGIR 2020).

    Users and items have vectors e⁰ that are learnt. A layer replaces a vector by the sum of its
    neighbours', each divided by √(d d'), where d and d' are the numbers of interactions of both
    (eq. 7). With e the mean of the layers 0 to K (eq. 8), minimises over interactions (u, i) and
    items j that the user does not have

        Σ −ln σ(e_u·e_i − e_u·e_j) + λ/2 (|e⁰_u|² + |e⁰_i|² + |e⁰_j|²)

    averaged over mini-batches; each interaction comes once in an epoch. (The authors' PyTorch code
    draws users, each with the same chance, and then one of the user's interactions.) A step
    propagates the whole graph, forward and backward, whatever the size of a batch: about half of
    its cost with the sizes below. Two departures from the paper save most of the time:

    - e⁰ starts from the leading singular vectors of the normalised adjacency, which are what layers
      change least, not at random (`smooth_start`).
    - A mini-batch has 16,384 interactions instead of 2,048, and the learning rate is larger.

    `RemembersUsers` describes the user vectors of histories: one that is no training user's is
    folded in by least squares on the propagated vectors of items. As a new node of the trained
    graph, with edges to its items and e⁰ = 0, a user gets clearly worse lists: ndcg@100 of .324
    instead of .363 for 600 users of MovieLens 1M that were held out.

    Args (those of `RemembersUsers`, and):
        layers: K.
        learning_rate: of Adam.
        regularization: λ ≥ 0.
        epochs: passes over the interactions.
        batch_size: interactions in a mini-batch.
        negatives: items j drawn anew for each interaction in each epoch.

    Attributes:
        item_vectors: e_i (items, embedding_dim) float32 after `fit`.
        known_keys, known_vectors, known_turn: of the e_u, as in `RemembersUsers`.
    """

    layers: CountOrNone = 3
    learning_rate: Positive = 0.02
    regularization: NotNegative = 1e-4
    epochs: Count = 50
    batch_size: Count = 16384
    negatives: Count = 1
    patience: CountOrNone = field(default=5, kw_only=True)

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        start = smooth_start(X, self.embedding_dim, _SCALE, self.seed)
        users, items = (torch.from_numpy(vectors).to(device) for vectors in start)
        parameters = [users.requires_grad_(), items.requires_grad_()]
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate, fused=True)
        graph = Propagation(X, self.layers, device)

        def loss(batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            parts = (part.to(device) for part in batch)
            return propagated_loss(users, items, graph, *parts, regularization=self.regularization)

        def keep() -> None:
            with torch.no_grad():
                propagated = graph.mean(users, items)
            self._keeping(X, *propagated)()

        triples = Triples(X, self.negatives, self.batch_size, generator)
        steps = GradientSteps(optimizer, loss)
        state = {"users": users, "items": items, "steps": steps, "generator": generator}
        return Training(self.epochs, triples, steps, keep, state)


def propagated_loss(
    users: Tensor,
    items: Tensor,
    graph: Propagation,
    user: Tensor,
    item: Tensor,
    others: Tensor,
    *,
    regularization: float,
) -> Tensor:
    """The objective of LightGCN, averaged over interactions and their negatives.

    Args:
        users, items: e⁰, (users, dims) and (items, dims).
        graph: propagates them.
        user, item: (batch,) the user and item index of each interaction.
        others: (batch, negatives) item indices.
        regularization: λ.
    """
    of_users, of_items = graph(users, items)
    p, q, r = looked_up(of_users, user), looked_up(of_items, item), looked_up(of_items, others)
    margin = (p * q).sum(dim=1, keepdim=True) - torch.einsum("bd,bnd->bn", p, r)
    # Each length is computed once, however often the batch has the vector.
    size = _shares(user, users) @ users.square().sum(dim=1)
    times = _shares(item, items) + _shares(others, items)
    size = size + times @ items.square().sum(dim=1)
    return functional.softplus(-margin).mean() + regularization / 2 * size


def _shares(indices: Tensor, vectors: Tensor) -> Tensor:
    """(rows,): which share of the indices names each row of `vectors`."""
    return torch.bincount(indices.flatten(), minlength=len(vectors)).to(vectors) / indices.numel()
