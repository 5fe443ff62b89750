"""Heater: content transformed into the space of collaborative filtering, with random exchange."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from beekit.index import ItemIndex
from beekit.matrices import ones
from beekit.models.checks import training_matrix
from beekit.models.cold.descent import descend
from beekit.models.cold.linear_factors import linear_factors, unit_scale
from beekit.models.cold.networks import MixtureOfExperts, identity
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
class Heater:
    """Heater (Zhu, Sefati, Saadatpanah & Caverlee, SIGIR 2020) for new items.

    With c the content of an item and q its pretrained collaborative factors:

        t = Σ_e gate(c)_e expert_e(c)              mixture-of-experts transformation
        z = q with probability `exchange`, else t  randomized training
        s = p W · v + b,  v = z M                  score, p the user's collaborative factors
        loss = rating loss of s + similarity · mean of (t − q)²

    The rating loss is the mean logistic loss over users' interactions and `negatives` times as many
    items they do not have. Once trained, v = q M for items with interactions and v = t M for all
    others.

    Where we depart from the paper: users are never new but come as histories, so the factors are
    those of a linear model, X ≈ X E Dᵀ, whose users p = x E follow from the history exactly (by
    default ELSA; BPR in the paper), and the last layers W and M are linear without a hidden one, so
    that this stays so. In training an item is taken out of a history it is scored against, as if it
    were new, and p is scaled to length 1; neither that nor the offset b changes a ranking. The
    rating loss is logistic, not squared; all pairs of a step's users and items count in it,
    weighted as if drawn. Gates are softmax. What keeps experts from learning items by heart is
    dropout of content.

    Args:
        vectors: c (items, dims), for example a sentence encoder's embeddings.
        embedding_dim: dimensions of the factors; not used where they are given.
        experts: how many.
        hidden_dim: width of an expert's hidden layer of tanh; 0 for linear experts.
        exchange: probability in [0, 1] to enter an item by its factors.
        similarity: weight of the distance between transformed content and factors.
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
        user_side: E W (items, dims) float32 after `fit`; a history x is the user x E W.
        item_vectors: v (items, dims) float32 after `fit`.
        warm: (items,) bool after `fit`, the items with interactions.
        encoder_weights: (weights,) float32 after `fit`, of t and M, for `add_items`.
    """

    scores_cold_items: ClassVar[bool] = True

    vectors: np.ndarray = field(repr=False)
    embedding_dim: int = 64
    experts: int = 5
    hidden_dim: int = 0
    exchange: float = 0.5
    similarity: float = 0.1
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
        check_settings(self)

    @sound
    def fit(self, X: sp.csr_array) -> Self:
        """Factorise X (users, items) unless factors were given, and learn the transformation.

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
        network = HeaterNetwork(
            torch.from_numpy(standardised(self.vectors, warm)).to(device),
            torch.from_numpy(factors.user_side).to(device),
            torch.from_numpy(factors.item_factors).to(device),
            self.experts,
            self.hidden_dim,
            self.dropout,
            torch.Generator().manual_seed(self.seed),
        ).to(device)

        def loss(sample: Sample) -> Tensor:
            step = network(sample, self.exchange)
            rating = rating_loss(step.scores, sample.interactions.to(device), self.negatives)
            gap = (step.transformed - step.factors).square().mean()
            return torch.add(rating, gap, alpha=self.similarity)

        descend(
            "Heater",
            loss,
            Samples(X, self.users_per_step, self.items_per_step, np.random.default_rng(self.seed)),
            network.parameters(),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )
        self.user_side, self.item_vectors = network.learnt(torch.from_numpy(warm).to(device))
        self.warm = warm
        self.encoder_weights = weights_of(nn.Sequential(network.transform, network.item_layer))
        return self

    def add_items(self, vectors: np.ndarray) -> Self:
        """Append cold items by their content (new items, content dims).

        Nothing is trained and the others stay as they are. The new ones get v = t M, and add
        nothing to users who have them.

        Raises:
            ConfigError: if the model is not fitted, or if the vectors are too large to be ranked
                by.
            DataError: if the vectors are not finite, or if they have another number of dimensions
                than the model was fitted with.
        """
        inputs, dims = self.vectors.shape[1], fitted(self, self.item_vectors).shape[1]
        transform = MixtureOfExperts(
            inputs, self.hidden_dim, dims, self.experts, 0.0, torch.Generator()
        )
        append_items(self, nn.Sequential(transform, identity(dims)), vectors)
        return self

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items by X E W · v."""
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


@dataclass(frozen=True)
class HeaterStep:
    """What the loss is made of.

    Attributes:
        scores: (users, items) s.
        transformed: (items, dims) t.
        factors: (items, dims) q.
    """

    scores: Tensor
    transformed: Tensor
    factors: Tensor


class HeaterNetwork(nn.Module):
    """Transformation and last layers over fixed content and factors.

    Args:
        content: c (items, content dims).
        user_side, item_factors: E and D (items, dims); q is D scaled to values of size 1.
        experts, hidden_dim, dropout: as in `Heater`.
        generator: of first weights, dropout and exchange.
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
        """Scores of a step's users and items, each item as if new to every user."""
        items = torch.from_numpy(sample.items).to(self.content.device)
        q = self.factors[items]
        t = self.transform(self.content[items])
        exchanged = chosen_rows(len(items), exchange, self.generator).to(q.device)
        v = self.item_layer(torch.where(exchanged, q, t))
        users = torch.from_numpy(sample.histories @ self.encoder.cpu().numpy()).to(q.device)
        scores = scores_as_if_new(
            self.user_layer(users),
            self.user_layer(self.encoder[items]),
            v,
            sample.interactions.to(q.device),
        )
        lengths = users.norm(dim=1, keepdim=True).clamp(min=torch.finfo(users.dtype).tiny)
        return HeaterStep(scores / lengths + self.offset, t, q)

    @torch.no_grad()
    def learnt(self, warm: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """E W and v (items, dims) once trained; items that are `warm` (items,) bool enter by q."""
        self.eval()
        entered = torch.where(warm[:, None], self.factors, self.transform(self.content))
        side, vectors = self.user_layer(self.encoder), self.item_layer(entered)
        return side.cpu().numpy(), vectors.cpu().numpy()


def scores_as_if_new(users: Tensor, own: Tensor, vectors: Tensor, interactions: Tensor) -> Tensor:
    """Scores (users, items) of users by vectors, an item taken out of histories that hold it.

    User vectors are sums over histories, so that one without item i is u − own_i, and the score of
    i with it u · v_i − own_i · v_i.

    Args:
        users: u (users, dims).
        own: (items, dims) what an item adds to a user who has it.
        vectors: v (items, dims).
        interactions: (users, items) ones where a history holds the item.
    """
    return users @ vectors.T - interactions * (own * vectors).sum(dim=1)


def rating_loss(scores: Tensor, interactions: Tensor, negatives: float) -> Tensor:
    """Mean logistic loss over interactions and `negatives` times as many other pairs.

    −ln σ(s) at interactions and −ln σ(−s) elsewhere, (users, items) each, weighted as if drawn.
    """
    losses = functional.binary_cross_entropy_with_logits(scores, interactions, reduction="none")
    return (losses * pair_weights(interactions, negatives)).sum()
