"""LightGCN: vectors of users and items, averaged over their neighbourhoods in the graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.models.factors.bpr import margin_loss
from beekit.models.factors.fold_in import distinct, learnt_or
from beekit.models.factors.lookup import looked_up
from beekit.models.factors.negatives import SharedNegatives, interactions
from beekit.models.graph.propagation import Propagation
from beekit.models.settings import NOT_FITTED, Count, CountOrNone, NotNegative, Positive
from beekit.models.training_loop import (
    Shuffled,
    Training,
    by_gradient,
    learnt_array,
    normal_vectors,
    training_device,
)
from beekit.models.vectors import VectorRecommender


@dataclass(eq=False)
class LightGCN(VectorRecommender):
    """LightGCN: graph convolution without weights and activations (He et al., SIGIR 2020).

    Users and items have vectors e⁰ that are learnt. A layer replaces a vector by the sum of its
    neighbours', each divided by √(d d'), where d and d' are the numbers of interactions of both
    (eq. 7). With e the mean of the layers 0 to K (eq. 8), minimises over interactions (u, i) and
    items j that the user does not have

        Σ −ln σ(e_u·e_i − e_u·e_j) + λ/2 (|e⁰_u|² + |e⁰_i|² + |e⁰_j|²)

    A step propagates the whole graph, forward and backward; that is most of its cost, whatever the
    size of a batch. Departures from the paper, which save time and leave the expected gradient:

    - The loss of an interaction is the mean over many negatives, which a group of interactions
      shares, as in `BPR`. An item that a user has is no negative for that user.
    - A mini-batch has 16,384 interactions instead of 2,048, and the learning rate is larger.

    The paper draws batches in the same way as here. (The authors' PyTorch code draws users, each
    with the same chance, and then one of the user's interactions.)

    **Users.** A history that equals a training user's gets the vector learnt for that user. Any
    other history is a new node of the trained graph, with edges to its items, and e⁰ = 0: its
    vector is 1/(K + 1) Σ_{i in x} (e⁰_i + ... + e_i^(K−1)) / √(|x| d_i). With no layers (K = 0)
    there is no way to a new user, whose vector is then zero. Items that nobody has pass on nothing.

    Args:
        embedding_dim: dimensions of the vectors.
        layers: K.
        learning_rate: of Adam.
        regularization: λ ≥ 0.
        epochs: passes over the interactions.
        batch_size: interactions in a mini-batch.
        group_size: interactions that share their negatives.
        negatives: negatives drawn for a group.
        seed: of initial vectors, order of the data and negatives.
        device: device to train on; by default a GPU if there is one.

    Attributes:
        item_vectors: e_i (items, embedding_dim) float32 after `fit`.
        user_side: (items, embedding_dim) float32 after `fit`, what an item adds to the vector of a
            new user, before the division by √|x|.
        known_keys, known_vectors: keys of training users' histories, (histories,) uint64, and the
            vectors e_u learnt for them (histories, embedding_dim) float32, after `fit`.
    """

    embedding_dim: Count = 64
    layers: CountOrNone = 3
    learning_rate: Positive = 0.01
    regularization: NotNegative = 1e-4
    epochs: Count = 100
    batch_size: Count = 16384
    group_size: Count = 256
    negatives: Count = 64
    seed: int = field(default=0, kw_only=True)
    device: str | None = field(default=None, kw_only=True)
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    user_side: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    known_keys: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    known_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        users, items = (
            normal_vectors(rows, self.embedding_dim, 0.1, generator, device) for rows in X.shape
        )
        parameters = [users.requires_grad_(), items.requires_grad_()]
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate, fused=True)
        owners, owned = interactions(X)
        negatives = SharedNegatives(X)
        graph = Propagation(X, self.layers, device)

        def loss(batch: Tensor) -> Tensor:
            groups = max(1, len(batch) // self.group_size)
            # All groups have one size; up to groups − 1 interactions are left out of this epoch.
            grouped = batch[: len(batch) // groups * groups].view(groups, -1)
            user = owners[grouped]
            others, theirs = negatives.draw(user, self.negatives, generator)
            parts = (part.to(device) for part in (user, owned[grouped], others, theirs))
            return propagated_loss(users, items, graph, *parts, regularization=self.regularization)

        def keep() -> None:
            with torch.no_grad():
                of_users, of_items = graph.mean(users, items)
                passed_on = graph.new_user_side(users, items)
            self.item_vectors, self.user_side = learnt_array(of_items), learnt_array(passed_on)
            self.known_keys, first = distinct(X)
            self.known_vectors = learnt_array(of_users)[first]

        batches = Shuffled(len(owned), self.batch_size, generator)
        return Training(self.epochs, batches, by_gradient(optimizer, loss), keep)

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        return learnt_or(self._propagated, histories, self.known_keys, self.known_vectors)

    def _propagated(self, histories: sp.csr_array) -> np.ndarray:
        """Vectors of new users, summed in float64 for each alone."""
        lengths = np.maximum(np.diff(histories.indptr), 1).astype(np.float64)
        summed = histories.astype(np.float64) @ self.user_side
        return np.asarray(summed / np.sqrt(lengths)[:, None])


def propagated_loss(
    users: Tensor,
    items: Tensor,
    graph: Propagation,
    user: Tensor,
    item: Tensor,
    others: Tensor,
    theirs: Tensor,
    *,
    regularization: float,
) -> Tensor:
    """The objective of LightGCN, averaged over interactions and their negatives.

    The arguments are those of `beekit.models.factors.bpr.pairwise_loss`, with e⁰ as `users` and
    `items`.
    """
    of_users, of_items = graph(users, items)
    p, q, r = looked_up(of_users, user), looked_up(of_items, item), looked_up(of_items, others)
    # Lengths are counted for each vector once, however often the batch has it.
    sizes = _shares(user, users) @ users.square().sum(dim=1)
    times = _shares(item, items) + _shares(others, items)
    sizes = sizes + times @ items.square().sum(dim=1)
    return margin_loss(p, q, r, theirs) + regularization / 2 * sizes


def _shares(indices: Tensor, vectors: Tensor) -> Tensor:
    """(rows,): which share of the indices names each row of `vectors`."""
    return torch.bincount(indices.flatten(), minlength=len(vectors)).to(vectors) / indices.numel()
