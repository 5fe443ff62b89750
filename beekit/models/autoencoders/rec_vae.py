"""RecVAE: a variational autoencoder with a composite prior, trained by turns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from beekit.matrices import rows_with_entries
from beekit.models.autoencoders.autoencoder import Autoencoder
from beekit.models.autoencoders.histories import (
    FirstLayer,
    Histories,
    linear,
    negative_log_likelihood,
)
from beekit.models.autoencoders.mult_vae import drawn
from beekit.models.settings import Count, NotNegative, Positive, ShareBelowOne
from beekit.models.training_loop import GradientSteps, Shuffled, Training, training_device

# Of the standard normal, of the posterior of the encoder before, and of a wide normal.
WEIGHTS = (3 / 20, 15 / 20, 2 / 20)
_WIDE_LOG_VARIANCE = 10.0
_LAYERS = 5
# As in the authors' code after the paper; it keeps layers with little to say from being blown up.
_NORM_EPS = 0.1


@dataclass(eq=False)
class RecVAE(Autoencoder):
    """RecVAE (Shenbin et al., WSDM 2020).

    A history x gives the posterior q(z|x) = N(μ, diag σ²) by five layers, each of which also gets
    what all before it gave; z, drawn in training and μ when recommending, gives the logits V z + b.
    Minimises the mean over users of

        −Σ_{i in x} ln softmax(V z + b)_i + γ |x| (ln q(z|x) − ln p(z|x))

    with p in each dimension a mixture of N(0, 1), of the posterior of the encoder before, and of
    N(0, e^10), weighted 3/20, 15/20 and 2/20. An epoch is `encoder_passes` over the users for the
    encoder, whose input has dropout; then that encoder becomes the one before, and the decoder
    learns for a pass on inputs without dropout, where the prior has no part.

    Follows the authors' code where it departs from the paper: layer normalisation with ε = 0.1, and
    a frozen encoder instead of a table of posteriors.

    Args (those of `Autoencoder`, where `epochs` are those above, and):
        embedding_dim: length of z.
        hidden_dim: width of the encoder's layers.
        dropout: chance of each interaction to be left out of the encoder's input.
        gamma: γ.
        encoder_passes: passes of an epoch for the encoder.
    """

    embedding_dim: Count = 200
    hidden_dim: Count = 600
    dropout: ShareBelowOne = 0.5
    gamma: NotNegative = 0.005
    encoder_passes: Count = 3
    learning_rate: Positive = field(default=0.0005, kw_only=True)
    epochs: Count = field(default=100, kw_only=True)

    def _encoder(self, items: int, generator: torch.Generator) -> DenseEncoder:
        return DenseEncoder(items, self.hidden_dim, self.embedding_dim, generator)

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        encoder = self._encoder(X.shape[1], generator).to(device)
        output = linear(self.embedding_dim, X.shape[1], generator).to(device)
        users = rows_with_entries(X)
        before = deepcopy(encoder).requires_grad_(False)

        def encoder_loss(histories: Histories) -> Tensor:
            mean, log_variance = encoder.posterior(histories.dropped(self.dropout, generator))
            code = drawn(mean, log_variance, generator)
            likely = negative_log_likelihood(output(code), histories)
            weight = self.gamma * histories.lengths
            prior = log_prior(code, *before.posterior(histories))
            return (likely + weight * (log_normal(code, mean, log_variance).sum(1) - prior)).mean()

        def decoder_loss(histories: Histories) -> Tensor:
            with torch.no_grad():
                code = drawn(*encoder.posterior(histories), generator)
            return negative_log_likelihood(output(code), histories).mean()

        steps = [
            GradientSteps(
                torch.optim.Adam(part.parameters(), lr=self.learning_rate, fused=True), loss
            )
            for part, loss in ((encoder, encoder_loss), (output, decoder_loss))
        ]

        def step(batch: Turn) -> Tensor:
            if batch.first_of_decoder:
                before.load_state_dict(encoder.state_dict())
            histories = Histories.of(X[users[batch.users.numpy()]], device)
            return steps[batch.of_decoder](histories)

        shuffled = Shuffled(len(users), self.users_per_step, generator)
        turns = Turns(shuffled, self.encoder_passes)
        by_part = {"encoder_steps": steps[0], "output_steps": steps[1]}
        state = {"before": before, "generator": generator, **by_part}
        return self._training(encoder, output, turns, step, state)


class Turn(NamedTuple):
    """A mini-batch of users, and which half of the network learns from it."""

    users: Tensor
    of_decoder: bool
    first_of_decoder: bool = False


@dataclass(frozen=True)
class Turns:
    """Passes over shuffled users for the encoder, then one for the decoder."""

    users: Shuffled
    encoder_passes: int

    def __len__(self) -> int:
        return (self.encoder_passes + 1) * len(self.users)

    def __iter__(self) -> Iterator[Turn]:
        for batch in chain.from_iterable(self.users for _ in range(self.encoder_passes)):
            yield Turn(batch, of_decoder=False)
        for place, batch in enumerate(self.users):
            yield Turn(batch, of_decoder=True, first_of_decoder=not place)


class DenseEncoder(nn.Module):
    """Five layers of swish and layer normalisation, h_k = LN(swish(W_k h_{k−1} + Σ_{j<k} h_j))."""

    def __init__(self, items: int, hidden: int, dims: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = FirstLayer(items, hidden, generator)
        self.layers = nn.ModuleList(linear(hidden, hidden, generator) for _ in range(_LAYERS - 1))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, eps=_NORM_EPS) for _ in range(_LAYERS))
        self.last = linear(hidden, 2 * dims, generator)

    def posterior(self, histories: Histories) -> tuple[Tensor, Tensor]:
        """μ and ln σ² (users, dims)."""
        values = self.norms[0](functional.silu(self.first(histories)))
        total = values
        for layer, norm in zip(self.layers, self.norms[1:], strict=True):
            values = norm(functional.silu(layer(values) + total))
            total = total + values
        mean, log_variance = self.last(values).chunk(2, dim=1)
        return mean, log_variance

    def forward(self, histories: Histories) -> Tensor:
        """Without noise: μ."""
        return self.posterior(histories)[0]


def log_normal(value: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """ln N(value; μ, σ²), one for each dimension."""
    squares = (value - mean).square() / log_variance.exp()
    return -(math.log(2 * math.pi) + log_variance + squares) / 2


def log_prior(
    code: Tensor,
    old_mean: Tensor,
    old_log_variance: Tensor,
    weights: tuple[float, float, float] = WEIGHTS,
) -> Tensor:
    """(users,) ln p(z|x), the sum over dimensions of the logarithm of each one's mixture.

    All are (users, dims); a part with weight 0 is left out.
    """
    zero = torch.zeros_like(code)
    parts = [
        log_normal(code, zero, zero),
        log_normal(code, old_mean, old_log_variance),
        log_normal(code, zero, torch.full_like(code, _WIDE_LOG_VARIANCE)),
    ]
    weighted = [part + math.log(w) for part, w in zip(parts, weights, strict=True) if w]
    return torch.stack(weighted).logsumexp(dim=0).sum(dim=1)
