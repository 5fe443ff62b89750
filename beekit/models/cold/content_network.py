"""What models share that learn a network of content: settings, training, and new items."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.models.cold.new_items import GrowsByContent, with_weights
from beekit.models.cold.samples import Sample, Samples
from beekit.models.content_vectors import standardised
from beekit.models.fitting import Training, by_gradient
from beekit.models.settings import (
    FROM_TWO,
    NOT_FITTED,
    Count,
    ItemVectors,
    NotNegative,
    Positive,
    ShareBelowOne,
)


@dataclass(eq=False)
class ContentNetwork(GrowsByContent):
    """Settings and what is learnt of a model that brings content into the space of its users.

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

    def _training(
        self,
        X: sp.csr_array,
        network: nn.Module,
        loss: Callable[[Sample], Tensor],
        keep: Callable[[], None],
    ) -> Training[Sample]:
        """Training by AdamW (Loshchilov & Hutter 2019), its rate falling linearly to zero."""
        generator = np.random.default_rng(self.seed)
        samples = Samples(X, self.users_per_step, self.items_per_step, generator)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        step = by_gradient(optimizer, loss, falls_to_zero_in=self.epochs * len(samples))
        return Training(self.epochs, samples, step, keep)

    def _vectors_of_new(self, new: np.ndarray) -> np.ndarray:
        """What the network makes of their content, as if they had been there from the start."""
        known = len(self.vectors)
        # Only known items decide the scale, as when the model was fitted.
        reference = self.warm if self.warm.any() else np.ones(known, dtype=bool)
        decides = np.concatenate([reference, np.zeros(len(new), dtype=bool)])
        content = standardised(np.concatenate([self.vectors, new]), decides)[known:]
        network = self._cold_network(self.vectors.shape[1], self.item_vectors.shape[1])
        with torch.no_grad():
            made = with_weights(network, self.encoder_weights)(torch.from_numpy(content))
            return np.asarray(made.numpy())

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
