"""What an encoder reads of each item, whatever it is: tokens of a text, pixels of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, Protocol, Self

import numpy as np
import torch


class ItemInputs(Protocol):
    """Prepared inputs of a catalog's items; what is alike is kept, and encoded, once.

    Attributes:
        distinct_of: (items,) position of each item's input among the distinct ones.
        distinct_sizes: (distinct,) tokens of each, which is what encoding it costs.
    """

    distinct_of: np.ndarray
    distinct_sizes: np.ndarray

    def __len__(self) -> int:
        """Number of items."""
        return len(self.distinct_of)

    def distinct_features(self, positions: np.ndarray) -> dict[str, Any]:
        """What the encoder's forward takes, for positions among the distinct inputs."""
        ...

    def take(self, items: np.ndarray) -> Self:
        """Those of some items: a mask (bool, items) or item indices."""
        taken = copy(self)
        taken.distinct_of = self.distinct_of[items]
        return taken

    def joined(self, other: Self) -> Self:
        """These items, and after them those of another catalog read by the same encoder."""
        ...

    def mini_batches(self, tokens: int) -> dict[str, Any]:
        """Arguments of `ELSALoss` that cut mini-batches of so many tokens."""
        ...


def features(inputs: ItemInputs, item_indices: np.ndarray) -> dict[str, Any]:
    """What the encoder's forward takes for these items, in that order."""
    return inputs.distinct_features(inputs.distinct_of[item_indices])


def embedding_of(encoder: Any, made: Mapping[str, Any]) -> torch.Tensor:
    """(items, dims) embeddings in what an encoder's forward made, cut as its `encode` cuts them
    (`truncate_dim`), not normalised."""
    embedding: torch.Tensor = made["sentence_embedding"]
    return embedding[..., : getattr(encoder, "truncate_dim", None)]


def to_device(features: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Features with their tensors on a device."""
    return {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in features.items()}


def sizes(inputs: ItemInputs, item_indices: np.ndarray | None = None) -> np.ndarray:
    """(items,) tokens of items, all of them without indices."""
    wanted = inputs.distinct_of if item_indices is None else inputs.distinct_of[item_indices]
    return np.asarray(inputs.distinct_sizes[wanted])


def by_size(inputs: ItemInputs, item_indices: np.ndarray) -> np.ndarray:
    """The same items, largest first, so that mini-batches hold inputs of like size."""
    order = np.argsort(-sizes(inputs, item_indices), kind="stable")
    return np.asarray(item_indices)[order]
