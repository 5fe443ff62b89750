"""DeepRec: a deep autoencoder of what users rated, fed again with what it predicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from beekit.matrices import rows_with_entries
from beekit.models.autoencoders.histories import FirstLayer, Histories, linear
from beekit.models.cold.samples import dropped
from beekit.models.ratings.networks import RatingNetwork, rated, squared_error
from beekit.models.settings import Count, CountOrNone, HiddenDimsFromOne, Positive, ShareBelowOne
from beekit.models.training_loop import Shuffled, Training, training_device

_MOMENTUM = 0.9


@dataclass(eq=False)
class DeepRec(RatingNetwork):
    """DeepRec (Kuchaiev & Ginsburg, 2017: Training deep autoencoders for collaborative filtering).

    A user's ratings x, with zeros where there is none, go through layers of SELU to a code, with
    dropout, and through layers of the same widths back to f(x), a rating for each item. A step
    minimises the mean of (r − f(x))² over the ratings of the users in it. Then, `refeeds` times,
    y = f(x) is taken for what the user would have rated, and a further step minimises the mean over
    all items of (y − f(y))²: y is input and target, and gradients do not pass into it (dense
    re-feeding).

    As in the authors' code, SELU is after each layer, the last one too, and the optimiser is
    stochastic gradient descent with a momentum of 0.9. That code leaves out the last mini-batch of
    an epoch and lowers the learning rate at set epochs; here all mini-batches are used, and the
    learning rate is constant.

    SELU is above −1.76 everywhere, and so is what is predicted: a scale that goes lower has to be
    moved.

    Any history is taken. A user without ratings gets what the network says of none, and an item
    without training ratings what its first weights and the code say of it, cut to the range.

    Args (those of `RatingNetwork`, and):
        hidden_dims: widths of the encoder's layers; the last is that of the code, the decoder has
            them in reverse.
        dropout: chance of each number of the code to be left out in training.
        refeeds: further steps on what is predicted, for each mini-batch.

    Attributes:
        item_vectors: (items, width + 1) float32 after `fit`: weights and bias of the last layer.
    """

    hidden_dims: HiddenDimsFromOne = (256, 256, 512)
    dropout: ShareBelowOne = 0.8
    refeeds: CountOrNone = 1
    learning_rate: Positive = field(default=0.005, kw_only=True)
    rows_per_step: Count = field(default=64, kw_only=True)

    def _encoder(self, columns: int, generator: torch.Generator) -> DeepEncoder:
        return DeepEncoder(columns, self.hidden_dims, generator)

    def _learn(self, X: sp.csr_array) -> Training[Any]:
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        encoder = self._encoder(X.shape[1], generator).to(device)
        output = linear(encoder.width, X.shape[1], generator).to(device)
        users = rows_with_entries(X)
        optimizer = torch.optim.SGD(
            [*encoder.parameters(), *output.parameters()], lr=self.learning_rate, momentum=_MOMENTUM
        )

        def follow(loss: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        def step(batch: Tensor) -> Tensor:
            ratings = rated(X[users[batch.numpy()]], device)
            code = dropped(encoder.code(ratings), self.dropout, generator)
            every = functional.selu(output(encoder.decoded(code)))
            rows = torch.repeat_interleave(ratings.lengths)
            predicted = every[rows, ratings.items]
            first = follow(squared_error(predicted, ratings) / len(ratings.items))
            for _ in range(self.refeeds):
                dense = every.detach()
                code = dropped(encoder.code_of_dense(dense), self.dropout, generator)
                every = functional.selu(output(encoder.decoded(code)))
                follow((every - dense).square().mean())
            return first

        def keep() -> None:
            self._keep_network(encoder, output)

        batches = Shuffled(len(users), self.rows_per_step, generator)
        state = {"encoder": encoder, "output": output, "optimizer": optimizer}
        return Training(self.epochs, batches, step, keep, {**state, "generator": generator})

    def _predicted(self, products: np.ndarray) -> np.ndarray:
        return functional.selu(torch.from_numpy(products)).numpy()


class DeepEncoder(nn.Module):
    """All layers but the last: from ratings to a code, and from a code to the last hidden layer."""

    def __init__(self, columns: int, widths: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        first, back = widths[0], widths[::-1]
        self.first = FirstLayer(columns, first, generator)
        self.down, self.up = (
            nn.ModuleList(linear(a, b, generator) for a, b in pairwise(of)) for of in (widths, back)
        )
        self.width = back[-1]

    def code(self, ratings: Histories) -> Tensor:
        """(rows, code) of rows of ratings."""
        return self._rest(self.first(ratings))

    def code_of_dense(self, ratings: Tensor) -> Tensor:
        """`code` of rows with a rating in each column (rows, columns)."""
        return self._rest(ratings @ self.first.weight + self.first.bias)

    def _rest(self, values: Tensor) -> Tensor:
        values = functional.selu(values)
        for layer in self.down:
            values = functional.selu(layer(values))
        return values

    def decoded(self, code: Tensor) -> Tensor:
        """(rows, code) to the last hidden layer (rows, width)."""
        for layer in self.up:
            code = functional.selu(layer(code))
        return code

    def forward(self, ratings: Histories) -> Tensor:
        """Without dropout."""
        return self.decoded(self.code(ratings))
