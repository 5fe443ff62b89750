"""CLCRec: contrastive learning brings content embeddings near collaborative embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from beekit.models.cold.content_network import ContentNetwork
from beekit.models.cold.networks import Perceptron, evaluating
from beekit.models.cold.samples import Sample, chosen_rows
from beekit.models.factors.towers import batch_histories
from beekit.models.settings import HiddenDims, Positive, Share
from beekit.models.training_loop import Training, learnt_array, normal_vectors


@dataclass(eq=False)
class CLCRec(ContentNetwork):
    """CLCRec (Wei, Wang, Li, Nie, Li, Li & Chua, ACM Multimedia 2021).

    Let z be the collaborative embedding of an item, g(c) its content encoded by a network, u a user
    vector and τ the temperature. The loss is

        content_weight · L_RE + (1 − content_weight) · L_UI

        L_RE = mean over items i of −ln( exp(cos(z_i, g(c_i)) / τ) / Σ_j exp(cos(z_i, g(c_j)) / τ) )
        L_UI = mean over interactions (u, i) of −ln( exp(s_ui) / (exp(s_ui) + Σ_j exp(s_uj)) )

    with s_ui = u · x_i / τ. In L_RE j runs over all items of the step, and in L_UI over those that
    the user does not have. In training, x is g(c) with probability `exchange` and z otherwise
    (hybrid contrastive training). After training, x = z for items with interactions and x = g(c)
    for all others.

    Departures from the paper: users are histories, not ids, so u is the mean of z over the history
    without item i, instead of an embedding of its own. All other items of a step are negatives, not
    k items drawn for each pair. Dropout of content, besides weight decay, prevents overfitting.

    Args (those of `ContentNetwork`, and):
        embedding_dim: dimensions of z and g(c).
        hidden_dims: widths of g's hidden tanh layers; empty for a linear map.
        content_weight: weight of L_RE in the loss, 0 to 1.
        exchange: probability, 0 to 1, that L_UI uses an item's content instead of its embedding.
        temperature: τ > 0 of both terms.

    Attributes (those of `ContentNetwork`): `user_side` is z, with zeros for items without
        interactions; `item_vectors` are x; `encoder_weights` are the weights of g.
    """

    hidden_dims: HiddenDims = ()
    content_weight: Share = 0.5
    exchange: Share = 0.5
    temperature: Positive = 0.2

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        content, warm, generator = self._start(X)
        shape = (self.embedding_dim, self.hidden_dims)
        network = CLCRecNetwork(content, warm, *shape, self.dropout, generator)

        def loss(sample: Sample) -> Tensor:
            items = torch.from_numpy(sample.items).to(content.device)
            z, g = network.embeddings[items], network.encode(items)
            sums, lengths = network.sums(sample.histories)
            exchanged = chosen_rows(len(items), self.exchange, generator).to(content.device)
            held = sample.interactions.to(content.device)
            x = torch.where(exchanged, g, z)
            return self.content_weight * item_contrast(z, g, self.temperature) + (
                1 - self.content_weight
            ) * user_contrast(sums, lengths, z, x, held, self.temperature)

        return self._training(X, network, network.encoder, loss, network.learnt)

    def _cold_network(self, inputs: int, dims: int) -> nn.Module:
        return Perceptron(inputs, self.hidden_dims, dims, 0.0, torch.Generator())


class CLCRecNetwork(nn.Module):
    """Embeddings z, zero for items that are not `warm` (items,), and g for content (items, any)."""

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
        # Small, so that the random start soon matters little beside what is learnt.
        start = normal_vectors(len(content), embedding_dim, 0.01, generator, content.device)
        self.embeddings = nn.Parameter(start * warm[:, None])
        self.encoder = Perceptron(content.shape[1], hidden_dims, embedding_dim, dropout, generator)

    def encode(self, items: Tensor) -> Tensor:
        """g(c) (items, dims) for item indices (items,)."""
        encoded: Tensor = self.encoder(self.content[items])
        return encoded

    def sums(self, histories: sp.csr_array) -> tuple[Tensor, Tensor]:
        """The sums of z over each history (users, dims), and the histories' lengths (users, 1)."""
        items, lengths = batch_histories(histories, self.content.device)
        starts = lengths.cumsum(0) - lengths
        sums = functional.embedding_bag(items, self.embeddings, starts, mode="sum")
        return sums, lengths[:, None].to(sums.dtype)

    def learnt(self) -> tuple[np.ndarray, np.ndarray]:
        """z and x (items, dims) of the trained network."""
        with evaluating(self):
            x = torch.where(self.warm[:, None], self.embeddings, self.encoder(self.content))
        return learnt_array(self.embeddings), x.cpu().numpy()


def item_contrast(embeddings: Tensor, encoded: Tensor, temperature: float) -> Tensor:
    """L_RE: the mean over items i of −ln softmax_j(cos(z_i, g_j) / τ) at j = i."""
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

    j runs over items that the user does not have; s_uj = (mean of z over the history) · x_j / τ,
    and for s_ui the history is taken without i.

    Args:
        sums, lengths: sums of z over histories (users, dims), and lengths of histories (users, 1).
        own, vectors: z and x (items, dims) of the step's items.
        interactions: (users, items) zeros and ones.
        temperature: τ.
    """
    held = interactions > 0
    raw = sums @ vectors.T
    others = raw / (lengths * temperature)
    # Not −∞: a user may have all items of the step, and the gradient of ln 0 would be NaN.
    nothing = torch.finfo(raw.dtype).min
    against = others.masked_fill(held, nothing).logsumexp(dim=1, keepdim=True)
    left = (raw - (own * vectors).sum(dim=1)) / ((lengths - 1).clamp(min=1) * temperature)
    losses = functional.softplus(against - left)
    return torch.where(held, losses, 0.0).sum() / interactions.sum().clamp(min=1)
