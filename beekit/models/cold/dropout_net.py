"""DropoutNet: one network for warm and cold items, by dropping the collaborative input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.models.cold.content_network import FactorNetwork, unit_scale
from beekit.models.cold.networks import Perceptron, evaluating
from beekit.models.cold.samples import Sample, chosen_rows, pair_weights
from beekit.models.settings import HiddenDims, Share
from beekit.models.training_loop import Training


@dataclass(eq=False)
class DropoutNet(FactorNetwork):
    """DropoutNet (Volkovs, Yu & Poutanen, NeurIPS 2017) for new items.

    Let c be the content of an item, q its pretrained collaborative factors and p those of a user.
    The network f of both inputs learns to reproduce the scores of collaborative filtering, also
    when q is missing, as it is for new items:

        v = f([q, c]), or f([0, c]) with probability `cf_dropout`
        loss = weighted mean over pairs of (p · v − p · q)²      (eq. 2)

    After training, v = f([q, c]) for items with interactions and v = f([0, c]) for all others.

    Departures from the paper: a user is always known by a history. So the factors are those of a
    linear model, X ≈ X E Dᵀ (by default ELSA; WMF in the paper), where p = x E follows from the
    history x exactly, and users have no network. The loss uses all pairs of a step's users and
    items, with the weights they would have if drawn, and p has length 1. f has no batch
    normalisation; dropout of content prevents overfitting.

    Args (those of `FactorNetwork`, and):
        hidden_dims: widths of f's hidden tanh layers; empty for a linear map.
        cf_dropout: probability that an item's factors are dropped in a training step.

    Attributes (those of `ContentNetwork`): `user_side` is E; `encoder_weights` are the weights of
        f.
    """

    hidden_dims: HiddenDims = ()
    cf_dropout: Share = 0.5

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        user_side, item_factors = self._factors(X)
        content, warm, generator = self._start(X)
        q = unit_scale(torch.from_numpy(item_factors)).to(content.device)
        network = DropoutNetwork(content, q, self.hidden_dims, self.dropout, generator)

        def loss(sample: Sample) -> Tensor:
            users = torch.from_numpy(sample.histories @ user_side).to(q.device)
            weights = pair_weights(sample.interactions.to(q.device), self.negatives)
            items = torch.from_numpy(sample.items).to(q.device)
            v = network(items, self.cf_dropout)
            return score_error(users, v, q[items], weights)

        def learnt() -> tuple[np.ndarray, np.ndarray]:
            return user_side, network.learnt(warm)

        return self._training(X, network, network.tower, loss, learnt)

    def _cold_network(self, inputs: int, dims: int) -> nn.Module:
        tower = Perceptron(dims + inputs, self.hidden_dims, dims, 0.0, torch.Generator())
        return nn.Sequential(nn.ConstantPad1d((dims, 0), 0.0), tower)  # zeros for q, then content


class DropoutNetwork(nn.Module):
    """f for content c (items, content dims) and factors q (items, dims), both of unit scale."""

    def __init__(
        self,
        content: Tensor,
        factors: Tensor,
        hidden_dims: tuple[int, ...],
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.content, self.factors, self.generator = content, factors, generator
        dims = factors.shape[1]
        self.tower = Perceptron(
            dims + content.shape[1], hidden_dims, dims, dropout, generator, spared=dims
        )

    def forward(self, items: Tensor, cf_dropout: float) -> Tensor:
        """v (items, dims) of items (items,); q is dropped with probability `cf_dropout`."""
        missing = chosen_rows(len(items), cf_dropout, self.generator).to(items.device)
        return self.vectors(items, missing)

    def vectors(self, items: Tensor, missing: Tensor) -> Tensor:
        """v (items, dims) of items (items,), without q where `missing` (items, 1) is true."""
        q = torch.where(missing, 0.0, self.factors[items])
        v: Tensor = self.tower(torch.cat([q, self.content[items]], dim=1))
        return v

    def learnt(self, warm: Tensor) -> np.ndarray:
        """v (items, dims) of the trained network; only `warm` (items,) items use q."""
        items = torch.arange(len(self.content), device=self.content.device)
        with evaluating(self):
            return self.vectors(items, ~warm[:, None]).cpu().numpy()


def score_error(users: Tensor, vectors: Tensor, factors: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum over pairs of (p · v − p · q)²; users p (users, dims) are scaled to length
    1 first."""
    directions = nn.functional.normalize(users, dim=1)
    return ((directions @ (vectors - factors).T).square() * weights).sum()
