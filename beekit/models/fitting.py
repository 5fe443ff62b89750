"""The one loop that learns by steps, and what it starts from."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import TypeVar

import torch

from beekit.errors import ConfigError
from beekit.progress import progress_bar

logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")

# Steps between looks at the loss: to look is to wait for a GPU.
_LOOK_EVERY = 50
# The losses of batches scatter; an end so many times above the start is more than that.
_WORSE = 1.5
# And so many times above it the model is of no use.
_DIVERGED = 100


def train(
    name: str,
    epochs: int,
    steps: int,
    batches: Callable[[], Iterable[Batch]],
    step: Callable[[Batch], torch.Tensor],
) -> None:
    """Take a step on each batch of each epoch; a bar on stderr shows the loss.

    A warning says when the mean loss of the last epoch is well above that of the very first step:
    training has then made the model worse than its start, although all numbers are finite. Another
    one says when there is no batch at all.

    Args:
        name: what is trained.
        epochs: passes over the data.
        steps: batches of a pass, for the bar.
        batches: makes the batches of one pass.
        step: updates parameters in place and returns the loss before that, a scalar.

    Raises:
        ConfigError: if the loss is no longer finite, or ends 100 times above its start.
    """
    if steps == 0:
        logger.warning(
            "%s has nothing to learn from, such as users with two interactions: it stays as it was "
            "drawn, and knows nothing of any item",
            name,
        )
        return
    losses: list[float] = []
    first = math.inf
    with progress_bar(total=epochs * steps, desc=name, unit="step") as bar:
        for epoch in range(1, epochs + 1):
            losses = []
            for group in _groups(batches(), _LOOK_EVERY):
                pending = []
                for batch in group:
                    pending.append(step(batch).detach())
                    bar.update()
                values = torch.stack(pending).tolist()
                losses += values
                wrong = [loss for loss in values if not math.isfinite(loss)]
                if wrong:
                    raise ConfigError(
                        f"{name} diverged in epoch {epoch}: loss {wrong[0]}",
                        expected="a finite loss",
                        remedy="Choose a smaller learning_rate.",
                    )
                bar.set_postfix(epoch=epoch, loss=f"{losses[-1]:.4f}", refresh=False)
            if epoch == 1 and losses:
                first = losses[0]
    last = math.fsum(losses) / max(1, len(losses))
    if last > _DIVERGED * abs(first):
        raise ConfigError(
            f"{name} diverged: its loss was {first:.4g} at the start and {last:.4g} at the end",
            expected="a loss that falls",
            remedy="Choose a smaller learning_rate.",
        )
    if last > _WORSE * abs(first):
        logger.warning(
            "%s began with a loss of %.4g and ended with %.4g: it made things worse; try a "
            "smaller learning_rate",
            name,
            first,
            last,
        )


def _groups(batches: Iterable[Batch], size: int) -> Iterator[Iterator[Batch]]:
    """Groups of `size` batches; use one up before asking for the next."""
    every = iter(batches)
    for batch in every:
        yield chain([batch], islice(every, size - 1))


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
