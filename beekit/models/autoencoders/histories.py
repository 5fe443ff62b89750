"""Histories as inputs of an autoencoder: each of length one, dropped at random in training."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional


class Histories(NamedTuple):
    """Histories of some users, one after the other."""

    items: Tensor  # (interactions,) int64 item indices
    lengths: Tensor  # (users,) int64
    weights: Tensor  # (interactions,) 1/√length of the user, unless made otherwise; 0 if dropped

    @classmethod
    def of(cls, X: sp.csr_array, device: torch.device | str = "cpu") -> Self:
        """The rows of X, float32 CSR of ones, as x/‖x‖₂."""
        lengths = np.diff(X.indptr).astype(np.int64)
        weights = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths).astype(np.float32)
        parts = (X.indices.astype(np.int64), lengths, weights)
        return cls(*(torch.from_numpy(part).to(device) for part in parts))

    def dropped(self, probability: float, generator: torch.Generator) -> Self:
        """Each interaction left out by a chance, the others weighted 1/(1 − p)."""
        if not probability:
            return self
        kept = torch.rand(len(self.items), generator=generator) >= probability
        return self._replace(weights=self.weights * kept.to(self.weights) / (1 - probability))

    def summed(self, vectors: Tensor) -> Tensor:
        """(users, dims): for each user, the weighted sum of the vectors (items, dims)."""
        starts = self.lengths.cumsum(0) - self.lengths
        weights = self.weights.to(vectors.dtype)
        return functional.embedding_bag(
            self.items, vectors, starts, mode="sum", per_sample_weights=weights
        )


def negative_log_likelihood(logits: Tensor, histories: Histories) -> Tensor:
    """(users,) −Σ_{i in x} ln softmax(logits)_i, the multinomial loss, by logits (users, items)."""
    users = torch.repeat_interleave(histories.lengths)
    scored = torch.zeros_like(logits[:, 0]).index_add_(0, users, logits[users, histories.items])
    loss: Tensor = histories.lengths * logits.logsumexp(dim=1) - scored
    return loss


class FirstLayer(nn.Module):
    """A linear layer on histories, whose work grows with interactions and not with items."""

    def __init__(self, items: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(glorot(items, outputs, generator))  # (items, outputs)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, histories: Histories) -> Tensor:
        """(users, outputs)."""
        return histories.summed(self.weight) + self.bias


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer that starts with Glorot's weights and a bias of zero."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)
    with torch.no_grad():
        layer.weight.copy_(glorot(inputs, outputs, generator).T)
        layer.bias.zero_()
    return layer


def glorot(inputs: int, outputs: int, generator: torch.Generator) -> Tensor:
    """Weights (inputs, outputs) to start from (Glorot & Bengio, AISTATS 2010)."""
    return nn.init.xavier_uniform_(torch.empty(inputs, outputs), generator=generator)
