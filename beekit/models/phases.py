"""Training in phases: each begins from the best epoch of those before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Phase(NamedTuple):
    """A part of training.

    Attributes:
        name: of the phase, for messages.
        epochs: its epochs, at most.
        stops_early: whether patience may end it. It counts from the phase's start.
    """

    name: str
    epochs: int
    stops_early: bool = True


@dataclass
class Phases:
    """Where training is in its phases.

    Early stopping ends a phase, not the training, and the best epoch of all phases is kept.

    Args:
        phases: in their order.
        begin: called with the number of a phase before its first epoch, but for the first phase.
            The model's fields then hold what the best epoch so far has learnt (the last one, if
            there is no validation).

    Attributes:
        now: number of the current phase, from 0.
        began: epochs trained before it.
    """

    phases: tuple[Phase, ...]
    begin: Callable[[int], None]
    now: int = 0
    began: int = 0

    @property
    def name(self) -> str:
        """Of the current phase."""
        return self.phases[self.now].name

    @property
    def epochs(self) -> int:
        """Of all phases together, at most."""
        return sum(phase.epochs for phase in self.phases)

    def is_over(self, epoch: int, best_epoch: int, patience: int) -> bool:
        """Whether the current phase ends with an epoch."""
        phase = self.phases[self.now]
        waited = epoch - max(best_epoch, self.began)
        impatient = phase.stops_early and 0 < patience <= waited
        return impatient or epoch - self.began >= phase.epochs

    def go_on(self, epoch: int) -> bool:
        """Begin the next phase after an epoch; False if there is none."""
        if self.now + 1 == len(self.phases):
            return False
        self.now, self.began = self.now + 1, epoch
        self.begin(self.now)
        return True

    def state_dict(self) -> dict[str, int]:
        return {"now": self.now, "began": self.began}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        self.now, self.began = state["now"], state["began"]
