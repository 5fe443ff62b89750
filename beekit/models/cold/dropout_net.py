"""DropoutNet: one network for warm and cold items, by dropping the collaborative input."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.index import ItemIndex
from beekit.matrices import ones
from beekit.models.checks import training_matrix
from beekit.models.cold.descent import descend
from beekit.models.cold.linear_factors import linear_factors, unit_scale
from beekit.models.cold.networks import Perceptron
from beekit.models.cold.new_items import append_items, weights_of
from beekit.models.cold.samples import Sample, Samples, chosen_rows, pair_weights
from beekit.models.cold.settings import check_settings
from beekit.models.content_vectors import content_vectors, require_vectors_of, standardised
from beekit.models.factors.vector_ranking import fitted
from beekit.models.fitting import training_device
from beekit.models.saved import load_fields, save_fields
from beekit.models.sound import sound
from beekit.ranking import Recommendations


@dataclass(eq=False)
class DropoutNet:
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

    Args:
        vectors: c (items, dims), for example a sentence encoder's embeddings.
        embedding_dim: dimensions of the factors; not used where they are given.
        hidden_dims: widths of f's hidden layers of tanh; none for a linear map.
        cf_dropout: probability to drop an item's factors in a training step.
        negatives: items a user does not have for each one they have.
        dropout: share of content values, and of hidden ones, zeroed in training.
        learning_rate, weight_decay: of AdamW.
        epochs: passes over the users.
        users_per_step, items_per_step: of a training step.
        seed: of every draw.
        device: where to train; by default the GPU where there is one.
        cf_user_side, cf_item_factors: E and D (items, any) of a linear model fitted to the same X,
            to use in place of those of ELSA.

    Attributes:
        user_side: E (items, dims) float32 after `fit`; a history x is the user x E.
        item_vectors: v (items, dims) float32 after `fit`.
        warm: (items,) bool after `fit`, the items with interactions.
        encoder_weights: (weights,) float32 after `fit`, of f, for `add_items`.
    """

    scores_cold_items: ClassVar[bool] = True

    vectors: np.ndarray = field(repr=False)
    embedding_dim: int = 64
    hidden_dims: tuple[int, ...] = ()
    cf_dropout: float = 0.5
    negatives: float = 5.0
    dropout: float = 0.6
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    epochs: int = 10
    users_per_step: int = 512
    items_per_step: int = 2048
    seed: int = 0
    device: str | None = None
    cf_user_side: np.ndarray | None = field(default=None, repr=False)
    cf_item_factors: np.ndarray | None = field(default=None, repr=False)
    user_side: np.ndarray | None = field(default=None, init=False, repr=False)
    item_vectors: np.ndarray | None = field(default=None, init=False, repr=False)
    warm: np.ndarray | None = field(default=None, init=False, repr=False)
    encoder_weights: np.ndarray | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.vectors = content_vectors(self.vectors)
        self.hidden_dims = tuple(self.hidden_dims)
        check_settings(self)

    @sound
    def fit(self, X: sp.csr_array) -> Self:
        """Factorise X (users, items) unless factors were given, and learn f.

        Raises:
            DataError: if X is not a matrix of finite numbers, has no users, or does not have an
                item for each vector, or if the factors given are not finite or are of another
                number of items.
            ConfigError: if only one of `cf_user_side` and `cf_item_factors` is given, or if
                training diverges.
        """
        X = training_matrix(X)
        require_vectors_of(self.vectors, X.shape[1])
        factors = linear_factors(
            X,
            self.embedding_dim,
            self.seed,
            self.device,
            self.cf_user_side,
            self.cf_item_factors,
        )
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

        descend(
            "DropoutNet",
            loss,
            Samples(X, self.users_per_step, self.items_per_step, np.random.default_rng(self.seed)),
            network.parameters(),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )
        self.user_side = factors.user_side
        self.item_vectors = network.learnt(torch.from_numpy(warm).to(device))
        self.warm, self.encoder_weights = warm, weights_of(network.tower)
        return self

    def add_items(self, vectors: np.ndarray) -> Self:
        """Append cold items by their content (new items, content dims).

        Nothing is trained and the others stay as they are. The new ones get v = f([0, c]), and add
        nothing to users who have them.

        Raises:
            ConfigError: if the model is not fitted, or if the vectors are too large to be ranked
                by.
            DataError: if the vectors are not finite, or if they have another number of dimensions
                than the model was fitted with.
        """
        inputs, dims = self.vectors.shape[1], fitted(self, self.item_vectors).shape[1]
        tower = Perceptron(dims + inputs, self.hidden_dims, dims, 0.0, torch.Generator())
        without_factors = nn.ConstantPad1d((dims, 0), 0.0)
        append_items(self, nn.Sequential(without_factors, tower), vectors)
        return self

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items by X E · v."""
        vectors = fitted(self, self.item_vectors, X)
        index = ItemIndex(vectors, user_side=self.user_side)
        return index.recommend(ones(X), k, candidates, exclude_seen)

    def save(self, folder: str | Path) -> None:
        """Write settings, content and what was learnt."""
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder."""
        return load_fields(cls, folder)


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

    @torch.no_grad()
    def learnt(self, warm: Tensor) -> np.ndarray:
        """v (items, dims) once trained, without q unless `warm` (items,) bool."""
        self.eval()
        items = torch.arange(len(self.content), device=self.content.device)
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
