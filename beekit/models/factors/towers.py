"""The two towers of `TwoTower`, and the loss between them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from beekit.models.factors.lookup import looked_up
from beekit.models.training_loop import learnt_array, normal_vectors


class Towers:
    """The parameters of both towers, and the vectors that they compute.

    Args:
        trained: (items,) bool; the other items keep an embedding of zero.
        features: F (items, features), or None.
        dims: dimensions of inputs and vectors.
        hidden: width of the hidden layers.
        generator: draws the initial parameters.
        device: device to train on.

    Attributes:
        embeddings: e (items, dims).
        projection: w (features, dims), or None.
        user_layers, item_layers: W₁ (dims, hidden), c₁ (hidden,), W₂ (hidden, dims), c₂ (dims,).
    """

    def __init__(
        self,
        trained: Tensor,
        features: Tensor | None,
        dims: int,
        hidden: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        started = normal_vectors(len(trained), dims, 0.1, generator, device)
        self.embeddings = (started * trained.to(device)[:, None]).requires_grad_()
        self.features = None if features is None else features.to(device)
        self.projection: Tensor | None = None
        if self.features is not None:
            # Projected features start as large as embeddings, whatever the scale of the features.
            length = float(self.features.square().sum(dim=1).mean().sqrt()) or 1.0
            width = self.features.shape[1]
            started = normal_vectors(width, dims, 0.1 / length, generator, device)
            self.projection = started.requires_grad_()
        self.user_layers, self.item_layers = (
            [
                normal_vectors(dims, hidden, (2 / dims) ** 0.5, generator, device).requires_grad_(),
                torch.zeros(hidden, device=device, requires_grad=True),
                # With zeros here, the tower starts as the identity (scaled to length one).
                torch.zeros((hidden, dims), device=device, requires_grad=True),
                torch.zeros(dims, device=device, requires_grad=True),
            ]
            for _ in range(2)
        )

    @property
    def parameters(self) -> list[Tensor]:
        """All parameters to learn."""
        projection = [] if self.projection is None else [self.projection]
        return [self.embeddings, *projection, *self.user_layers, *self.item_layers]

    def item_vectors(self, items: Tensor, kept: Tensor | None = None) -> Tensor:
        """Vectors (batch, dims) of items (batch,); those not `kept` by their features alone."""
        inputs = looked_up(self.embeddings, items)
        if kept is not None:
            inputs = inputs * kept[:, None]
        if self.features is not None and self.projection is not None:
            inputs = inputs + self.features[items] @ self.projection
        return tower(inputs, *self.item_layers)

    def user_vectors(self, items: Tensor, lengths: Tensor, left_out: Tensor) -> Tensor:
        """Vectors (batch, dims) of histories from `batch_histories`, each without the item
        `left_out` (batch,)."""
        starts = lengths.cumsum(0) - lengths
        pooled = functional.embedding_bag(items, self.embeddings, starts, mode="sum")
        pooled = pooled - looked_up(self.embeddings, left_out)
        if self.features is not None and self.projection is not None:
            features = functional.embedding_bag(items, self.features, starts, mode="sum")
            pooled = pooled + (features - self.features[left_out]) @ self.projection
        return tower(pooled / (lengths - 1).clamp(min=1).sqrt()[:, None], *self.user_layers)

    @torch.no_grad()
    def all_items(self) -> tuple[np.ndarray, np.ndarray]:
        """The inputs z and the vectors (items, dims) float32 of all items."""
        inputs = self.embeddings
        if self.features is not None and self.projection is not None:
            inputs = inputs + self.features @ self.projection
        return learnt_array(inputs), learnt_array(tower(inputs, *self.item_layers))


def tower(z: Tensor, W1: Tensor, c1: Tensor, W2: Tensor, c2: Tensor) -> Tensor:
    """z + W₂ relu(W₁ z + c₁) + c₂, scaled to length one: (rows, dims) to (rows, dims)."""
    return functional.normalize(z + torch.relu(z @ W1 + c1) @ W2 + c2, dim=1)


def in_batch_softmax(logits: Tensor, items: Tensor) -> Tensor:
    """The mean cross-entropy with row u's own column as its class.

    Args:
        logits: (batch, batch); row u and column j hold the score of user u with the item of user j.
        items: (batch,) the item of each user. Other columns with the same item as the row are left
            out.
    """
    same = items[:, None] == items[None, :]
    same.fill_diagonal_(False)
    own = torch.arange(len(items), device=items.device)
    return functional.cross_entropy(logits.masked_fill(same, float("-inf")), own)


def batch_histories(histories: sp.csr_array, device: torch.device) -> tuple[Tensor, Tensor]:
    """The item indices (interactions,) and the lengths (users,) of CSR histories."""
    items = torch.from_numpy(histories.indices.astype(np.int64))
    lengths = torch.from_numpy(np.diff(histories.indptr).astype(np.int64))
    return items.to(device), lengths.to(device)
