"""CLCRec: content and collaborative embeddings of items drawn together by contrast."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from beekit.index import ItemIndex
from beekit.matrices import ones
from beekit.models.checks import training_matrix
from beekit.models.cold.descent import descend
from beekit.models.cold.networks import Perceptron
from beekit.models.cold.new_items import append_items, weights_of
from beekit.models.cold.samples import Sample, Samples, chosen_rows
from beekit.models.cold.settings import check_settings
from beekit.models.content_vectors import content_vectors, require_vectors_of, standardised
from beekit.models.factors.towers import batch_histories
from beekit.models.factors.vector_ranking import fitted
from beekit.models.fitting import normal_vectors, training_device
from beekit.models.saved import load_fields, save_fields
from beekit.models.sound import sound
from beekit.ranking import Recommendations


@dataclass(eq=False)
class CLCRec:
    """CLCRec (Wei, Wang, Li, Nie, Li, Li & Chua, ACM Multimedia 2021).

    With z the collaborative embedding of an item, g(c) its content encoded by a network, u a user
    and τ the temperature, minimises

        content_weight · L_RE + (1 − content_weight) · L_UI

    L_RE, over items: −ln of the share of exp(cos(z_i, g(c_i)) / τ) in the sum of
    exp(cos(z_i, g(c_j)) / τ) over all items j, so that content tells items apart as embeddings do.
    L_UI, over interactions: −ln of the share of exp(u · x_i / τ) in the sum of that and of
    exp(u · x_j / τ) over items j the user does not have, with x = g(c) with probability `exchange`
    and x = z otherwise (hybrid contrastive training). Once trained, x = z for items with
    interactions and x = g(c) for all others.

    Where we depart from the paper: users come as histories, not as ids, so u is the mean of z over
    the history, without the item it is scored against, instead of an embedding of its own; negative
    items are all others of a step, not k drawn for each pair; and what keeps g from learning items
    by heart is dropout of content beside weight decay.

    Args:
        vectors: c (items, dims), for example a sentence encoder's embeddings.
        embedding_dim: dimensions of z and g(c).
        hidden_dims: widths of g's hidden layers of tanh; none for a linear map.
        content_weight: share of L_RE in the loss, 0 to 1.
        exchange: probability in [0, 1] to enter an item of L_UI by its content.
        temperature: τ > 0 of both terms.
        dropout: share of content values, and of hidden ones, zeroed in training.
        learning_rate, weight_decay: of AdamW.
        epochs: passes over the users.
        users_per_step, items_per_step: of a training step.
        seed: of every draw.
        device: where to train; by default the GPU where there is one.

    Attributes:
        user_side: z (items, dims) float32 after `fit`, zeros for items without interactions.
        item_vectors: x (items, dims) float32 after `fit`.
        warm: (items,) bool after `fit`, the items with interactions.
        encoder_weights: (weights,) float32 after `fit`, of g, for `add_items`.
    """

    scores_cold_items: ClassVar[bool] = True

    vectors: np.ndarray = field(repr=False)
    embedding_dim: int = 64
    hidden_dims: tuple[int, ...] = ()
    content_weight: float = 0.5
    exchange: float = 0.5
    temperature: float = 0.2
    dropout: float = 0.6
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    epochs: int = 10
    users_per_step: int = 512
    items_per_step: int = 2048
    seed: int = 0
    device: str | None = None
    user_side: np.ndarray | None = field(default=None, init=False, repr=False)
    item_vectors: np.ndarray | None = field(default=None, init=False, repr=False)
    warm: np.ndarray | None = field(default=None, init=False, repr=False)
    encoder_weights: np.ndarray | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.vectors = content_vectors(self.vectors)
        self.hidden_dims = tuple(self.hidden_dims)
        check_settings(self)

    @sound
    def fit(self, X: sp.csr_array) -> Self:
        """Learn z and g from X (users, items).

        Raises:
            DataError: if X is not a matrix of finite numbers, has no users, or does not have an
                item for each vector.
            ConfigError: if training diverges.
        """
        X = training_matrix(X)
        require_vectors_of(self.vectors, X.shape[1])
        warm = np.bincount(X.indices, minlength=X.shape[1]) > 0
        device = training_device(self.device)
        network = CLCRecNetwork(
            torch.from_numpy(standardised(self.vectors, warm)).to(device),
            torch.from_numpy(warm).to(device),
            self.embedding_dim,
            self.hidden_dims,
            self.dropout,
            torch.Generator().manual_seed(self.seed),
        ).to(device)

        def loss(sample: Sample) -> Tensor:
            items = torch.from_numpy(sample.items).to(device)
            z, g = network.embeddings[items], network.encode(items)
            sums, lengths = network.sums(sample.histories)
            exchanged = chosen_rows(len(items), self.exchange, network.generator).to(device)
            held = sample.interactions.to(device)
            x = torch.where(exchanged, g, z)
            return self.content_weight * item_contrast(z, g, self.temperature) + (
                1 - self.content_weight
            ) * user_contrast(sums, lengths, z, x, held, self.temperature)

        descend(
            "CLCRec",
            loss,
            Samples(X, self.users_per_step, self.items_per_step, np.random.default_rng(self.seed)),
            network.parameters(),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )
        self.user_side, self.item_vectors = network.learnt()
        self.warm, self.encoder_weights = warm, weights_of(network.encoder)
        return self

    def add_items(self, vectors: np.ndarray) -> Self:
        """Append cold items by their content (new items, content dims).

        Nothing is trained and the others stay as they are. The new ones get x = g(c), and add
        nothing to users who have them.

        Raises:
            ConfigError: if the model is not fitted, or if the vectors are too large to be ranked
                by.
            DataError: if the vectors are not finite, or if they have another number of dimensions
                than the model was fitted with.
        """
        inputs, dims = self.vectors.shape[1], fitted(self, self.item_vectors).shape[1]
        encoder = Perceptron(inputs, self.hidden_dims, dims, 0.0, torch.Generator())
        append_items(self, encoder, vectors)
        return self

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items by the sum of z over the history · x."""
        vectors = fitted(self, self.item_vectors, X)
        index = ItemIndex(vectors, user_side=self.user_side)
        return index.recommend(ones(X), k, candidates, exclude_seen)

    def save(self, folder: str | Path) -> None:
        """Write settings, content and what was learnt."""
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder."""
        return load_fields(cls, folder)


class CLCRecNetwork(nn.Module):
    """Embeddings z, and g over fixed content c (items, content dims).

    Args:
        content: c, with values of size 1.
        warm: (items,) bool, items with interactions; others have no embedding, z = 0.
        embedding_dim, hidden_dims, dropout: as in `CLCRec`.
        generator: of first weights, dropout and exchange.
    """

    def __init__(
        self,
        content: Tensor,
        warm: Tensor,
        embedding_dim: int,
        hidden_dims: tuple[int, ...],
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.content, self.warm, self.generator = content, warm, generator
        # Small, so that what is left of the start soon says little beside what was learnt.
        start = normal_vectors(len(content), embedding_dim, 0.01, generator, content.device)
        self.embeddings = nn.Parameter(start * warm[:, None])
        self.encoder = Perceptron(content.shape[1], hidden_dims, embedding_dim, dropout, generator)

    def encode(self, items: Tensor) -> Tensor:
        """g(c) (items, dims) of items (items,)."""
        encoded: Tensor = self.encoder(self.content[items])
        return encoded

    def sums(self, histories: sp.csr_array) -> tuple[Tensor, Tensor]:
        """Sums of z over histories (users, dims), and their lengths (users, 1)."""
        items, lengths = batch_histories(histories, self.content.device)
        starts = lengths.cumsum(0) - lengths
        sums = functional.embedding_bag(items, self.embeddings, starts, mode="sum")
        return sums, lengths[:, None].to(sums.dtype)

    @torch.no_grad()
    def learnt(self) -> tuple[np.ndarray, np.ndarray]:
        """z and x (items, dims) once trained."""
        self.eval()
        x = torch.where(self.warm[:, None], self.embeddings, self.encoder(self.content))
        return self.embeddings.cpu().numpy(), x.cpu().numpy()


def item_contrast(embeddings: Tensor, encoded: Tensor, temperature: float) -> Tensor:
    """L_RE: mean over items of −ln softmax over j of cos(z_i, g_j) / τ at j = i.

    Args:
        embeddings, encoded: z and g (items, dims).
        temperature: τ.
    """
    cosines = functional.normalize(embeddings, dim=1) @ functional.normalize(encoded, dim=1).T
    own = torch.arange(len(cosines), device=cosines.device)
    return functional.cross_entropy(cosines / temperature, own)


def user_contrast(
    sums: Tensor,
    lengths: Tensor,
    own: Tensor,
    vectors: Tensor,
    interactions: Tensor,
    temperature: float,
) -> Tensor:
    """L_UI: mean over interactions (u, i) of −ln exp(s_ui) / (exp(s_ui) + Σ_j exp(s_uj)).

    j runs over items the user does not have; s_uj = x_j · mean of z over the history / τ, and in
    s_ui the history is without i.

    Args:
        sums, lengths: of z over histories (users, dims), and how many items they hold (users, 1).
        own: z (items, dims) of the step's items.
        vectors: x (items, dims) of the same.
        interactions: (users, items) ones where a history holds the item.
        temperature: τ.
    """
    held = interactions > 0
    raw = sums @ vectors.T
    others = raw / (lengths * temperature)
    # Not −∞: a user may have all items of the step, and the gradient of ln 0 is no number.
    nothing = torch.finfo(raw.dtype).min
    against = others.masked_fill(held, nothing).logsumexp(dim=1, keepdim=True)
    left = (raw - (own * vectors).sum(dim=1)) / ((lengths - 1).clamp(min=1) * temperature)
    losses = functional.softplus(against - left)
    return torch.where(held, losses, 0.0).sum() / interactions.sum().clamp(min=1)
