"""The base classes of models that learn a network of content: settings, training, new items."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn, ones

from beekit.errors import ConfigError
from beekit.finite import finite_vectors
from beekit.models.cold.new_items import GrowsByContent
from beekit.models.cold.samples import Sample, Samples
from beekit.models.content_vectors import standardised
from beekit.models.early_stopping import StopsEarly
from beekit.models.linear.elsa import ELSA
from beekit.models.settings import (
    FROM_TWO,
    NOT_FITTED,
    Count,
    ItemVectors,
    NotNegative,
    Positive,
    ShareBelowOne,
)
from beekit.models.training_loop import GradientSteps, Training, training_device
from beekit.models.vectors import VectorRecommender


class Start(NamedTuple):
    """Standardised content (items, dims), warm items (items,) bool, and the random generator."""

    content: Tensor
    warm: Tensor
    generator: torch.Generator


@dataclass(eq=False)
class ContentNetwork(StopsEarly, GrowsByContent, VectorRecommender):
    """A model with a network that maps item content into the space of user vectors.

    Args (those of `StopsEarly`, and):
        vectors: c (items, dims), for example a sentence encoder's embeddings.
        embedding_dim: dimensions of user and item vectors.
        dropout: share of content values, and of hidden values, set to zero in training.
        learning_rate, weight_decay: those of AdamW.
        epochs: passes over the users.
        users_per_step, items_per_step: numbers of users and items in a training step.
        seed: seed of all random draws.
        device: device to train on; by default a GPU if there is one.

    Attributes:
        user_side: (items, dims) float32 after `fit`; a user vector is its sum over the history.
        item_vectors: v (items, dims) float32 after `fit`.
        warm: (items,) bool after `fit`: which items have interactions.
        encoder_weights: (weights,) float32 after `fit`: parameters of the network of content.
    """

    vectors: ItemVectors = field(repr=False)
    embedding_dim: Count = 64
    dropout: ShareBelowOne = 0.6
    learning_rate: Positive = 0.003
    weight_decay: NotNegative = 0.01
    epochs: Count = 10
    users_per_step: Count = 512
    items_per_step: Annotated[int, FROM_TWO] = 2048
    seed: int = 0
    device: str | None = None
    user_side: np.ndarray | None = field(default=NOT_FITTED, init=False, repr=False)
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    warm: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    encoder_weights: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _start(self, X: sp.csr_array) -> Start:
        warm = np.bincount(X.indices, minlength=X.shape[1]) > 0
        device = training_device(self.device)
        content = torch.from_numpy(standardised(self.vectors, warm)).to(device)
        generator = torch.Generator().manual_seed(self.seed)
        return Start(content, torch.from_numpy(warm).to(device), generator)

    def _training(
        self,
        X: sp.csr_array,
        network: nn.Module,
        encoder: nn.Module,
        loss: Callable[[Sample], Tensor],
        learnt: Callable[[], tuple[np.ndarray, np.ndarray]],
    ) -> Training[Sample]:
        """Training by AdamW (Loshchilov & Hutter 2019); the learning rate falls linearly to zero.

        `network` draws by its `generator`. `encoder` is the part of it that new items need, with
        the parameters of `_cold_network`. `learnt` returns the user side and the item vectors of
        the trained network.
        """
        network.to(training_device(self.device))
        generator = np.random.default_rng(self.seed)
        samples = Samples(X, self.users_per_step, self.items_per_step, generator)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )

        def keep() -> None:
            self.user_side, self.item_vectors = learnt()
            self.warm = np.bincount(X.indices, minlength=X.shape[1]) > 0
            with torch.no_grad():
                weights = nn.utils.parameters_to_vector(encoder.parameters())
                self.encoder_weights = weights.cpu().numpy()

        steps = GradientSteps(optimizer, loss, falls_to_zero_in=self.epochs * len(samples))
        drawing = {"samples": generator, "noise": network.generator}
        state = {"network": network, "steps": steps, **drawing}
        return Training(self.epochs, samples, steps, keep, state)

    def _vectors_of_new(self, new: np.ndarray) -> np.ndarray:
        """The vectors that the network gives new items, as if they had been cold items in `fit`."""
        known = len(self.vectors)
        # Mean and scale come from the warm items, as when the model was fitted.
        reference = self.warm if self.warm.any() else np.ones(known, dtype=bool)
        decides = np.concatenate([reference, np.zeros(len(new), dtype=bool)])
        content = standardised(np.concatenate([self.vectors, new]), decides)[known:]
        network = self._cold_network(self.vectors.shape[1], self.item_vectors.shape[1]).eval()
        with torch.no_grad():
            weights = torch.from_numpy(self.encoder_weights)
            nn.utils.vector_to_parameters(weights, network.parameters())
            return np.asarray(network(torch.from_numpy(content)).numpy())

    def _join(self, joining: np.ndarray) -> None:
        """Append cold items; in a history they add nothing to the user vector."""
        self.user_side = np.concatenate([self.user_side, np.zeros_like(joining)])
        self.item_vectors = np.concatenate([self.item_vectors, joining])
        self.warm = np.concatenate([self.warm, np.zeros(len(joining), dtype=bool)])

    @abstractmethod
    def _cold_network(self, inputs: int, dims: int) -> nn.Module:
        """The network from standardised content (items, inputs) to vectors (items, dims) of cold
        items. Its parameters have the order of `encoder_weights`."""


@dataclass(eq=False)
class FactorNetwork(ContentNetwork):
    """A network that maps content to the factors of pretrained collaborative filtering.

    Args (those of `ContentNetwork`, and):
        embedding_dim: dimensions of the factors; unused if the factors are given.
        negatives: how many items that a user does not have count for each one that the user has.
        cf_user_side, cf_item_factors: E and D (items, any) of a linear model fitted to the same X,
            to use in place of ELSA's.
    """

    negatives: Positive = field(default=5.0, kw_only=True)
    cf_user_side: np.ndarray | None = field(default=None, repr=False, kw_only=True)
    cf_item_factors: np.ndarray | None = field(default=None, repr=False, kw_only=True)

    def _factors(self, X: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
        """E and D (items, dims) float32 of X E Dᵀ: the given ones, or the item vectors A of ELSA.

        The rows of A have length 1, so content has to predict which items go together and not how
        popular an item is. With the factors of a truncated SVD, which are large for popular items
        and close to zero for the others, these models rank sparse data worse than content alone.
        Rows of D of items without interactions are zero.
        """
        if (self.cf_user_side is None) != (self.cf_item_factors is None):
            raise ConfigError(
                "only one of cf_user_side and cf_item_factors",
                expected="both sides of one linear model, or neither",
                remedy="Give both, or leave out both.",
            )
        if self.cf_user_side is None:
            elsa = ELSA(embedding_dim=self.embedding_dim, seed=self.seed, device=self.device)
            vectors = elsa.fit(X).item_vectors
            return vectors, vectors
        rows, again = X.shape[1], "Fit the model that they come from again."
        E = finite_vectors(self.cf_user_side, "cf_user_side", rows=rows, remedy=again)
        D = finite_vectors(
            self.cf_item_factors, "cf_item_factors", rows=rows, dims=E.shape[1], remedy=again
        )
        warm = np.bincount(X.indices, minlength=X.shape[1]) > 0
        return E, D * warm[:, None]


def unit_scale(factors: Tensor) -> Tensor:
    """Factors (items, dims) divided by the root mean square of the values in nonzero rows. Networks
    learn well at this scale, and the division changes no ranking."""
    rows = factors[factors.any(dim=1)]
    size = rows.square().mean().sqrt() if len(rows) else ones(())
    return factors / size
