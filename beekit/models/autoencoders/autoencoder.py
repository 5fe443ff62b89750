"""What autoencoders with a linear last layer share: settings, serving by vectors, what is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from beekit.index import ItemIndex
from beekit.models.autoencoders.history_encoder import EncodesHistories
from beekit.models.early_stopping import StopsEarly
from beekit.models.phases import Phases
from beekit.models.settings import NOT_FITTED, Count, CountOrNone, Positive
from beekit.models.training_loop import Batches, Training
from beekit.models.vectors import VectorRecommender, at_length_one


@dataclass(eq=False)
class Autoencoder(StopsEarly, EncodesHistories, VectorRecommender):
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
    epochs: Count = field(default=200, kw_only=True)
    users_per_step: Count = field(default=500, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    device: str | None = field(default=None, kw_only=True)
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    encoder_weights: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _training(
        self,
        encoder: nn.Module,
        output: nn.Linear,
        batches: Batches[Any],
        step: Callable[[Any], Tensor],
        state: Mapping[str, Any],
        said: Callable[[], str] | None = None,
        phases: Phases | None = None,
    ) -> Training[Any]:
        """`state` names what steps change besides both parts of the network."""

        def keep() -> None:
            self._keep_network(encoder, output)

        state = {**state, "encoder": encoder, "output": output}
        epochs = self.epochs if phases is None else phases.epochs
        return Training(epochs, batches, step, keep, state, said, phases)

    def _go_back(self, encoder: nn.Module, output: nn.Linear) -> None:
        """Load into both parts of a network in training what the model has learnt."""
        # Copies, because training goes on in place.
        item_vectors, weights = (
            torch.tensor(learnt, device=output.weight.device)
            for learnt in (self.item_vectors, self.encoder_weights)
        )
        with torch.no_grad():
            nn.utils.vector_to_parameters(weights, encoder.parameters())
            output.weight.copy_(item_vectors[:, :-1])
            output.bias.copy_(item_vectors[:, -1])

    def _directions(self) -> ItemIndex:
        """Of v alone."""
        return self._kept("directions", lambda vb: at_length_one(vb[:, :-1]), self.item_vectors)
