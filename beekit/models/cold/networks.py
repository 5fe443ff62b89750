"""The networks of the models in this folder; their random numbers come from a given generator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

from beekit.models.cold.samples import dropped


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer with initial weights of variance 1/inputs (LeCun et al. 1998) and bias 0."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(outputs, inputs, generator=generator) / inputs**0.5)
        layer.bias.zero_()
    return layer


def identity(dims: int) -> nn.Linear:
    """A square linear layer without bias, initially the identity."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, dims, dims, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(dims))
    return layer


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Within it a network runs without dropout and without gradients."""
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(was_training)


class Perceptron(nn.Module):
    """Linear layers with tanh between them; a linear map if there are no hidden layers.

    In training, dropout sets a share of input and hidden values to zero, except the first `spared`
    inputs. `generator` draws the initial weights and the dropout.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        dropout: float,
        generator: torch.Generator,
        spared: int = 0,
    ) -> None:
        super().__init__()
        widths = [inputs, *hidden, outputs]
        self.layers = nn.ModuleList(
            linear(width, following, generator) for width, following in pairwise(widths)
        )
        self.dropout, self.generator, self.spared = dropout, generator, spared

    def forward(self, values: Tensor) -> Tensor:
        """(rows, inputs) to (rows, outputs)."""
        dropout = self.dropout if self.training else 0.0
        noisy = dropped(values[:, self.spared :], dropout, self.generator)
        values = torch.cat([values[:, : self.spared], noisy], dim=1)
        for place, layer in enumerate(self.layers):
            if place:
                values = dropped(torch.tanh(values), dropout, self.generator)
            values = layer(values)
        return values


class MixtureOfExperts(nn.Module):
    """A sum of experts, weighted by a gate: Σ_e softmax(gate(c))_e expert_e(c).

    `hidden` is the width of each expert's hidden tanh layer; 0 for linear experts. `dropout` and
    `generator` are as in `Perceptron`.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        experts: int,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.experts = experts
        self.first = linear(inputs, experts * (hidden or outputs), generator)
        # Small weights make the gate nearly uniform, so that every expert learns from the start.
        self.gate = linear(inputs, experts, generator)
        with torch.no_grad():
            self.gate.weight.mul_(0.1)
        self.second = None
        if hidden:
            start = torch.randn(experts, hidden, outputs, generator=generator) / hidden**0.5
            self.second = nn.Parameter(start)
        self.dropout, self.generator = dropout, generator

    def forward(self, content: Tensor) -> Tensor:
        """(rows, inputs) to (rows, outputs)."""
        dropout = self.dropout if self.training else 0.0
        content = dropped(content, dropout, self.generator)
        weights = torch.softmax(self.gate(content), dim=1)[:, :, None]  # (rows, experts, 1)
        each: Tensor = self.first(content).view(len(content), self.experts, -1)
        if self.second is None:
            return (weights * each).sum(dim=1)
        hidden = dropped(torch.tanh(each), dropout, self.generator)
        return torch.einsum("reh,eho->ro", weights * hidden, self.second)
