"""What models share that learn a network of content: settings, training, and new items."""

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
from beekit.models.training_loop import Training, by_gradient, training_device
from beekit.models.vectors import VectorRecommender


class Start(NamedTuple):
    """What a network starts from: content (items, dims) of size 1 and warm items (items,) bool."""

    content: Tensor
    warm: Tensor
    generator: torch.Generator


@dataclass(eq=False)
class ContentNetwork(GrowsByContent, VectorRecommender):
    """A model that brings content into the space of its users by a network.

    Args:
        vectors: c (items, dims), for example a sentence encoder's embeddings.
        embedding_dim: dimensions of what is learnt of users and items.
        dropout: share of content values, and of hidden ones, zeroed in training.
        learning_rate, weight_decay: of AdamW.
        epochs: passes over the users.
        users_per_step, items_per_step: of a training step.
        seed: of every draw.
        device: where to train; by default the GPU where there is one.

    Attributes:
        user_side: (items, dims) float32 after `fit`; a user is the sum over the history.
        item_vectors: v (items, dims) float32 after `fit`.
        warm: (items,) bool after `fit`, the items with interactions.
        encoder_weights: (weights,) float32 after `fit`, of the network of content.
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
        """Training by AdamW (Loshchilov & Hutter 2019), its rate falling linearly to zero.

        `encoder` is the part of the network that new items need, as `_cold_network` makes it;
        `learnt` gives the user side and the item vectors, once trained.
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

        step = by_gradient(optimizer, loss, falls_to_zero_in=self.epochs * len(samples))
        return Training(self.epochs, samples, step, keep)

    def _vectors_of_new(self, new: np.ndarray) -> np.ndarray:
        """What the network makes of their content, as if they had been there from the start."""
        known = len(self.vectors)
        # Only known items decide the scale, as when the model was fitted.
        reference = self.warm if self.warm.any() else np.ones(known, dtype=bool)
        decides = np.concatenate([reference, np.zeros(len(new), dtype=bool)])
        content = standardised(np.concatenate([self.vectors, new]), decides)[known:]
        network = self._cold_network(self.vectors.shape[1], self.item_vectors.shape[1]).eval()
        with torch.no_grad():
            weights = torch.from_numpy(self.encoder_weights)
            nn.utils.vector_to_parameters(weights, network.parameters())
            return np.asarray(network(torch.from_numpy(content)).numpy())

    def _join(self, joining: np.ndarray) -> None:
        """Items that add nothing to users who have them."""
        self.user_side = np.concatenate([self.user_side, np.zeros_like(joining)])
        self.item_vectors = np.concatenate([self.item_vectors, joining])
        self.warm = np.concatenate([self.warm, np.zeros(len(joining), dtype=bool)])

    @abstractmethod
    def _cold_network(self, inputs: int, dims: int) -> nn.Module:
        """From standardised content (items, inputs) to vectors (items, dims) of cold items.

        Its parameters take `encoder_weights`, in their order.
        """


@dataclass(eq=False)
class FactorNetwork(ContentNetwork):
    """A network that maps content to the factors of pretrained collaborative filtering.

    Args (those of `ContentNetwork`, and):
        embedding_dim: dimensions of the factors; not used where they are given.
        negatives: items a user does not have for each one they have.
        cf_user_side, cf_item_factors: E and D (items, any) of a linear model fitted to the same X,
            to use in place of those of ELSA.
    """

    negatives: Positive = field(default=5.0, kw_only=True)
    cf_user_side: np.ndarray | None = field(default=None, repr=False, kw_only=True)
    cf_item_factors: np.ndarray | None = field(default=None, repr=False, kw_only=True)

    def _factors(self, X: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
        """E and D (items, dims) float32 of X E Dᵀ: those given, or else the item vectors A of ELSA.

        Rows of A have length 1, so that content is asked what goes with what, and not how popular
        an item is: by the factors of a truncated SVD, large for popular items and next to nothing
        for the others, these models rank sparse data worse than content alone does. Rows of D of
        items without interactions are zero.
        """
        if (self.cf_user_side is None) != (self.cf_item_factors is None):
            raise ConfigError(
                "one of cf_user_side and cf_item_factors",
                expected="both sides of one linear model, or neither",
                remedy="Choose another value.",
            )
        if self.cf_user_side is None:
            elsa = ELSA(embedding_dim=self.embedding_dim, seed=self.seed, device=self.device)
            vectors = elsa.fit(X).item_vectors
            return vectors, vectors
        rows, again = X.shape[1], "Fit the model they come from again."
        E = finite_vectors(self.cf_user_side, "cf_user_side", rows=rows, remedy=again)
        D = finite_vectors(
            self.cf_item_factors, "cf_item_factors", rows=rows, dims=E.shape[1], remedy=again
        )
        warm = np.bincount(X.indices, minlength=X.shape[1]) > 0
        return E, D * warm[:, None]


def unit_scale(factors: Tensor) -> Tensor:
    """Factors (items, dims) times the number that makes the values of rows that are not zero of
    size 1 (root mean square), the scale networks work on; it changes no ranking."""
    rows = factors[factors.any(dim=1)]
    size = rows.square().mean().sqrt() if len(rows) else ones(())
    return factors / size
