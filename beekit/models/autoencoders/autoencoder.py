"""What autoencoders with a linear last layer share: settings, serving by vectors, what is kept."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.index import ItemIndex
from beekit.models.autoencoders.histories import Histories
from beekit.models.early_stopping import StopsEarly
from beekit.models.settings import NOT_FITTED, Count, CountOrNone, Positive
from beekit.models.training_loop import Batches, Training, learnt_array
from beekit.models.vectors import VectorRecommender, at_length_one

# Users encoded at once when recommending.
_USERS = 4096


@dataclass(eq=False)
class Autoencoder(StopsEarly, VectorRecommender):
    """A network that encodes a history and scores all items by a linear layer.

    With h the encoding of a history, an item scores v_i·h + b_i: the user's vector is h and a one,
    the item's is v_i and b_i, and lists come from an index. Any history is taken; one without items
    gets the list that the biases say.

    Args (those of `StopsEarly`, and):
        learning_rate: of Adam.
        epochs: passes over the users, at most.
        users_per_step: users in a mini-batch.
        seed: of first weights, order, dropout and other draws.
        device: where to train; by default the GPU where there is one. There, sums run in no fixed
            order, so that results of one seed may differ in the last digits.

    Attributes:
        item_vectors: v and b (items, dims + 1) float32 after `fit`.
        encoder_weights: (weights,) float32 after `fit`, of the encoder.
    """

    patience: CountOrNone = field(default=20, kw_only=True)
    learning_rate: Positive = field(default=0.001, kw_only=True)
    epochs: Count = field(default=100, kw_only=True)
    users_per_step: Count = field(default=500, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    device: str | None = field(default=None, kw_only=True)
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    encoder_weights: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    @abstractmethod
    def _encoder(self, items: int, generator: torch.Generator) -> nn.Module:
        """A network from `Histories` to (users, dims), with first weights."""

    def _training(
        self,
        encoder: nn.Module,
        output: nn.Linear,
        batches: Batches[Any],
        step: Callable[[Any], Tensor],
        state: Mapping[str, Any],
        said: Callable[[], str] | None = None,
    ) -> Training[Any]:
        """`state` names what steps change besides both parts of the network."""

        def keep() -> None:
            with torch.no_grad():
                item_vectors = torch.cat([output.weight, output.bias[:, None]], dim=1)
                weights = nn.utils.parameters_to_vector(encoder.parameters())
            self.item_vectors, self.encoder_weights = map(learnt_array, (item_vectors, weights))

        state = {**state, "encoder": encoder, "output": output}
        return Training(self.epochs, batches, step, keep, state, said)

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        """Encoded in float64, so that a user's vector does not depend on who else is asked."""
        encoder = self._kept("encoder", self._encoder_of, self.encoder_weights)
        encoded = np.ones((histories.shape[0], self.item_vectors.shape[1]), dtype=np.float32)
        with torch.no_grad():
            for begin in range(0, histories.shape[0], _USERS):
                users = slice(begin, begin + _USERS)
                encoded[users, :-1] = encoder(Histories.of(histories[users])).numpy()
        return encoded

    def _encoder_of(self, weights: np.ndarray) -> nn.Module:
        encoder = self._encoder(len(self.item_vectors), torch.Generator()).double()
        learnt = torch.from_numpy(weights.astype(np.float64))
        nn.utils.vector_to_parameters(learnt, encoder.parameters())
        return encoder

    def _directions(self) -> ItemIndex:
        """Of v alone."""
        return self._kept("directions", lambda vb: at_length_one(vb[:, :-1]), self.item_vectors)


def users_with_items(X: sp.csr_array) -> np.ndarray:
    """User indices of those who have an item: the others have nothing to reconstruct."""
    return np.flatnonzero(np.diff(X.indptr))
