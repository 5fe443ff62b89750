"""Mult-DAE: a denoising autoencoder with the multinomial likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.matrices import rows_with_entries
from beekit.models.autoencoders.autoencoder import Autoencoder
from beekit.models.autoencoders.histories import (
    FirstLayer,
    Histories,
    linear,
    negative_log_likelihood,
)
from beekit.models.settings import Count, NotNegative, ShareBelowOne
from beekit.models.training_loop import GradientSteps, Shuffled, Training, training_device


@dataclass(eq=False)
class MultDAE(Autoencoder):
    """Multinomial denoising autoencoder (Liang et al., WWW 2018).

    A history x becomes h = tanh(W x̃/‖x‖₂ + c), with x̃ the history after dropout in training, and
    the logits are V h + b. Minimises the mean over users of −Σ_{i in x} ln softmax(V h + b)_i, plus
    λ (‖W‖² + ‖V‖²). As in the authors' code the loss is not divided by the user's interactions, and
    dropout comes after the normalisation.

    Args (those of `Autoencoder`, and):
        embedding_dim: length of h.
        dropout: chance of each interaction to be left out of the input in training.
        regularization: λ.
    """

    embedding_dim: Count = 200
    dropout: ShareBelowOne = 0.5
    regularization: NotNegative = 2e-5

    def _encoder(self, items: int, generator: torch.Generator) -> nn.Module:
        return nn.Sequential(FirstLayer(items, self.embedding_dim, generator), nn.Tanh())

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        encoder = self._encoder(X.shape[1], generator).to(device)
        output = linear(self.embedding_dim, X.shape[1], generator).to(device)
        weights = (encoder[0].weight, output.weight)  # type: ignore[index]
        users = rows_with_entries(X)

        def loss(batch: Tensor) -> Tensor:
            histories = Histories.of(X[users[batch.numpy()]], device)
            logits = output(encoder(histories.dropped(self.dropout, generator)))
            size = sum(weight.square().sum() for weight in weights)
            return negative_log_likelihood(logits, histories).mean() + self.regularization * size

        parameters = [*encoder.parameters(), *output.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate, fused=True)
        batches = Shuffled(len(users), self.users_per_step, generator)
        steps = GradientSteps(optimizer, loss)
        drawing = {"steps": steps, "generator": generator}
        return self._training(encoder, output, batches, steps, drawing)
