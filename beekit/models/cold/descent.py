"""Gradient descent over samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from beekit.models.cold.samples import Sample, Samples
from beekit.models.fitting import train


def descend(
    name: str,
    loss: Callable[[Sample], Tensor],
    samples: Samples,
    parameters: Iterable[nn.Parameter],
    *,
    epochs: int,
    learning_rate: float,
    weight_decay: float = 0.0,
) -> None:
    """Minimise a loss by AdamW (Loshchilov & Hutter 2019), its rate falling linearly to zero.

    Args:
        name: what is trained, for the bar.
        loss: of one sample.
        samples: the steps of an epoch.
        parameters: what to move.
        epochs: passes over the samples.
        learning_rate, weight_decay: of AdamW.

    Raises:
        ConfigError: if training diverges, so that the loss is no longer finite.
    """
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)
    total = epochs * len(samples)
    taken = 0

    def step(sample: Sample) -> Tensor:
        nonlocal taken
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * (1 - taken / total)
        optimizer.zero_grad()
        value = loss(sample)
        value.backward()
        optimizer.step()
        taken += 1
        return value

    train(name, epochs, len(samples), lambda: samples, step)
