"""The training loop of all models that learn by gradient steps, with its parts."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch

from beekit.errors import ConfigError
from beekit.models.early_stopping import Watch
from beekit.models.fit_state import NOTHING_YET, FitState, Reached
from beekit.models.phases import Phases
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
    copies what has been learnt so far into the model; training can go on afterwards. `state` names
    all that steps and batches change (`beekit.models.fit_state` lists the types), so that an
    interrupted fit can go on; without it a fit starts anew. `said` gives a line for the log at the
    end of training. With `phases`, which belong to the state, training goes through them.
    """

    epochs: int  # passes over the data
    batches: Batches[Batch]  # the batches of one epoch; iterated once in each
    step: Callable[[Batch], torch.Tensor]
    keep: Callable[[], None]
    state: Mapping[str, Any] = field(default_factory=dict)
    said: Callable[[], str] | None = None
    phases: Phases | None = None


def learn(
    model: Any,
    training: Training[Any],
    after_epoch: AfterEpoch | None = None,
    watch: Watch | None = None,
    kept: FitState | None = None,
) -> None:
    """Take a step on each batch of each epoch; a progress bar on stderr shows the loss.

    With `watch`, the model is validated after each epoch, and ends as that of the best epoch. With
    `kept`, training goes on after the last epoch that is kept there, and keeps each further one.

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
    start = kept.restore(training.state, watch) if kept is not None else NOTHING_YET
    first, last, ended = start.first_loss, start.last_loss, start.ended
    trained = False
    total, done = training.epochs * len(training.batches), start.epoch * len(training.batches)
    with progress_bar(total=total, initial=done, desc=name, unit="step") as bar:
        for epoch in range(start.epoch + 1, training.epochs + 1):
            if ended:
                break
            losses, trained = _pass(name, epoch, training, bar, watch), True
            if epoch == 1 and losses:
                first = losses[0]
            last = math.fsum(losses) / max(1, len(losses))
            if after_epoch is not None or watch is not None:
                training.keep()
            if watch is not None:
                ended = watch.look(model, epoch)
            asked_to_end = after_epoch is not None and bool(after_epoch(model, epoch, last))
            if training.phases is not None:
                ended = _ends_all_phases(model, training, epoch, watch)
            ended = ended or asked_to_end
            if kept is not None:
                kept.save(Reached(epoch, first, last, ended), training.state, watch)
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
    if watch is not None:
        watch.finish(model, training.epochs)
    elif after_epoch is None or not trained:
        training.keep()
    if training.said is not None:
        logger.info("%s: %s", name, training.said())


def _ends_all_phases(model: Any, training: Training[Any], epoch: int, watch: Watch | None) -> bool:
    """Whether the last phase ends with an epoch; if another one ends, the next begins."""
    phases = training.phases
    best, patience = (watch.best_epoch, watch.patience) if watch is not None else (0, 0)
    if phases is None or not phases.is_over(epoch, best, patience):
        return False
    if watch is None:
        training.keep()
    else:
        watch.go_back(model)
    return not phases.go_on(epoch)


def _pass(
    name: str, epoch: int, training: Training[Any], bar: Any, watch: Watch | None
) -> list[float]:
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
        shown = {"epoch": epoch, "loss": f"{losses[-1]:.4f}", **(watch.shown if watch else {})}
        bar.set_postfix(shown, refresh=False)
    return losses


@dataclass
class StepCount:
    """How many steps were taken."""

    taken: int = 0

    def state_dict(self) -> dict[str, int]:
        return {"taken": self.taken}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        self.taken = state["taken"]


@dataclass
class GradientSteps(Generic[Batch]):
    """A step function: the optimizer follows the gradient of the loss of a batch.

    The learning rate falls linearly to zero in `falls_to_zero_in` steps, or is constant if that is
    None. `count` says how many steps were taken before.
    """

    optimizer: torch.optim.Optimizer
    loss: Callable[[Batch], torch.Tensor]
    falls_to_zero_in: int | None = None
    count: StepCount = field(default_factory=StepCount)

    def __post_init__(self) -> None:
        self._start = self.optimizer.param_groups[0]["lr"]

    def __call__(self, batch: Batch) -> torch.Tensor:
        if self.falls_to_zero_in is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = self._start * (1 - self.count.taken / self.falls_to_zero_in)
        self.optimizer.zero_grad()
        value = self.loss(batch)
        value.backward()
        self.optimizer.step()
        self.count.taken += 1
        return value

    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), "count": self.count.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.count.load_state_dict(state["count"])


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
