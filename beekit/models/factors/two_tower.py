"""TwoTower: a network for histories and one for items, learnt by in-batch softmax."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

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
    Shuffled,
    Training,
    by_gradient,
    learnt_array,
    training_device,
)
from beekit.models.vectors import VectorRecommender


@dataclass(eq=False)
class TwoTower(VectorRecommender):
    """Two-tower retrieval with sampling-bias-corrected softmax (Yi et al., RecSys 2019).

    An item enters as z = e + F w: an embedding of its own and, with `vectors` F, a projection
    of those. The item tower makes its vector of z; the user tower makes the user's vector of
    |N|^(−1/2) Σ_{j in N} z_j. A tower is z + W₂ relu(W₁ z + c₁) + c₂, scaled to length one. On
    batches of interactions (u, i), minimises −ln softmax of (u·v_j / τ − ln Q_j) over the batch's
    items j at the user's own, with Q_j the share of interactions that are with j: the chance that j
    is in a batch. The paper estimates Q from a stream; here it is counted.

    Departures: the item is left out of the history it is predicted from; other occurrences of the
    same item in the batch are not set against it; towers have one hidden layer and a bypass.

    An item no training user has keeps e = 0: with features it is known by those, and so that they
    carry weight, e is dropped for a share `id_dropout` of the items in a batch (Volkovs et al.,
    DropoutNet, NeurIPS 2017). Without features all such items score alike.

    Args:
        embedding_dim: length of the vectors.
        hidden_dim: width of the hidden layers.
        temperature: τ > 0.
        learning_rate: of Adam.
        id_dropout: share of items in a batch known by their features alone; for nothing without.
        epochs: passes over the interactions.
        batch_size: interactions in a mini-batch, and so items in the softmax.
        vectors: F (items, any), for example a sentence encoder's embeddings; None without.
        seed: of first parameters, order and dropout.
        device: where to train; by default the GPU where there is one. There, sums run in no fixed
            order, so that results of one seed may differ in the last digits.

    Attributes:
        item_vectors: (items, embedding_dim) float32 of length one, after `fit`.
        item_inputs: z (items, embedding_dim) float32 after `fit`.
        hidden_weight, hidden_bias, output_weight, output_bias: W₁, c₁, W₂, c₂ of the user tower.
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
        """Whether items without training interactions are known, by features."""
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
        return Training(self.epochs, batches, by_gradient(optimizer, loss), keep)

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        """Of length one, computed in float64."""
        lengths = np.maximum(np.diff(histories.indptr), 1).astype(np.float64)
        pooled = (histories @ self.item_inputs) / np.sqrt(lengths)[:, None]
        layers = (self.hidden_weight, self.hidden_bias, self.output_weight, self.output_bias)
        exact = [torch.from_numpy(np.asarray(layer, dtype=np.float64)) for layer in layers]
        made = tower(torch.from_numpy(pooled), *exact)
        return made.numpy().astype(np.float32)
