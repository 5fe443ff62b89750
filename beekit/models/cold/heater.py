"""Heater: a network that transforms content into collaborative factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from beekit.models.cold.content_network import FactorNetwork, unit_scale
from beekit.models.cold.networks import MixtureOfExperts, evaluating, identity
from beekit.models.cold.samples import Sample, chosen_rows, pair_weights
from beekit.models.settings import Count, CountOrNone, NotNegative, Share
from beekit.models.training_loop import Training


@dataclass(eq=False)
class Heater(FactorNetwork):
    """Heater (Zhu, Sefati, Saadatpanah & Caverlee, SIGIR 2020) for new items.

    Let c be the content of an item and q its pretrained collaborative factors:

        t = Σ_e gate(c)_e expert_e(c)              mixture-of-experts transformation
        z = q with probability `exchange`, else t  randomized training
        s = p W · v + b,  v = z M                  score, p the user's collaborative factors
        loss = rating loss of s + similarity · mean of (t − q)²

    The rating loss is the mean logistic loss over users' interactions and `negatives` times as many
    items that they do not have. After training, v = q M for items with interactions and v = t M for
    all others.

    Departures from the paper: a user is always known by a history. So the factors are those of a
    linear model, X ≈ X E Dᵀ (by default ELSA; BPR in the paper), where p = x E follows from the
    history x exactly, and the last layers W and M are linear, so that this also holds for p W. In
    training, an item is scored for a user as if the history did not hold it, and p has length 1;
    neither that length nor the offset b changes a ranking. The rating loss is logistic, not
    squared, and uses all pairs of a step's users and items with the weights they would have if
    drawn. The gate is a softmax. Dropout of content prevents overfitting.

    Args (those of `FactorNetwork`, and):
        experts: number of experts.
        hidden_dim: width of an expert's hidden tanh layer; 0 for linear experts.
        exchange: probability, 0 to 1, that a training step uses q instead of t for an item.
        similarity: weight of the distance between transformed content and factors.

    Attributes (those of `ContentNetwork`): `user_side` is E W; `encoder_weights` are the weights of
        the mixture of experts and M.
    """

    experts: Count = 5
    hidden_dim: CountOrNone = 0
    exchange: Share = 0.5
    similarity: NotNegative = 0.1

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        factors = self._factors(X)
        content, warm, generator = self._start(X)
        users, items = (torch.from_numpy(side).to(content.device) for side in factors)
        network = HeaterNetwork(
            content, users, items, self.experts, self.hidden_dim, self.dropout, generator
        )

        def loss(sample: Sample) -> Tensor:
            step = network(sample, self.exchange)
            interactions = sample.interactions.to(content.device)
            rating = rating_loss(step.scores, interactions, self.negatives)
            gap = (step.transformed - step.factors).square().mean()
            return torch.add(rating, gap, alpha=self.similarity)

        encoder = nn.Sequential(network.transform, network.item_layer)
        return self._training(X, network, encoder, loss, lambda: network.learnt(warm))

    def _cold_network(self, inputs: int, dims: int) -> nn.Module:
        shape = (inputs, self.hidden_dim, dims, self.experts)
        return nn.Sequential(MixtureOfExperts(*shape, 0.0, torch.Generator()), identity(dims))


class HeaterStep(NamedTuple):
    """The parts of the loss: s (users, items), and t and q (items, dims)."""

    scores: Tensor
    transformed: Tensor
    factors: Tensor


class HeaterNetwork(nn.Module):
    """The mixture of experts and the last layers, for content c and factors E and D (items, dims).

    q is D scaled by `unit_scale`.
    """

    def __init__(
        self,
        content: Tensor,
        user_side: Tensor,
        item_factors: Tensor,
        experts: int,
        hidden_dim: int,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        dims = item_factors.shape[1]
        self.content, self.encoder = content, user_side
        self.factors = unit_scale(item_factors)
        self.transform = MixtureOfExperts(
            content.shape[1], hidden_dim, dims, experts, dropout, generator
        )
        self.user_layer, self.item_layer = identity(dims), identity(dims)
        self.offset = nn.Parameter(torch.zeros(()))
        self.generator = generator

    def forward(self, sample: Sample, exchange: float) -> HeaterStep:
        """The scores of a step's users and items, as if no history held the item scored."""
        items = torch.from_numpy(sample.items).to(self.content.device)
        q = self.factors[items]
        t = self.transform(self.content[items])
        exchanged = chosen_rows(len(items), exchange, self.generator).to(q.device)
        v = self.item_layer(torch.where(exchanged, q, t))
        users = torch.from_numpy(sample.histories @ self.encoder.cpu().numpy()).to(q.device)
        own = self.user_layer(self.encoder[items])
        interactions = sample.interactions.to(q.device)
        scores = scores_as_if_new(self.user_layer(users), own, v, interactions)
        lengths = users.norm(dim=1, keepdim=True).clamp(min=torch.finfo(users.dtype).tiny)
        return HeaterStep(scores / lengths + self.offset, t, q)

    def learnt(self, warm: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """E W and v (items, dims) of the trained network; only `warm` (items,) items use q."""
        with evaluating(self):
            entered = torch.where(warm[:, None], self.factors, self.transform(self.content))
            side, vectors = self.user_layer(self.encoder), self.item_layer(entered)
        return side.cpu().numpy(), vectors.cpu().numpy()


def scores_as_if_new(users: Tensor, own: Tensor, vectors: Tensor, interactions: Tensor) -> Tensor:
    """Scores (users, items) where each item is scored as if the user's history did not hold it.

    A user vector u is a sum over the history, so without item i it is u − own_i, and the score of i
    is u · v_i − own_i · v_i. `own` (items, dims) is what an item adds to the user vector.
    """
    return users @ vectors.T - interactions * (own * vectors).sum(dim=1)


def rating_loss(scores: Tensor, interactions: Tensor, negatives: float) -> Tensor:
    """The mean logistic loss over interactions and `negatives` times as many other pairs.

    It is −ln σ(s) for interactions and −ln σ(−s) for other pairs, averaged with `pair_weights`.
    """
    losses = functional.binary_cross_entropy_with_logits(scores, interactions, reduction="none")
    return (losses * pair_weights(interactions, negatives)).sum()
