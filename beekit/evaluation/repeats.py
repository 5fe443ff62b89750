"""What repeats of one evaluation say together: means, spread, paired differences, order.

A repeat draws anew what is held out and the seeds of training; data and users stay. So the
intervals here are about the mean over all such draws from this dataset, not about other datasets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from beekit.errors import ConfigError
from beekit.evaluation.intervals import alike, paired_p_value


@dataclass(frozen=True)
class OverRepeats:
    """Mean of a metric over repeats, its t interval (Student 1908), not cut at 0 or 1, and standard
    deviation between repeats (N - 1 in the denominator); interval and spread are zero wide where
    nothing varies."""

    value: float
    ci95: tuple[float, float]
    spread: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class PairedRepeats:
    """Mean over repeats of first minus second, its t interval and standard deviation.

    Attributes:
        p_value: two-sided, paired t test; None where the differences vary by rounding alone.
        held: in how many repeats the first is above the second.
        repeats: how many entered.
    """

    difference: float
    ci95: tuple[float, float]
    spread: float
    p_value: float | None
    held: int
    repeats: int


@dataclass(frozen=True)
class Swap:
    """The model with the higher mean, the other one, and the numbers (from 1) of the repeats in
    which the other one is above it."""

    first: str
    second: str
    repeats: tuple[int, ...]


@dataclass(frozen=True)
class Order:
    """Models by their mean, highest first and equals as they came; whether no pair is the other way
    round in any repeat, and the pairs that are."""

    models: tuple[str, ...]
    same: bool
    swaps: tuple[Swap, ...]


def over_repeats(values: Sequence[float]) -> OverRepeats:
    """Mean, t interval and spread of a metric; `values` are of each repeat.

    Raises:
        ConfigError: if there are fewer than two values, or if one is not finite.
    """
    given = _checked(values)
    mean, spread = float(given.mean()), 0.0 if alike(given) else float(given.std(ddof=1))
    half = float(stats.t.ppf(0.975, len(given) - 1)) * spread / len(given) ** 0.5
    return OverRepeats(mean, (mean - half, mean + half), spread, tuple(given.tolist()))


def compare_repeats(first: Sequence[float], second: Sequence[float]) -> PairedRepeats:
    """Compare two models by one metric over the same repeats, in the same order.

    Raises:
        ConfigError: if `over_repeats` refuses the values of one, or if the two differ in length.
    """
    above, below = _checked(first), _checked(second)
    if len(above) != len(below):
        raise ConfigError(
            f"{len(above)} and {len(below)} repeats to compare",
            expected="the same repeats of both models",
            remedy="Leave out the model that has fewer.",
        )
    gap = above - below
    paired = over_repeats(gap.tolist())
    p_value = paired_p_value(gap) if paired.spread > 0 else None
    held = int(np.count_nonzero(gap > 0))
    return PairedRepeats(paired.value, paired.ci95, paired.spread, p_value, held, len(gap))


def order_over_repeats(values: Mapping[str, Sequence[float]]) -> Order:
    """Whether models keep their order by the mean in each repeat; `values` are of each model."""
    ordered = sorted(values, key=lambda model: -over_repeats(values[model]).value)
    swaps = []
    for first, second in combinations(ordered, 2):
        pairs = zip(values[first], values[second], strict=True)
        where = tuple(number for number, (a, b) in enumerate(pairs, start=1) if b > a)
        if where:
            swaps.append(Swap(first, second, where))
    return Order(tuple(ordered), not swaps, tuple(swaps))


def _checked(values: Sequence[float]) -> np.ndarray:
    given = np.asarray(values, dtype=np.float64)
    if len(given) < 2 or not np.isfinite(given).all():
        raise ConfigError(
            f"the values {', '.join(map(str, given.tolist()[:5])) or '(none)'} of repeats",
            expected="at least two, all finite",
            remedy="Evaluate in more repeats, or leave that metric out.",
        )
    return given
