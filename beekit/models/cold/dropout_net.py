"""DropoutNet: one network for warm and cold items, by dropping the collaborative input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.models.cold.content_network import ContentNetwork
from beekit.models.cold.linear_factors import linear_factors, unit_scale
from beekit.models.cold.networks import Perceptron, evaluating
from beekit.models.cold.new_items import weights_of
from beekit.models.cold.samples import Sample, chosen_rows, pair_weights
from beekit.models.content_vectors import standardised
from beekit.models.fitting import Training, training_device
from beekit.models.settings import HiddenDims, Positive, Share
from beekit.models.vectors import VectorRecommender


@dataclass(eq=False)
class DropoutNet(ContentNetwork, VectorRecommender):
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

    Args (those of `ContentNetwork`, and):
        embedding_dim: dimensions of the factors; not used where they are given.
        hidden_dims: widths of f's hidden layers of tanh; none for a linear map.
        cf_dropout: probability to drop an item's factors in a training step.
        negatives: items a user does not have for each one they have.
        cf_user_side, cf_item_factors: E and D (items, any) of a linear model fitted to the same X,
            to use in place of those of ELSA.

    Attributes (those of `ContentNetwork`):
        user_side: E (items, dims) float32 after `fit`; a history x is the user x E.
        item_vectors: v (items, dims) float32 after `fit`.
        encoder_weights: (weights,) float32 after `fit`, of f, for `add_items`.
    """

    scores_cold_items: ClassVar[bool] = True

    hidden_dims: HiddenDims = ()
    cf_dropout: Share = 0.5
    negatives: Positive = 5.0
    cf_user_side: np.ndarray | None = field(default=None, repr=False)
    cf_item_factors: np.ndarray | None = field(default=None, repr=False)

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        """Factorise X unless factors were given, and learn f."""
        given = (self.cf_user_side, self.cf_item_factors)
        factors = linear_factors(X, self.embedding_dim, self.seed, self.device, *given)
        warm = np.bincount(X.indices, minlength=X.shape[1]) > 0
        device = training_device(self.device)
        network = DropoutNetwork(
            torch.from_numpy(standardised(self.vectors, warm)).to(device),
            unit_scale(torch.from_numpy(factors.item_factors)).to(device),
            self.hidden_dims,
            self.dropout,
            torch.Generator().manual_seed(self.seed),
        ).to(device)

        def loss(sample: Sample) -> Tensor:
            users = torch.from_numpy(sample.histories @ factors.user_side).to(device)
            weights = pair_weights(sample.interactions.to(device), self.negatives)
            items = torch.from_numpy(sample.items).to(device)
            v = network(items, self.cf_dropout)
            return score_error(users, v, network.factors[items], weights)

        def keep() -> None:
            self.user_side, self.warm = factors.user_side, warm
            self.item_vectors = network.learnt(torch.from_numpy(warm).to(device))
            self.encoder_weights = weights_of(network.tower)

        return self._training(X, network, loss, keep)

    def _cold_network(self, inputs: int, dims: int) -> nn.Module:
        tower = Perceptron(dims + inputs, self.hidden_dims, dims, 0.0, torch.Generator())
        return nn.Sequential(nn.ConstantPad1d((dims, 0), 0.0), tower)  # no factors, then content


class DropoutNetwork(nn.Module):
    """f over fixed content c (items, content dims) and factors q (items, dims).

    Args:
        content, factors: c and q, both with values of size 1.
        hidden_dims, dropout: as in `DropoutNet`.
        generator: of first weights and all dropout.
    """

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
    """Weighted sum over pairs of (p · v − p · q)², users scaled to length 1.

    Args:
        users: p (users, dims).
        vectors: v (items, dims).
        factors: q (items, dims).
        weights: (users, items).
    """
    directions = nn.functional.normalize(users, dim=1)
    return ((directions @ (vectors - factors).T).square() * weights).sum()
