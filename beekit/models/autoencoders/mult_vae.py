"""Mult-VAE: a variational autoencoder with the multinomial likelihood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.matrices import rows_with_entries
from beekit.models.autoencoders.autoencoder import Autoencoder
from beekit.models.autoencoders.histories import (
    FirstLayer,
    Histories,
    linear,
    negative_log_likelihood,
)
from beekit.models.settings import Count, NotNegative, ShareBelowOne
from beekit.models.training_loop import (
    GradientSteps,
    Shuffled,
    Training,
    training_device,
)


@dataclass(eq=False)
class MultVAE(Autoencoder):
    """Multinomial variational autoencoder (Liang et al., WWW 2018).

    A history x gives the posterior q(z|x) = N(μ, diag σ²) of a code z by a layer of tanh; z, drawn
    from it in training and μ when recommending, gives the logits π by another such layer.
    Minimises the mean over users of

        −Σ_{i in x} ln softmax(π(z))_i + β KL(q(z|x) ‖ N(0, I))

    β rises linearly from 0 to `beta` over `anneal_epochs` and stays. The paper counts updates,
    which mean something else for each number of users and batch size. The log says the β reached.

    Args (those of `Autoencoder`, and):
        embedding_dim: length of z.
        hidden_dim: width of both layers of tanh.
        dropout: chance of each interaction to be left out of the input in training.
        beta: largest β.
        anneal_epochs: epochs in which β reaches it; with 0 it is there from the start.

    Attributes:
        reached_beta: β at the last step of the epoch that the model is of.
    """

    embedding_dim: Count = 200
    hidden_dim: Count = 600
    dropout: ShareBelowOne = 0.5
    beta: NotNegative = 0.2
    anneal_epochs: NotNegative = 170.0
    reached_beta: float = field(default=0.0, init=False, repr=False)

    def _encoder(self, items: int, generator: torch.Generator) -> VariationalEncoder:
        return VariationalEncoder(items, self.hidden_dim, self.embedding_dim, generator)

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        network = self._network(X)
        steps = self._likelihood_steps(network)
        state = {"steps": steps, "generator": network.generator}
        return self._training(*network[:2], network.batches, steps, state, self._said)

    def _network(self, X: sp.csr_array) -> Network:
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        encoder = self._encoder(X.shape[1], generator).to(device)
        output = linear(self.hidden_dim, X.shape[1], generator).to(device)
        X = sp.csr_array(X[rows_with_entries(X)])
        batches = Shuffled(X.shape[0], self.users_per_step, generator)
        return Network(encoder, output, X, batches, self.dropout, generator, device)

    def _likelihood_steps(self, network: Network) -> GradientSteps[Tensor]:
        rising = self.anneal_epochs * len(network.batches)

        def loss(batch: Tensor) -> Tensor:
            found = network.reconstructed(batch)
            beta = self.beta * min(1.0, steps.count.taken / rising) if rising else self.beta
            self.reached_beta = beta
            return (found.lost + beta * divergence(*found.posterior)).mean()

        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate, fused=True)
        steps = GradientSteps(optimizer, loss)
        return steps

    def _said(self) -> str:
        return f"β reached {self.reached_beta:.3g} of {self.beta:.3g}"


class Reconstruction(NamedTuple):
    """What a network makes of the histories of some users in training."""

    histories: Histories  # as they are
    given: Histories  # as they were given to the network, some interactions left out
    posterior: tuple[Tensor, Tensor]  # μ and ln σ² (users, dims)
    logits: Tensor  # (users, items)
    lost: Tensor  # (users,) −Σ_{i in x} ln softmax(logits)_i


class Network(NamedTuple):
    """Both parts of a network in training, with what it learns from: X, users with items alone."""

    encoder: VariationalEncoder
    output: nn.Linear
    X: sp.csr_array
    batches: Shuffled
    dropout: float
    generator: torch.Generator
    device: torch.device

    def parameters(self) -> list[nn.Parameter]:
        return [*self.encoder.parameters(), *self.output.parameters()]

    def reconstructed(self, users: Tensor) -> Reconstruction:
        """With dropout, and codes drawn from the posterior."""
        histories = Histories.of(self.X[users.numpy()], self.device)
        given = histories.dropped(self.dropout, self.generator)
        posterior = self.encoder.posterior(given)
        logits = self.output(self.encoder.decode(drawn(*posterior, self.generator)))
        lost = negative_log_likelihood(logits, histories)
        return Reconstruction(histories, given, posterior, logits, lost)


class VariationalEncoder(nn.Module):
    """From histories to the posterior of a code, and from a code to the last hidden layer."""

    def __init__(self, items: int, hidden: int, dims: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = FirstLayer(items, hidden, generator)
        self.second = linear(hidden, 2 * dims, generator)
        self.third = linear(dims, hidden, generator)

    def posterior(self, histories: Histories) -> tuple[Tensor, Tensor]:
        """μ and ln σ² (users, dims)."""
        mean, log_variance = self.second(torch.tanh(self.first(histories))).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, code: Tensor) -> Tensor:
        """(users, dims) to (users, hidden)."""
        return torch.tanh(self.third(code))

    def forward(self, histories: Histories) -> Tensor:
        """Without noise: what z = μ gives."""
        return self.decode(self.posterior(histories)[0])


def drawn(mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
    """A draw from N(μ, diag σ²) that gradients pass through (Kingma & Welling, ICLR 2014)."""
    noise = torch.randn(mean.shape, generator=generator).to(mean)
    return mean + (log_variance / 2).exp() * noise


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """(users,) KL(N(μ, diag σ²) ‖ N(0, I)) = ½ Σ (σ² + μ² − 1 − ln σ²)."""
    return (log_variance.exp() + mean.square() - 1 - log_variance).sum(dim=1) / 2
