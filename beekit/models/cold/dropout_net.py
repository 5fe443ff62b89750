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

    With c the content of an item, q its pretrained collaborative factors and p those of a user, a
    network f of both inputs is to give the scores of collaborative filtering back, also where q is
    missing, as it is for new items:

        v = f([q or 0, c]),  zeros with probability `cf_dropout`
        loss = weighted mean over pairs of (p · v − p · q)²      (eq. 2)

    Once trained, v = f([q, c]) for items with interactions and v = f([0, c]) for all others.

    Where we depart from the paper: users are never new but come as histories, so the factors are
    those of a linear model, X ≈ X E Dᵀ, whose users p = x E follow from the history exactly (by
    default ELSA; WMF in the paper), and users have no network. All pairs of a step's users and
    items count, weighted as if drawn, with p scaled to length 1. f has no batch normalisation; what
    keeps it from learning items by heart is dropout of content.

    Args (those of `FactorNetwork`, and):
        hidden_dims: widths of f's hidden layers of tanh; none for a linear map.
        cf_dropout: probability to drop an item's factors in a training step.

    Attributes (those of `ContentNetwork`): `user_side` is E, `encoder_weights` are those of f.
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
        return nn.Sequential(nn.ConstantPad1d((dims, 0), 0.0), tower)  # no factors, then content


class DropoutNetwork(nn.Module):
    """f over fixed content c (items, content dims) and factors q (items, dims) of size 1."""

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
        """v (items, dims) of items (items,), each without q with the probability."""
        missing = chosen_rows(len(items), cf_dropout, self.generator).to(items.device)
        return self.vectors(items, missing)

    def vectors(self, items: Tensor, missing: Tensor) -> Tensor:
        """v (items, dims) of items (items,), without q where it is `missing` (items, 1) bool."""
        q = torch.where(missing, 0.0, self.factors[items])
        v: Tensor = self.tower(torch.cat([q, self.content[items]], dim=1))
        return v

    def learnt(self, warm: Tensor) -> np.ndarray:
        """v (items, dims) once trained, without q unless `warm` (items,) bool."""
        items = torch.arange(len(self.content), device=self.content.device)
        with evaluating(self):
            return self.vectors(items, ~warm[:, None]).cpu().numpy()


def score_error(users: Tensor, vectors: Tensor, factors: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum over pairs of (p · v − p · q)², users p (users, dims) scaled to length 1."""
    directions = nn.functional.normalize(users, dim=1)
    return ((directions @ (vectors - factors).T).square() * weights).sum()
