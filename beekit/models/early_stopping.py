"""Early stopping: a model is validated after each epoch, and ends as that of the best one."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from beekit.errors import ConfigError
from beekit.evaluation.named_metrics import named_metric
from beekit.evaluation.scoring import evaluate
from beekit.evaluation.telling_metric import telling_metric
from beekit.models.settings import CountOrNone, Metric, ShareBelowOne
from beekit.results import is_better
from beekit.split import HeldOut
from beekit.split.draw import shuffled
from beekit.split.entries import entries, source_entries, used_items

logger = logging.getLogger(__name__)

# The metric of a model that names none.
_METRIC = "ndcg@100"
# With fewer users, the best epoch is mostly luck.
_FEWEST_USERS = 20
# Share of a held-out user's interactions that is known.
_SOURCE = 0.8


@dataclass(frozen=True)
class Learning:
    """How a validated fit went.

    Attributes:
        best_epoch: the epoch that the model is of.
        epochs: epochs that were trained.
        of: epochs that there were to train.
        metric: what was validated.
        value: its value after the best epoch.
        validated_on: on whom, in words.
        seconds, seconds_to_best: time until the end and until the best epoch, since the start or,
            after an interruption, in all runs together.
        curve: the metric's value after each epoch.
    """

    best_epoch: int
    epochs: int
    of: int
    metric: str
    value: float
    validated_on: str
    seconds: float
    seconds_to_best: float
    curve: list[float]


@dataclass(eq=False)
class StopsEarly:
    """A mixin for models that learn in epochs: they may stop before the last one.

    With `patience`, the model is validated after each epoch: on the validation part given to `fit`
    or, if there is none, or if its items are cold and the model knows no cold items, on training
    users. These are drawn at random; a random 80% of their interactions, or the first 80% for a
    model that reads order, are known, the others are to be found. They are left out of training;
    in a model with a vector for each training user they stay there with what is known of them. With
    fewer than 20 of them there is no validation, and all epochs are trained.

    Args:
        patience: epochs without a better validation metric after which training stops; the model
            ends as that of the best epoch. With 0 it trains all epochs and is that of the last.
        validation_metric: a metric with a cut, such as `recall@20`.
        validation_share: share of the training users held out if there is no validation part.
    """

    holds_users: ClassVar[bool] = False
    """Whether the model has a vector for each training user."""

    learning: ClassVar[Learning | None] = None
    """How the last `fit` went, if it was validated; it is not saved."""

    patience: CountOrNone = field(default=0, kw_only=True)
    validation_metric: Metric = field(default=_METRIC, kw_only=True)
    validation_share: ShareBelowOne = field(default=0.05, kw_only=True)

    def _validated(self, held_out: HeldOut) -> float:
        """The value of the metric on a held-out part."""
        metric, this = self.validation_metric, self
        k = named_metric(metric).k
        found = evaluate(this, held_out, metrics=[metric], top_k=k, intervals=False)  # type: ignore[arg-type]
        return float(found.metrics[metric]["value"])

    def _can_be_judged_by(self, validation: HeldOut, X: sp.csr_array) -> bool:
        """Whether a validation part says which epoch is best."""
        this: Any = self
        return this.scores_cold_items or _mostly_warm(validation, X)

    def _held_out(self, X: sp.csr_array) -> tuple[sp.csr_array, HeldOut, str] | None:
        """X without what the model is validated on, and that, also in words; None if there is too
        little."""
        drawn = _held_out_users(self, X)
        return drawn and (*drawn, f"{len(drawn[1].users):,} training users held out")


class Watch:
    """Validates a model after each epoch, and remembers the best one.

    Args:
        model: the model, a `StopsEarly`.
        held_out: what it is validated on.
        validated_on: on whom, in words.
    """

    def __init__(self, model: Any, held_out: HeldOut, validated_on: str) -> None:
        self.held_out, self.validated_on = held_out, validated_on
        self.metric, self.patience = model.validation_metric, model.patience
        self.best: dict[str, Any] = {}
        self.best_epoch, self.curve = 0, list[float]()
        self.seconds_to_best = 0.0
        self._started = time.perf_counter()

    @property
    def seen(self) -> tuple[sp.csr_array, sp.csr_array, np.ndarray]:
        """All that decides which epoch is best."""
        return self.held_out.source, self.held_out.target, self.held_out.candidates

    @property
    def shown(self) -> dict[str, str]:
        """The last and the best value, for a progress bar."""
        if not self.curve:
            return {}
        best = self.curve[self.best_epoch - 1]
        return {self.metric: f"{self.curve[-1]:.4f}, best {best:.4f} in epoch {self.best_epoch}"}

    def look(self, model: Any, epoch: int) -> bool:
        """Validate the model as it is after an epoch; whether training ends."""
        value = model._validated(self.held_out)
        if not self.curve or is_better(self.metric, value, self.curve[self.best_epoch - 1]):
            self.best, self.best_epoch = learnt_of(model), epoch
            self.seconds_to_best = self._seconds()
        self.curve.append(value)
        ended: bool = epoch - self.best_epoch >= self.patience
        return ended

    def go_back(self, model: Any) -> None:
        """Make the model that of the best epoch."""
        for name, value in self.best.items():
            setattr(model, name, value)

    def finish(self, model: Any, of: int) -> None:
        """Make the model that of the best epoch, and write down how it went."""
        self.go_back(model)
        value, epochs = self.curve[self.best_epoch - 1], len(self.curve)
        model.learning = Learning(
            *(self.best_epoch, epochs, of, self.metric, value, self.validated_on),
            *(self._seconds(), self.seconds_to_best, self.curve),
        )
        logger.info(
            "%s is that of epoch %d of %d (%d at most): %s %.4f on %s",
            *(type(model).__name__, self.best_epoch, epochs, of, self.metric, value),
            self.validated_on,
        )
        if self.best_epoch == of and of > 1:
            logger.warning(
                "%s was best in its last epoch, %d: it would learn more from more epochs",
                *(type(model).__name__, of),
            )

    def remembered(self) -> dict[str, Any]:
        """All but the best model, for `restore`."""
        return {
            "best_epoch": self.best_epoch,
            "curve": self.curve,
            "seconds_to_best": self.seconds_to_best,
            "seconds": self._seconds(),
        }

    def restore(self, remembered: Mapping[str, Any], best: dict[str, Any]) -> None:
        """Go on as a watch that had remembered this."""
        self.best, self.best_epoch = best, remembered["best_epoch"]
        self.curve, self.seconds_to_best = remembered["curve"], remembered["seconds_to_best"]
        self._started = time.perf_counter() - remembered["seconds"]

    def _seconds(self) -> float:
        return time.perf_counter() - self._started


def watched(
    model: Any, X: sp.csr_array, validation: HeldOut | None
) -> tuple[sp.csr_array, Watch | None]:
    """What a model learns from, and the watch of its training; None if it is not validated.

    Raises:
        ConfigError: if `validation_metric` has the same value for every model.
    """
    if not getattr(model, "patience", 0):
        return X, None
    name = type(model).__name__
    if validation is not None and model._can_be_judged_by(validation, X):
        users = f"the {len(validation.users):,} users of the validation part"
        return X, Watch(model, _telling(model, validation), users)
    if validation is not None:
        logger.info("%s knows no cold items, of which the validation part is", name)
    drawn = model._held_out(X)
    if drawn is None:
        logger.info("%s trains all epochs: there is too little to hold some out", name)
        return X, None
    left, validation, users = drawn
    try:
        return left, Watch(model, _telling(model, validation), users)
    except ConfigError:
        if model.validation_metric != _METRIC:
            raise
        # Nobody chose these users, nor the metric.
        logger.info("%s trains all epochs: no epoch could be told from another", name)
        return X, None


def learnt_of(model: Any) -> dict[str, Any]:
    """What a model has learnt so far, by the names of its fields."""
    return {f.name: getattr(model, f.name) for f in dataclasses.fields(model) if not f.init}


def _telling(model: Any, validation: HeldOut) -> HeldOut:
    """The part, if the model's metric can tell one epoch from another on it."""
    metric = model.validation_metric
    if "@" in metric:
        telling_metric(metric, [validation], chosen=True, key="validation_metric")
    return validation


