"""Networks that encode histories: kept as one array of weights, and asked in float64."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.models.autoencoders.histories import Histories
from beekit.models.training_loop import learnt_array

# Users encoded at once when recommending.
_USERS = 4096


class EncodesHistories(ABC):
    """A mixin for models of vectors whose user vector is what a network says of a history, and a
    one, which the bias of an item's vector is multiplied by."""

    item_vectors: np.ndarray
    encoder_weights: np.ndarray

    @abstractmethod
    def _encoder(self, items: int, generator: torch.Generator) -> nn.Module:
        """A network from `Histories` to (users, dims), with first weights."""

    def _input(self, histories: sp.csr_array) -> Histories:
        """What the network gets of histories."""
        return Histories.of(histories)

    def _encoded(self, encoder: nn.Module, histories: sp.csr_array) -> Tensor:
        """(users, dims) by an encoder in float64."""
        encoded: Tensor = encoder(self._input(histories))
        return encoded

    def _own_user_vectors(self: Any, histories: sp.csr_array) -> np.ndarray:
        """Encoded in float64, so that a user's vector does not depend on who else is asked."""
        encoder = self._kept("encoder", self._encoder_of, self.encoder_weights)
        encoded = np.ones((histories.shape[0], self.item_vectors.shape[1]), dtype=np.float32)
        with torch.no_grad():
            for begin in range(0, histories.shape[0], _USERS):
                users = slice(begin, begin + _USERS)
                encoded[users, :-1] = self._encoded(encoder, histories[users]).numpy()
        return encoded

    def _encoder_of(self, weights: np.ndarray) -> nn.Module:
        encoder = self._encoder(len(self.item_vectors), torch.Generator()).double().eval()
        learnt = torch.from_numpy(weights.astype(np.float64))
        nn.utils.vector_to_parameters(learnt, encoder.parameters())
        return encoder

    def _keep_network(self, encoder: nn.Module, output: nn.Linear) -> None:
        """Copy both parts of a network in training into the model."""
        with torch.no_grad():
            item_vectors = torch.cat([output.weight, output.bias[:, None]], dim=1)
            weights = nn.utils.parameters_to_vector(encoder.parameters())
        self.item_vectors, self.encoder_weights = map(learnt_array, (item_vectors, weights))
