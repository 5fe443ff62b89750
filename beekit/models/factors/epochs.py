"""Passes over training data, with their loss on a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from tqdm.auto import tqdm

from beekit.errors import ConfigError

Batch = TypeVar("Batch")


def train(
    name: str,
    epochs: int,
    batches: Callable[[], Iterable[Batch]],
    step: Callable[[Batch], torch.Tensor],
) -> None:
    """Take a step on each batch of each epoch; a bar on stderr shows the mean loss of the last.

    Args:
        name: what is trained, for the bar.
        epochs: passes over the data.
        batches: makes the batches of one pass.
        step: updates parameters in place and returns the loss before that, a scalar.

    Raises:
        ConfigError: the loss is no longer finite.
    """
    with tqdm(range(epochs), desc=name, unit="epoch", disable=None) as bar:
        for epoch in bar:
            losses = [step(batch).detach() for batch in batches()]
            if not losses:
                return
            loss = float(torch.stack(losses).mean())
            if not loss < float("inf"):
                raise ConfigError(
                    f"{name} diverged in epoch {epoch + 1}: loss {loss}",
                    expected="a finite loss",
                    remedy="Choose a smaller learning_rate.",
                )
            bar.set_postfix(loss=f"{loss:.4f}")


def shuffled(count: int, batch_size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """0 to count − 1 in random order, in batches (batch,) int64."""
    yield from torch.randperm(count, generator=generator).split(batch_size) if count else ()


def normal_vectors(
    rows: int, dims: int, scale: float, generator: torch.Generator, device: torch.device
) -> torch.Tensor:
    """(rows, dims) float32 to start from, normal with standard deviation `scale`.

    Drawn on the CPU, so that every device starts alike.
    """
    return (scale * torch.randn((rows, dims), generator=generator)).to(device)


def training_device(device: str | None) -> torch.device:
    """The device asked for; without one, the GPU where there is one."""
    if device is not None:
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
