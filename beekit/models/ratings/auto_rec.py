"""AutoRec: an autoencoder of the ratings that an item got, or that a user gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.matrices import rows_with_entries
from beekit.models.autoencoders.histories import FirstLayer, Histories, linear
from beekit.models.factors.lookup import looked_up
from beekit.models.ratings.known_raters import KnownRaters, recalled, remember
from beekit.models.ratings.means import mean_of
from beekit.models.ratings.networks import (
    RatingNetwork,
    predicted_where_rated,
    rated,
    squared_error,
)
from beekit.models.settings import NOT_FITTED, Count, Positive, one_of
from beekit.models.training_loop import (
    GradientSteps,
    Shuffled,
    Training,
    learnt_array,
    training_device,
)


@dataclass(eq=False)
class AutoRec(RatingNetwork):
    """AutoRec (Sedhain et al., WWW 2015), item-based or user-based.

    A row r of ratings, with zeros where there is none, is reconstructed as W σ(V r + c) + b, with σ
    the logistic function. Rows are what an item got from all users, which predicts better, or what
    a user gave to all items. The paper minimises, over the ratings there are,

        Σ (r − r̂)² + λ/2 (‖W‖² + ‖V‖²)

    (eq. 2). With `shared`, weights and bias of each column j are drawn to those that all columns
    share, and not to zero: the penalty is λ/2 (Σ_j ‖(w_j, b_j) − (w̄, b̄)‖² + ‖V‖²), with w̄ and b̄
    learnt and free. Otherwise a user with a dozen ratings has too few of them to learn from which
    items are good. On MovieLens 100K this lowers rmse on validation ratings by .01, and on ratings
    of books, of which a user gave a dozen, by .03.

    As in the paper, ratings are not centred. Instead of full batches with resilient propagation or
    L-BFGS, mini-batches with Adam; predictions start at the mean rating; and where the authors'
    code rounds the hidden layer to zeros and ones, it stays as it is here. The paper's λ is chosen
    for each dataset; their code has 100 for MovieLens 1M, in a penalty twice as large.

    *New users.* User-based, any history is taken. Item-based, each training user has weights and a
    bias, and is known by what was rated how in training, less what early stopping held out of it
    (a validation part of one's own spares that). Another history, also a training user's that has
    changed, gets those that minimise the criterion for its ratings, with the items' codes as they
    are, drawn to the average of the training users'; without ratings it gets the average. An item
    without training ratings has the average code of the others, so that it is expected to be rated
    as a user's items are on average.

    Args (those of `RatingNetwork`, and):
        kind: whether rows are of items or users.
        embedding_dim: length of the hidden layer.
        regularization: λ > 0.
        shared: whether columns are drawn to what they share, or to zero as in the paper.

    Attributes:
        item_vectors: (items, embedding_dim + 1) float32 after `fit`: codes and ones if item-based,
            else W and b.
        known_keys, known_vectors, known_average: the fields of `KnownRaters`, after an item-based
            `fit`.
    """

    kind: Annotated[str, one_of("items", "users")] = "items"
    embedding_dim: Count = 500
    regularization: Positive = 200.0
    shared: bool = True
    known_keys: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    known_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    known_average: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _encoder(self, columns: int, generator: torch.Generator) -> nn.Module:
        return nn.Sequential(FirstLayer(columns, self.embedding_dim, generator), nn.Sigmoid())

    def _learn(self, X: sp.csr_array) -> Training[Any]:
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        rows = X if self.kind == "users" else sp.csr_array(X.T)
        encoder = self._encoder(rows.shape[1], generator).to(device)
        output = LastLayer(self.embedding_dim, rows.shape[1], generator, self.shared)
        output.start_at(mean_of(X))
        output.to(device)
        weights = (encoder[0].weight, *output.penalised)  # type: ignore[index]
        some = rows_with_entries(rows)
        in_a_step = rows.nnz * min(1.0, self.rows_per_step / max(1, len(some)))

        def loss(batch: Tensor) -> Tensor:
            ratings = rated(rows[some[batch.numpy()]], device)
            error = squared_error(output(encoder(ratings), ratings), ratings)
            size = sum(weight.square().sum() for weight in weights)
            # Over an epoch, the penalty is the criterion's.
            share = len(batch) / len(some)
            criterion: Tensor = (error + share * self.regularization / 2 * size) / in_a_step
            return criterion

        optimizer = torch.optim.Adam(
            [*encoder.parameters(), *output.parameters()], lr=self.learning_rate
        )
        batches = Shuffled(len(some), self.rows_per_step, generator)
        step = GradientSteps(optimizer, loss)
        keep = self._keeping(rows, encoder, output)
        state = {"encoder": encoder, "output": output, "step": step, "generator": generator}
        return Training(self.epochs, batches, step, keep, state)

    def _keeping(
        self, rows: sp.csr_array, encoder: nn.Module, output: LastLayer
    ) -> Callable[[], None]:
        """A function that copies what was learnt so far into the model."""

        def keep() -> None:
            with torch.no_grad():
                lasts = learnt_array(output.of_columns())
                if self.kind == "users":
                    parameters = nn.utils.parameters_to_vector(encoder.parameters())
                    self.item_vectors, self.encoder_weights = lasts, learnt_array(parameters)
                    nobody = sp.csr_array((0, len(lasts)))
                    known = remember(nobody, np.zeros((1, 0), np.float32))
                else:
                    codes = learnt_array(encoder(rated(rows, output.common.device)))
                    self.item_vectors = _with_average(codes, np.diff(rows.indptr) > 0)
                    self.encoder_weights = np.zeros(0, dtype=np.float32)
                    known = remember(sp.csr_array(rows.T), lasts)
            self.known_keys, self.known_vectors, self.known_average = known

        return keep

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        if self.kind == "users":
            return super()._own_user_vectors(histories)
        known = KnownRaters(self.known_keys, self.known_vectors, self.known_average)
        return recalled(histories, known, self.item_vectors, self.regularization / 2)


class LastLayer(nn.Module):
    """A linear layer of a weight vector and a bias for each column, which may share a part."""

    def __init__(self, dims: int, columns: int, generator: torch.Generator, shared: bool) -> None:
        super().__init__()
        self.own = linear(dims, columns, generator)
        self.common = nn.Parameter(torch.zeros(dims + 1), requires_grad=shared)
        self.shared = shared

    def start_at(self, mean: float) -> None:
        """Let all predictions be about a number at first, and exactly that if a part is shared."""
        with torch.no_grad():
            if self.shared:
                self.own.weight.zero_()
                self.common[-1] = mean
            else:
                self.own.bias.fill_(mean)

    @property
    def penalised(self) -> tuple[Tensor, ...]:
        """What is drawn to zero: the weights, or all that columns do not share."""
        return (self.own.weight, self.own.bias) if self.shared else (self.own.weight,)

    def of_columns(self) -> Tensor:
        """(columns, dims + 1) weights and biases."""
        own = torch.cat([self.own.weight, self.own.bias[:, None]], dim=1)
        return own + self.common

    def forward(self, hidden: Tensor, ratings: Histories) -> Tensor:
        """(ratings,) what is predicted where there is a rating, from `hidden` (rows, dims)."""
        of_rows = hidden @ self.common[:-1] + self.common[-1]
        rows = torch.repeat_interleave(ratings.lengths)
        return predicted_where_rated(hidden, self.own, ratings) + looked_up(of_rows, rows)


def _with_average(codes: np.ndarray, has_ratings: np.ndarray) -> np.ndarray:
    """Codes (items, dims) and ones; an item without ratings has the average code of the others."""
    if has_ratings.any():
        codes[~has_ratings] = codes[has_ratings].mean(axis=0)
    return np.hstack([codes, np.ones((len(codes), 1), dtype=np.float32)])
