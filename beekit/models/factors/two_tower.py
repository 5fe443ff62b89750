"""TwoTower: a network for histories and one for items, learnt by in-batch softmax."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp
import torch

from beekit.matrices import ones
from beekit.models.checks import require, training_matrix
from beekit.models.content_vectors import content_vectors, require_vectors_of
from beekit.models.factors.towers import Towers, batch_histories, in_batch_softmax, tower
from beekit.models.factors.vector_ranking import fitted, recommend_by_vectors, similar_items
from beekit.models.fitting import shuffled, train, training_device
from beekit.models.saved import load_fields, save_fields
from beekit.models.sound import sound
from beekit.ranking import Recommendations


@dataclass(eq=False)
class TwoTower:
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

    embedding_dim: int = 64
    hidden_dim: int = 128
    temperature: float = 0.1
    learning_rate: float = 0.003
    id_dropout: float = 0.3
    epochs: int = 10
    batch_size: int = 1024
    vectors: np.ndarray | None = field(default=None, repr=False)
    seed: int = 0
    device: str | None = None
    item_vectors: np.ndarray | None = field(default=None, init=False, repr=False)
    item_inputs: np.ndarray | None = field(default=None, init=False, repr=False)
    hidden_weight: np.ndarray | None = field(default=None, init=False, repr=False)
    hidden_bias: np.ndarray | None = field(default=None, init=False, repr=False)
    output_weight: np.ndarray | None = field(default=None, init=False, repr=False)
    output_bias: np.ndarray | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.vectors is not None:
            self.vectors = content_vectors(self.vectors)
        require(
            self.embedding_dim >= 1, f"embedding_dim={self.embedding_dim}", "an integer from 1 on"
        )
        require(self.hidden_dim >= 1, f"hidden_dim={self.hidden_dim}", "an integer from 1 on")
        require(self.temperature > 0, f"temperature={self.temperature}", "a number above 0")
        require(self.learning_rate > 0, f"learning_rate={self.learning_rate}", "a number above 0")
        require(0 <= self.id_dropout < 1, f"id_dropout={self.id_dropout}", "0 to below 1")
        require(self.epochs >= 1, f"epochs={self.epochs}", "an integer from 1 on")
        require(self.batch_size >= 2, f"batch_size={self.batch_size}", "an integer from 2 on")

    @property
    def scores_cold_items(self) -> bool:
        """Whether items without training interactions are known, by features."""
        return self.vectors is not None

    @sound
    def fit(self, X: sp.csr_array) -> Self:
        """Learn both towers from X (users, items).

        Raises:
            DataError: if X is not a matrix of finite numbers, has no users or no items, or if
                `vectors` are given and X does not have an item for each.
            ConfigError: if training diverges.
        """
        histories = training_matrix(X)
        features = None
        if self.vectors is not None:
            require_vectors_of(self.vectors, histories.shape[1])
            features = torch.from_numpy(self.vectors)
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        support = torch.from_numpy(np.bincount(histories.indices, minlength=histories.shape[1]))
        towers = Towers(
            support > 0, features, self.embedding_dim, self.hidden_dim, generator, device
        )
        optimizer = torch.optim.Adam(towers.parameters, lr=self.learning_rate)
        log_chance = (support.clamp(min=1) / max(1, histories.nnz)).log().to(device)
        owners = np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr))
        items = torch.from_numpy(histories.indices.astype(np.int64))

        def step(pairs: torch.Tensor) -> torch.Tensor:
            item = items[pairs].to(device)
            kept = None
            if features is not None:
                kept = (torch.rand(len(pairs), generator=generator) >= self.id_dropout).to(device)
            rest = batch_histories(histories[owners[pairs.numpy()]], device)
            logits = towers.user_vectors(*rest, item) @ towers.item_vectors(item, kept).T
            loss = in_batch_softmax(logits / self.temperature - log_chance[item], item)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        train(
            "TwoTower",
            self.epochs,
            -(-histories.nnz // self.batch_size),
            lambda: shuffled(histories.nnz, self.batch_size, generator),
            step,
        )
        self.item_inputs, self.item_vectors = towers.all_items()
        layers = [layer.detach().cpu().numpy() for layer in towers.user_layers]
        self.hidden_weight, self.hidden_bias, self.output_weight, self.output_bias = layers
        return self

    def user_vectors(self, X: sp.csr_array) -> np.ndarray:
        """(users, embedding_dim) float32 of length one, computed in float64."""
        fitted(self, self.item_vectors, X)
        histories = ones(X)
        lengths = np.maximum(np.diff(histories.indptr), 1).astype(np.float64)
        pooled = (histories @ self.item_inputs) / np.sqrt(lengths)[:, None]
        layers = (self.hidden_weight, self.hidden_bias, self.output_weight, self.output_bias)
        exact = [torch.from_numpy(np.asarray(layer, dtype=np.float64)) for layer in layers]
        made = tower(torch.from_numpy(pooled), *exact)
        return made.numpy().astype(np.float32)

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items by the cosine of user and item vectors."""
        vectors = fitted(self, self.item_vectors, X)
        return recommend_by_vectors(vectors, self.user_vectors(X), X, k, candidates, exclude_seen)

    def similar(self, item_indices: np.ndarray, k: int) -> Recommendations:
        """The k items nearest to each given one by the cosine of their vectors."""
        return similar_items(fitted(self, self.item_vectors), item_indices, k)

    def save(self, folder: str | Path) -> None:
        """Write settings, features and what was learnt."""
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder."""
        return load_fields(cls, folder)
