"""Mult-VAE: a variational autoencoder with the multinomial likelihood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.models.autoencoders.autoencoder import Autoencoder, users_with_items
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
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        encoder = self._encoder(X.shape[1], generator).to(device)
        output = linear(self.hidden_dim, X.shape[1], generator).to(device)
        users = users_with_items(X)
        batches = Shuffled(len(users), self.users_per_step, generator)
        rising = self.anneal_epochs * len(batches)

        def loss(batch: Tensor) -> Tensor:
            histories = Histories.of(X[users[batch.numpy()]], device)
            mean, log_variance = encoder.posterior(histories.dropped(self.dropout, generator))
            code = drawn(mean, log_variance, generator)
            beta = self.beta * min(1.0, steps.count.taken / rising) if rising else self.beta
            self.reached_beta = beta
            likely = negative_log_likelihood(output(encoder.decode(code)), histories)
            return (likely + beta * divergence(mean, log_variance)).mean()

        optimizer = torch.optim.Adam(
            [*encoder.parameters(), *output.parameters()], lr=self.learning_rate
        )
        steps = GradientSteps(optimizer, loss)

        def said() -> str:
            return f"β reached {self.reached_beta:.3g} of {self.beta:.3g}"

        drawing = {"steps": steps, "generator": generator}
        return self._training(encoder, output, batches, steps, drawing, said)


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