def _mostly_warm(validation: HeldOut, X: sp.csr_array) -> bool:
    warm = np.isin(validation.candidates, used_items(X))
    return bool(len(warm)) and float(warm.mean()) > 0.5


def _ones_of(X: sp.csr_array) -> sp.csr_array:
    """A one for each entry that X stores."""
    return sp.csr_array((np.ones(X.nnz, np.float32), X.indices, X.indptr), shape=X.shape)


def _held_out_users(model: Any, X: sp.csr_array) -> tuple[sp.csr_array, HeldOut] | None:
    """X without what is to be found, and that; None if there are too few users."""
    able = np.flatnonzero(np.diff(X.indptr) > 1)
    count = round(len(able) * model.validation_share)
    if count < _FEWEST_USERS:
        return None
    seed = getattr(model, "seed", 0) % 2**32  # a negative seed is one for PyTorch
    chosen = np.zeros(X.shape[0], dtype=bool)
    chosen[able[shuffled(len(able), seed)[:count]]] = True
    mine = np.repeat(chosen, np.diff(X.indptr))
    times = X.data if model.reads == "order" else None
    source = source_entries(X, np.arange(X.shape[1]), _SOURCE, seed, times)
    left = entries(X, ~mine | source) if model.holds_users else entries(X, ~mine)
    known, hidden = entries(X, mine & source), entries(X, mine & ~source)
    held_out = HeldOut(_ones_of(known), _ones_of(hidden), used_items(left))
    return left, held_out.with_numbers(source=known)
