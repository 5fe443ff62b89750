"""Items that join a fitted model by their content, without training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from beekit.models.content_vectors import compared, content_vectors, require_width
from beekit.models.sound import require_sound_additions


class GrowsByContent(ABC):
    """A part of models, with `vectors` of their items, that new items can join."""

    def add_items(self, vectors: np.ndarray) -> Self:
        """Append cold items by their content (new items, content dims).

        Nothing is trained and the others stay as they are.

        Raises:
            ConfigError: if the model is not fitted, or if the vectors are too large to be ranked
                by; then nothing is added.
            DataError: if the vectors are not finite, or if they have another number of dimensions
                than the model was fitted with.
        """
        model: Any = self
        model._require_fitted()
        new = content_vectors(vectors)
        require_width(new, model.vectors.shape[1])
        joining = self._vectors_of_new(new)
        require_sound_additions(model, joining)
        self._join(joining)
        model.vectors = np.concatenate([model.vectors, new])
        return self

    def _vectors_of_new(self: Any, new: np.ndarray) -> np.ndarray:
        """(new items, dims) as the model ranks by them: here, as it compares content."""
        return compared(new, self.mean, self.normalize)

    @abstractmethod
    def _join(self, joining: np.ndarray) -> None:
        """Append to what is learnt."""


def weights_of(network: nn.Module) -> np.ndarray:
    """All weights of a network (weights,) float32, one parameter after the other."""
    with torch.no_grad():
        return nn.utils.parameters_to_vector(network.parameters()).cpu().numpy()


def with_weights(network: nn.Module, weights: np.ndarray) -> nn.Module:
    """A network with the weights of another one of its shape, as it recommends."""
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.from_numpy(weights), network.parameters())
    return network.eval()
