"""TwoTower: a network for histories and one for items, trained by in-batch softmax."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.models.early_stopping import StopsEarly
from beekit.models.factors.negatives import interactions
from beekit.models.factors.towers import Towers, batch_histories, in_batch_softmax, tower
from beekit.models.settings import (
    FROM_TWO,
    NOT_FITTED,
    Count,
    Positive,
    ShareBelowOne,
    VectorsOrNone,
)
from beekit.models.training_loop import (
    GradientSteps,
    Shuffled,
    Training,
    learnt_array,
    training_device,
)
from beekit.models.vectors import VectorRecommender


@dataclass(eq=False)
class TwoTower(StopsEarly, VectorRecommender):
    """Two-tower retrieval with sampling-bias-corrected softmax (Yi et al., RecSys 2019).

    The input of an item is z = e + F w: its embedding e and, if there are `vectors` F, a projection
    of them. The item tower computes the item's vector from z, the user tower the user's vector from
    |N|^(−1/2) Σ_{j in N} z_j. A tower is z + W₂ relu(W₁ z + c₁) + c₂, scaled to length one. For a
    batch of interactions (u, i) the loss is −ln softmax_j(u·v_j / τ − ln Q_j) at j = i, with j over
    the items of the batch. Q_j, the probability that an interaction of the batch is with j, is the
    share of interactions with j. The paper estimates Q from a stream; here it is counted.

    Departures: item i is left out of the history that predicts it; other interactions of the batch
    with i are no negatives for it; a tower has one hidden layer and a residual connection.

    An item without training users keeps e = 0 and is known by its features. So that features are
    used, e is set to zero in training for a share `id_dropout` of the items in a batch (Volkovs et
    al., DropoutNet, NeurIPS 2017). Without features, all items without training users score alike.

    Args (those of `StopsEarly`, and):
        embedding_dim: dimensions of the vectors.
        hidden_dim: width of the hidden layers.
        temperature: τ > 0.
        learning_rate: learning rate of Adam.
        id_dropout: share of a batch's items whose e is set to zero; unused without `vectors`.
        epochs: passes over the interactions.
        batch_size: interactions in a mini-batch, and so items in the softmax.
        vectors: F (items, any), for example a sentence encoder's embeddings; None for no features.
        seed: seed of initial parameters, order of the data and dropout.
        device: device to train on; by default a GPU if there is one. On a GPU sums have no fixed
            order, so two runs with one seed may differ in the last digits.

    Attributes:
        item_vectors: (items, embedding_dim) float32 of length one, after `fit`.
        item_inputs: z (items, embedding_dim) float32 after `fit`.
        hidden_weight, hidden_bias, output_weight, output_bias: W₁, c₁, W₂, c₂ of the user tower,
            after `fit`.
    """

    embedding_dim: Count = 64
    hidden_dim: Count = 128
    temperature: Positive = 0.1
    learning_rate: Positive = 0.003
    id_dropout: ShareBelowOne = 0.3
    epochs: Count = 10
    batch_size: Annotated[int, FROM_TWO] = 1024
    vectors: VectorsOrNone = field(default=None, repr=False)
    seed: int = 0
    device: str | None = None
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    item_inputs: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    hidden_weight: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    hidden_bias: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    output_weight: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    output_bias: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    @property
    def scores_cold_items(self) -> bool:  # type: ignore[override]
        """Whether items without training interactions are known by features."""
        return self.vectors is not None

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        features = None if self.vectors is None else torch.from_numpy(self.vectors)
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        support = torch.from_numpy(np.bincount(X.indices, minlength=X.shape[1]))
        towers = Towers(
            support > 0, features, self.embedding_dim, self.hidden_dim, generator, device
        )
        optimizer = torch.optim.Adam(towers.parameters, lr=self.learning_rate)
        log_chance = (support.clamp(min=1) / max(1, X.nnz)).log().to(device)
        owners, items = interactions(X)

        def loss(pairs: Tensor) -> Tensor:
            item = items[pairs].to(device)
            kept = None
            if features is not None:
                kept = (torch.rand(len(pairs), generator=generator) >= self.id_dropout).to(device)
            rest = batch_histories(X[owners[pairs].numpy()], device)
            logits = towers.user_vectors(*rest, item) @ towers.item_vectors(item, kept).T
            return in_batch_softmax(logits / self.temperature - log_chance[item], item)

        def keep() -> None:
            self.item_inputs, self.item_vectors = towers.all_items()
            layers = map(learnt_array, towers.user_layers)
            self.hidden_weight, self.hidden_bias, self.output_weight, self.output_bias = layers

        batches = Shuffled(X.nnz, self.batch_size, generator)
        steps = GradientSteps(optimizer, loss)
        numbered = {str(place): part for place, part in enumerate(towers.parameters)}
        state = {**numbered, "steps": steps, "generator": generator}
        return Training(self.epochs, batches, steps, keep, state)

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        """User vectors (users, dims) of length one, computed in float64."""
        lengths = np.maximum(np.diff(histories.indptr), 1).astype(np.float64)
        pooled = (histories @ self.item_inputs) / np.sqrt(lengths)[:, None]
        layers = (self.hidden_weight, self.hidden_bias, self.output_weight, self.output_bias)
        exact = [torch.from_numpy(np.asarray(layer, dtype=np.float64)) for layer in layers]
        made = tower(torch.from_numpy(pooled), *exact)
        return made.numpy().astype(np.float32)
