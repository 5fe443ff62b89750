"""What networks of ratings share: rows of ratings as input, and the error where there are any."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.models.autoencoders.histories import Histories
from beekit.models.autoencoders.history_encoder import EncodesHistories
from beekit.models.factors.lookup import looked_up
from beekit.models.ratings.learns_ratings import LearnsRatings
from beekit.models.settings import NOT_FITTED, Count, CountOrNone, Positive

# The most numbers of a mini-batch's predictions for all columns: 256 MB in float32.
_DENSE_ELEMENTS = 2**26


@dataclass(eq=False)
class RatingNetwork(EncodesHistories, LearnsRatings):
    """A rating model whose vector of a user is the last hidden layer of a network.

    Args (those of `LearnsRatings`, and):
        learning_rate: of the optimiser.
        epochs: passes over the data, at most.
        rows_per_step: users, or items, in a mini-batch.
        seed: of first weights, order and dropout.
        device: where to train; by default the GPU where there is one. There, sums run in no fixed
            order, so that results of one seed may differ in the last digits.

    Attributes:
        encoder_weights: (weights,) float32 after `fit`, of the network from a user's ratings to the
            last hidden layer.
    """

    patience: CountOrNone = field(default=10, kw_only=True)
    learning_rate: Positive = field(default=0.001, kw_only=True)
    epochs: Count = field(default=200, kw_only=True)
    rows_per_step: Count = field(default=200, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    device: str | None = field(default=None, kw_only=True)
    encoder_weights: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _input(self, histories: sp.csr_array) -> Histories:
        return rated(histories)


def rated(X: sp.csr_array, device: torch.device | str = "cpu") -> Histories:
    """Rows of ratings (rows, columns) as input of a network; what is not rated is a zero."""
    lengths = np.diff(X.indptr).astype(np.int64)
    parts = (X.indices.astype(np.int64), lengths, X.data)
    return Histories(*(torch.from_numpy(part).to(device) for part in parts))


def predicted_where_rated(hidden: Tensor, output: nn.Linear, ratings: Histories) -> Tensor:
    """(ratings,) what a linear layer on `hidden` (rows, dims) says of each rating there is.

    The product with all columns is quicker, as long as it fits into memory, also where few of them
    are rated; either way, what is not rated has no gradient.
    """
    rows = torch.repeat_interleave(ratings.lengths)
    if hidden.shape[0] * output.out_features <= _DENSE_ELEMENTS:
        dense: Tensor = output(hidden)
        return dense[rows, ratings.items]
    products = looked_up(hidden, rows) * looked_up(output.weight, ratings.items)
    return products.sum(dim=1) + looked_up(output.bias, ratings.items)


def squared_error(predicted: Tensor, ratings: Histories) -> Tensor:
    """Σ (r − r̂)² over all ratings there are."""
    return (predicted - ratings.weights.to(predicted)).square().sum()
