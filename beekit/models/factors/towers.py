"""The two towers of `TwoTower`, and the loss between them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional

from beekit.models.fitting import learnt_array, normal_vectors


class Towers:
    """Parameters of both towers, and the vectors they make.

    Args:
        trained: (items,) bool, whether an item has training interactions; an embedding of its own
            is kept at zero where not.
        features: (items, any) float32, or None.
        dims: length of inputs and vectors.
        hidden: width of the hidden layers.
        generator: where first parameters come from.
        device: where to keep them.

    Attributes:
        embeddings: e (items, dims).
        projection: w (features, dims), or None.
        user_layers, item_layers: W₁ (dims, hidden), c₁ (hidden,), W₂ (hidden, dims), c₂ (dims,).
    """

    def __init__(
        self,
        trained: torch.Tensor,
        features: torch.Tensor | None,
        dims: int,
        hidden: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        started = normal_vectors(len(trained), dims, 0.1, generator, device)
        self.embeddings = (started * trained.to(device)[:, None]).requires_grad_()
        self.features = None if features is None else features.to(device)
        self.projection: torch.Tensor | None = None
        if self.features is not None:
            # So that projected features start as large as embeddings, whatever their scale.
            length = float(self.features.square().sum(dim=1).mean().sqrt()) or 1.0
            width = self.features.shape[1]
            started = normal_vectors(width, dims, 0.1 / length, generator, device)
            self.projection = started.requires_grad_()
        self.user_layers, self.item_layers = (
            [
                normal_vectors(dims, hidden, (2 / dims) ** 0.5, generator, device).requires_grad_(),
                torch.zeros(hidden, device=device, requires_grad=True),
                # At zero the tower starts as the identity.
                torch.zeros((hidden, dims), device=device, requires_grad=True),
                torch.zeros(dims, device=device, requires_grad=True),
            ]
            for _ in range(2)
        )

    @property
    def parameters(self) -> list[torch.Tensor]:
        """All that is learnt."""
        projection = [] if self.projection is None else [self.projection]
        return [self.embeddings, *projection, *self.user_layers, *self.item_layers]

    def item_vectors(self, items: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """Vectors (batch, dims) of items (batch,); where not `kept`, of their features alone."""
        inputs = self.embeddings[items]
        if kept is not None:
            inputs = inputs * kept[:, None]
        if self.features is not None and self.projection is not None:
            inputs = inputs + self.features[items] @ self.projection
        return tower(inputs, *self.item_layers)

    def user_vectors(
        self, items: torch.Tensor, lengths: torch.Tensor, left_out: torch.Tensor
    ) -> torch.Tensor:
        """Vectors (batch, dims) of histories, each without one of its items.

        Args:
            items: (interactions,) item indices of the histories, one history after the other.
            lengths: (batch,) of the histories.
            left_out: (batch,) an item of each.
        """
        starts = lengths.cumsum(0) - lengths
        pooled = functional.embedding_bag(items, self.embeddings, starts, mode="sum")
        pooled = pooled - self.embeddings[left_out]
        if self.features is not None and self.projection is not None:
            features = functional.embedding_bag(items, self.features, starts, mode="sum")
            pooled = pooled + (features - self.features[left_out]) @ self.projection
        return tower(pooled / (lengths - 1).clamp(min=1).sqrt()[:, None], *self.user_layers)

    @torch.no_grad()
    def all_items(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and vectors (items, dims) float32 of all items."""
        inputs = self.embeddings
        if self.features is not None and self.projection is not None:
            inputs = inputs + self.features @ self.projection
        return learnt_array(inputs), learnt_array(tower(inputs, *self.item_layers))


def tower(
    inputs: torch.Tensor,
    hidden_weight: torch.Tensor,
    hidden_bias: torch.Tensor,
    output_weight: torch.Tensor,
    output_bias: torch.Tensor,
) -> torch.Tensor:
    """z + W₂ relu(W₁ z + c₁) + c₂ scaled to length one: (rows, dims) to (rows, dims)."""
    hidden = torch.relu(inputs @ hidden_weight + hidden_bias)
    return functional.normalize(inputs + hidden @ output_weight + output_bias, dim=1)


def in_batch_softmax(logits: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of each row's own column among the batch's.

    Args:
        logits: (batch, batch), row u and column j: user u with the item of user j.
        items: (batch,) the items; a column with a row's own item, but for its own, is left out.
    """
    same = items[:, None] == items[None, :]
    same.fill_diagonal_(False)
    own = torch.arange(len(items), device=items.device)
    return functional.cross_entropy(logits.masked_fill(same, float("-inf")), own)


def batch_histories(
    histories: sp.csr_array, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Item indices (interactions,) and lengths (users,) of CSR histories."""
    items = torch.from_numpy(histories.indices.astype(np.int64))
    lengths = torch.from_numpy(np.diff(histories.indptr).astype(np.int64))
    return items.to(device), lengths.to(device)
