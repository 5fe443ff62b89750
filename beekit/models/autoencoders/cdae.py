"""CDAE: a collaborative denoising autoencoder, with a node for each user."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from beekit.matrices import rows_with_entries
from beekit.models.autoencoders.autoencoder import Autoencoder
from beekit.models.autoencoders.histories import FirstLayer, Histories, linear
from beekit.models.factors.fold_in import distinct_histories, known_histories
from beekit.models.factors.lookup import looked_up
from beekit.models.settings import NOT_FITTED, Count, NotNegative, Positive, ShareBelowOne, one_of
from beekit.models.training_loop import (
    GradientSteps,
    Shuffled,
    Training,
    learnt_array,
    training_device,
)

# Steps in which the node of a user who is not a training user is found, and their learning rate.
_FOLD_STEPS = 20
_FOLD_RATE = 0.1
# What AdaGrad's sums of squares begin with, as in the authors' code.
_FIRST_SQUARES = 1e-4
# How many scores are held at once while nodes are found: 32 MB in float64.
_BLOCK_ELEMENTS = 2**22


@dataclass(eq=False)
class CDAE(Autoencoder):
    """Collaborative denoising autoencoder (Wu et al., WSDM 2016), with V untied from W.

    User u with history x has z = σ(Σ_{i in x̃} W_i / (1 − q) + W_u + b), where x̃ leaves each item
    of x out by a chance of q in training, and is x when recommending. An item scores V_i·z + b'_i.
    With ℓ the cross entropy, or half the squared error of the score itself, the loss of a user is

        Σ_{i in x} ℓ(score_i, 1) + a |x| mean_{i not in x} ℓ(score_i, 0)

    The paper draws a·|x| items that u does not have, uniformly; this is the expected loss over all
    such draws, a dense product without their noise. Minimises its mean over users, with
    λ/2 (‖W‖² + ‖V‖² + mean_u ‖W_u‖²), by AdaGrad on mini-batches of users (the authors' code
    updates after each user).

    The authors have 50 dims and λ = 0.01. Defaults are chosen on validation users of MovieLens 1M.

    **Users.** W_u is learnt for training users. `recommend` knows a user by the history alone: one
    that equals a training user's gets that user's node. The node of any other is folded in: it
    starts at the mean node and takes 20 steps of AdaGrad on the loss of that user's history, while
    all else stays as it is. Without items it is the mean. For early stopping, users are held out
    whole and folded in.

    Args (those of `Autoencoder`, where `learning_rate` is AdaGrad's, and):
        embedding_dim: length of z.
        dropout: q.
        negatives: a, the items that a user does not have for each one that the user has.
        loss: "cross_entropy" or "squared".
        regularization: λ.

    Attributes:
        known_keys: (histories,) uint64 keys of distinct training histories, after `fit`.
        known_nodes: (histories, embedding_dim) float32 W_u of the first user with each.
        mean_node: (embedding_dim,) float32, the mean of W_u.
    """

    embedding_dim: Count = 200
    dropout: ShareBelowOne = 0.5
    negatives: Positive = 5.0
    loss: Annotated[str, one_of("cross_entropy", "squared")] = "cross_entropy"
    regularization: NotNegative = 0.0003
    learning_rate: Positive = field(default=0.1, kw_only=True)
    epochs: Count = field(default=50, kw_only=True)
    users_per_step: Count = field(default=100, kw_only=True)
    known_keys: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    known_nodes: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    mean_node: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _encoder(self, items: int, generator: torch.Generator) -> FirstLayer:
        """Gives Σ W_i + b, to which the node is still to be added."""
        layer = FirstLayer(items, self.embedding_dim, generator)
        with torch.no_grad():
            layer.weight.mul_(4)  # Glorot's bound for a layer of σ
        return layer

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        first = self._encoder(X.shape[1], generator).to(device)
        output = linear(self.embedding_dim, X.shape[1], generator)
        with torch.no_grad():
            output.weight.mul_(4)
        output = output.to(device)
        histories = sp.csr_array(X[rows_with_entries(X)])
        bound = float(first.weight.detach().abs().max())
        nodes = torch.empty(histories.shape[0], self.embedding_dim)
        nn.init.uniform_(nodes, -bound, bound, generator=generator)
        nodes = nodes.to(device).requires_grad_()

        def loss(batch: Tensor) -> Tensor:
            given = counted(histories[batch.numpy()], device)
            theirs = looked_up(nodes, batch.to(device))
            z = torch.sigmoid(first(given.dropped(self.dropout, generator)) + theirs)
            lost = expected_loss(output(z), given, self.negatives, self.loss)
            size = first.weight.square().sum() + output.weight.square().sum()
            size = size + theirs.square().sum(dim=1).mean()
            return lost.mean() + self.regularization / 2 * size

        parameters = [*first.parameters(), *output.parameters(), nodes]
        optimizer = torch.optim.Adagrad(
            parameters,
            lr=self.learning_rate,
            initial_accumulator_value=_FIRST_SQUARES,
            fused=device.type == "cpu",  # three times as fast; PyTorch has it for the CPU alone
        )
        steps = GradientSteps(optimizer, loss)
        batches = Shuffled(histories.shape[0], self.users_per_step, generator)
        state = {"nodes": nodes, "steps": steps, "generator": generator}
        training = self._training(first, output, batches, steps, state)
        keys, place = distinct_histories(histories)

        def keep() -> None:
            training.keep()
            learnt = learnt_array(nodes)
            self.known_keys, self.known_nodes = keys, learnt[place]
            self.mean_node = learnt.sum(axis=0) / np.float32(max(1, len(learnt)))

        return replace(training, keep=keep)

    def _encoded(self, encoder: nn.Module, histories: sp.csr_array) -> Tensor:
        given = encoder(counted(histories))
        nodes = np.tile(self.mean_node.astype(np.float64), (histories.shape[0], 1))
        found, place = known_histories(histories, self.known_keys)
        nodes[found] = self.known_nodes[place[found]]
        block = max(1, _BLOCK_ELEMENTS // histories.shape[1])
        others = np.flatnonzero(~found & (np.diff(histories.indptr) > 0))
        for begin in range(0, len(others), block):
            some = others[begin : begin + block]
            nodes[some] = self._folded_in(given[some], sp.csr_array(histories[some])).numpy()
        return torch.sigmoid(given + torch.from_numpy(nodes))

    def _folded_in(self, given: Tensor, histories: sp.csr_array) -> Tensor:
        """The nodes (users, dims) of histories, whose Σ W_i + b is given, in float64."""
        vectors = torch.from_numpy(self.item_vectors.astype(np.float64))
        V, bias = vectors[:, :-1], vectors[:, -1]
        theirs = counted(histories)
        nodes = torch.from_numpy(self.mean_node.astype(np.float64)).repeat(len(given), 1)
        squares = torch.full_like(nodes, _FIRST_SQUARES)
        for _ in range(_FOLD_STEPS):
            z = torch.sigmoid(given + nodes)
            slope = expected_slope(z @ V.T + bias, theirs, self.negatives, self.loss) @ V
            slope = slope * z * (1 - z) + self.regularization * nodes
            squares += slope.square()
            nodes -= _FOLD_RATE * slope / squares.sqrt()
        return nodes


def counted(X: sp.csr_array, device: torch.device | str = "cpu") -> Histories:
    """The rows of X as they are: not brought to length one, as in the authors' code."""
    histories = Histories.of(X, device)
    return histories._replace(weights=torch.ones_like(histories.weights))


def expected_loss(scores: Tensor, histories: Histories, negatives: float, loss: str) -> Tensor:
    """(users,) Σ_{i in x} ℓ(score_i, 1) + a |x| mean_{i not in x} ℓ(score_i, 0), of scores (users,
    items); the second sum is 0 for a user who has all items."""
    users, own = _own(scores, histories)
    weights = _weights(scores, histories, negatives)
    if loss == "squared":
        at_all, of_own = scores.square().sum(dim=1) / 2, own.square() / 2
        at_own = (own - 1).square() / 2
    else:
        at_all, of_own = functional.softplus(scores).sum(dim=1), functional.softplus(own)
        at_own = of_own - own
    return (weights * at_all).index_add(0, users, at_own - weights[users] * of_own)


def expected_slope(scores: Tensor, histories: Histories, negatives: float, loss: str) -> Tensor:
    """(users, items) the derivative of `expected_loss` by the scores."""
    users, _ = _own(scores, histories)
    slopes = scores if loss == "squared" else scores.sigmoid()
    own = slopes[users, histories.items] - 1
    slopes = slopes * _weights(scores, histories, negatives)[:, None]
    slopes[users, histories.items] = own
    return slopes


def _own(scores: Tensor, histories: Histories) -> tuple[Tensor, Tensor]:
    """The user of each interaction, and its score, (interactions,) each."""
    users = torch.repeat_interleave(histories.lengths)
    return users, scores[users, histories.items]


def _weights(scores: Tensor, histories: Histories, negatives: float) -> Tensor:
    """(users,) how much an item that a user does not have counts."""
    others = scores.shape[1] - histories.lengths
    counts = negatives * histories.lengths.to(scores)
    return torch.where(others > 0, counts / others.clamp(min=1), 0)
