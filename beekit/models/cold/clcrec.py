"""CLCRec: content and collaborative embeddings of items drawn together by contrast."""

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

    Args (those of `ContentNetwork`, and):
        embedding_dim: dimensions of z and g(c).
        hidden_dims: widths of g's hidden layers of tanh; none for a linear map.
        content_weight: share of L_RE in the loss, 0 to 1.
        exchange: probability in [0, 1] to enter an item of L_UI by its content.
        temperature: τ > 0 of both terms.

    Attributes (those of `ContentNetwork`): `user_side` is z, zeros for items without interactions,
        `item_vectors` are x, `encoder_weights` are those of g.
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
    """Embeddings z, zero unless `warm` (items,), and g over fixed content c (items, dims)."""

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

    def learnt(self) -> tuple[np.ndarray, np.ndarray]:
        """z and x (items, dims) once trained."""
        with evaluating(self):
            x = torch.where(self.warm[:, None], self.embeddings, self.encoder(self.content))
        return learnt_array(self.embeddings), x.cpu().numpy()


def item_contrast(embeddings: Tensor, encoded: Tensor, temperature: float) -> Tensor:
    """L_RE: mean over items of −ln softmax over j of cos(z_i, g_j) / τ at j = i."""
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
    s_ui the history is without i. `sums` and `lengths` are of z over histories, `own` and `vectors`
    are z and x (items, dims) of the step's items.
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
