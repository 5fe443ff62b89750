"""AutoRec: an autoencoder of the ratings that an item got, or that a user gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.models.autoencoders.autoencoder import users_with_items
from beekit.models.autoencoders.histories import FirstLayer, linear
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
    the logistic function. Minimises, over the ratings there are,

        Σ (r − r̂)² + λ/2 (‖W‖² + ‖V‖²)

    (eq. 2). Rows are what an item got from all users, which predicts better, or what a user gave to
    all items.

    As in the paper, ratings are not centred and biases are not penalised. Instead of full batches
    with resilient propagation or L-BFGS, mini-batches with Adam; b starts at the mean rating; and
    where the authors' code rounds the hidden layer to zeros and ones, it stays as it is here. The
    paper's λ is chosen for each dataset; their code has 100 for MovieLens 1M, in a penalty twice as
    large.

    *New users.* User-based, any history is taken. Item-based, each training user has weights w_u
    and b_u, and is known by what was rated how. Another history, also a training user's that has
    changed, gets the weights that minimise the criterion for its ratings with the items' codes as
    they are, drawn to the average training user's instead of to zero; without ratings it gets those
    of the average. An item without training ratings has the average code of the others, so that it
    is expected to be rated as a user's items are on average.

    Args (those of `RatingNetwork`, and):
        kind: whether rows are of items or users.
        embedding_dim: length of the hidden layer.
        regularization: λ > 0.

    Attributes:
        item_vectors: (items, embedding_dim + 1) float32 after `fit`: codes and ones if item-based,
            else W and b.
        known_keys, known_vectors, known_average: the fields of `KnownRaters`, after an item-based
            `fit`.
    """

    kind: Annotated[str, one_of("items", "users")] = "items"
    embedding_dim: Count = 500
    regularization: Positive = 200.0
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
        output = linear(self.embedding_dim, rows.shape[1], generator).to(device)
        nn.init.constant_(output.bias, mean_of(X))
        weights = (encoder[0].weight, output.weight)  # type: ignore[index]
        some = users_with_items(rows)
        in_a_step = rows.nnz * min(1.0, self.rows_per_step / max(1, len(some)))

        def loss(batch: Tensor) -> Tensor:
            ratings = rated(rows[some[batch.numpy()]], device)
            error = squared_error(predicted_where_rated(encoder(ratings), output, ratings), ratings)
            size = sum(weight.square().sum() for weight in weights)
            # Over an epoch, the penalty is the criterion's.
            share = len(batch) / len(some)
            return (error + share * self.regularization / 2 * size) / in_a_step

        optimizer = torch.optim.Adam(
            [*encoder.parameters(), *output.parameters()], lr=self.learning_rate
        )
        batches = Shuffled(len(some), self.rows_per_step, generator)
        step = GradientSteps(optimizer, loss)
        keep = self._keeping(rows, encoder, output)
        state = {"encoder": encoder, "output": output, "step": step, "generator": generator}
        return Training(self.epochs, batches, step, keep, state)

    def _keeping(
        self, rows: sp.csr_array, encoder: nn.Module, output: nn.Linear
    ) -> Callable[[], None]:
        """A function that copies what was learnt so far into the model."""

        def keep() -> None:
            with torch.no_grad():
                lasts = learnt_array(torch.cat([output.weight, output.bias[:, None]], dim=1))
                if self.kind == "users":
                    parameters = nn.utils.parameters_to_vector(encoder.parameters())
                    self.item_vectors, self.encoder_weights = lasts, learnt_array(parameters)
                    nobody = sp.csr_array((0, len(lasts)))
                    known = remember(nobody, np.zeros((1, 0), np.float32))
                else:
                    codes = learnt_array(encoder(rated(rows, output.weight.device)))
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


def _with_average(codes: np.ndarray, has_ratings: np.ndarray) -> np.ndarray:
    """Codes (items, dims) and ones; an item without ratings has the average code of the others."""
    if has_ratings.any():
        codes[~has_ratings] = codes[has_ratings].mean(axis=0)
    return np.hstack([codes, np.ones((len(codes), 1), dtype=np.float32)])
