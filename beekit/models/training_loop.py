"""The one loop that learns by steps, what it needs, and what it starts from."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch

from beekit.errors import ConfigError
from beekit.progress import progress_bar

logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")
Each = TypeVar("Each", covariant=True)

# Steps between looks at the loss: to look is to wait for a GPU.
_LOOK_EVERY = 50
# The losses of batches scatter; an end so many times above the start is more than that.
_WORSE = 1.5
# And so many times above it the model is of no use.
_DIVERGED = 100


class Batches(Protocol[Each]):
    """The batches of a pass, drawn anew whenever they are iterated."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Each]: ...


AfterEpoch = Callable[[Any, int, float], bool | None]
"""Gets a model after a pass, fitted so far, the number of the pass, from 1, and its mean loss; ends
the training by returning True."""


@dataclass(frozen=True)
class Training(Generic[Batch]):
    """What a model that learns by steps gives the loop.

    A step updates parameters in place and returns the loss before that, a scalar. `keep` puts what
    has been learnt so far into the model, and leaves training as it is: more passes may follow.
    """

    epochs: int  # passes over the data
    batches: Batches[Batch]  # of one pass; iterated once for each
    step: Callable[[Batch], torch.Tensor]
    keep: Callable[[], None]


def learn(model: Any, training: Training[Any], after_epoch: AfterEpoch | None = None) -> None:
    """Take a step on each batch of each pass; a bar on stderr shows the loss.

    A warning says when the mean loss of the last pass is well above that of the very first step:
    training has then made the model worse than its start, although all numbers are finite. Another
    one says when there is no batch at all. A loss that is no longer finite, or ends 100 times above
    its start, ends in a `ConfigError`.
    """
    name = getattr(model, "progress_name", type(model).__name__)
    if not len(training.batches):
        logger.warning(
            "%s has nothing to learn from, such as users with two interactions: it stays as it was "
            "drawn, and knows nothing of any item",
            name,
        )
        training.keep()
        return
    first = last = math.inf
    total = training.epochs * len(training.batches)
    with progress_bar(total=total, desc=name, unit="step") as bar:
        for epoch in range(1, training.epochs + 1):
            losses = _pass(name, epoch, training, bar)
            if epoch == 1 and losses:
                first = losses[0]
            last = math.fsum(losses) / max(1, len(losses))
            if after_epoch is not None:
                training.keep()
                if after_epoch(model, epoch, last):
                    break
    # A start at zero, such as of one item alone, says nothing of what is far above it.
    if first and last > _DIVERGED * abs(first):
        raise ConfigError(
            f"{name} diverged: its loss was {first:.4g} at the start and {last:.4g} at the end",
            expected="a loss that falls",
            remedy="Choose a smaller learning_rate.",
        )
    if first and last > _WORSE * abs(first):
        logger.warning(
            "%s began with a loss of %.4g and ended with %.4g: it made things worse; try a "
            "smaller learning_rate",
            *(name, first, last),
        )
    if after_epoch is None:
        training.keep()


def _pass(name: str, epoch: int, training: Training[Any], bar: Any) -> list[float]:
    """The losses of one pass."""
    losses: list[float] = []
    every = iter(training.batches)
    for first in every:
        pending = []
        for batch in chain([first], islice(every, _LOOK_EVERY - 1)):
            pending.append(training.step(batch).detach())
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
    return losses


def by_gradient(
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Batch], torch.Tensor],
    falls_to_zero_in: int | None = None,
) -> Callable[[Batch], torch.Tensor]:
    """Steps of an optimizer down the gradient of the loss of a batch.

    The learning rate falls linearly to zero in so many steps; without, it stays.
    """
    start = optimizer.param_groups[0]["lr"]
    numbers = count()

    def step(batch: Batch) -> torch.Tensor:
        if falls_to_zero_in is not None:
            for group in optimizer.param_groups:
                group["lr"] = start * (1 - next(numbers) / falls_to_zero_in)
        optimizer.zero_grad()
        value = loss(batch)
        value.backward()
        optimizer.step()
        return value

    return step


@dataclass(frozen=True)
class Shuffled:
    """0 to count − 1 in random order, in batches (batch,) int64."""

    count: int
    batch_size: int
    generator: torch.Generator

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[torch.Tensor]:
        if self.count:
            order = torch.randperm(self.count, generator=self.generator)
            yield from order.split(self.batch_size)


def learnt_array(parameter: torch.Tensor) -> np.ndarray:
    """A parameter as it is now, as an array that further steps leave alone."""
    return parameter.detach().cpu().numpy().copy()


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
