"""The training loop of all models that learn by gradient steps, with its parts."""

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

# Steps between two readings of the loss: each reading waits for the GPU.
_LOOK_EVERY = 50
# A last loss more than this many times the first one is worse than the noise between batches.
_WORSE = 1.5
# A model whose last loss is more than this many times the first one is of no use.
_DIVERGED = 100


class Batches(Protocol[Each]):
    """The batches of an epoch; each iteration draws new ones."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Each]: ...


AfterEpoch = Callable[[Any, int, float], bool | None]
"""A function called after each epoch with the model as fitted so far, the number of the epoch (from
1) and its mean loss; training ends if it returns True."""


@dataclass(frozen=True)
class Training(Generic[Batch]):
    """What the training loop needs from a model.

    `step` updates the parameters in place and returns the loss before the update, a scalar. `keep`
    copies what has been learnt so far into the model; training can go on afterwards.
    """

    epochs: int  # passes over the data
    batches: Batches[Batch]  # the batches of one epoch; iterated once in each
    step: Callable[[Batch], torch.Tensor]
    keep: Callable[[], None]


def learn(model: Any, training: Training[Any], after_epoch: AfterEpoch | None = None) -> None:
    """Take a step on each batch of each epoch; a progress bar on stderr shows the loss.

    A warning is logged if the mean loss of the last epoch is more than 1.5 times the loss of the
    first step, because training has then made the model worse; another one if there are no batches.

    Raises:
        ConfigError: if the loss is not finite, or if the mean loss of the last epoch is more than
            100 times the loss of the first step.
    """
    name = getattr(model, "progress_name", type(model).__name__)
    if not len(training.batches):
        logger.warning(
            "%s has nothing to learn from (for example, no user with two interactions): it keeps "
            "its random start, and its recommendations mean nothing",
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
            expected="a falling loss",
            remedy="Choose a smaller learning_rate.",
        )
    if first and last > _WORSE * abs(first):
        logger.warning(
            "%s began with a loss of %.4g and ended with %.4g: training made the model worse; try "
            "a smaller learning_rate",
            *(name, first, last),
        )
    if after_epoch is None:
        training.keep()


def _pass(name: str, epoch: int, training: Training[Any], bar: Any) -> list[float]:
    """Train for one epoch, and return the losses of its steps."""
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
    """A step function: the optimizer follows the gradient of the loss of a batch.

    The learning rate falls linearly to zero in `falls_to_zero_in` steps, or is constant if that is
    None.
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
    """The numbers from 0 to count − 1 in random order, in batches (batch,) int64."""

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
    """A copy of a parameter as an array, which further steps do not change."""
    return parameter.detach().cpu().numpy().copy()


def normal_vectors(
    rows: int, dims: int, scale: float, generator: torch.Generator, device: torch.device
) -> torch.Tensor:
    """Initial vectors (rows, dims) float32, normally distributed with standard deviation `scale`.

    They are drawn on the CPU, so that every device starts from the same numbers.
    """
    return (scale * torch.randn((rows, dims), generator=generator)).to(device)


def training_device(device: str | None) -> torch.device:
    """The given device; if it is None, a GPU if there is one, else the CPU."""
    if device is not None:
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
