"""Statistics over repeats of one evaluation: means, spread, paired differences, order of models.

A repeat draws new held-out interactions and uses other training seeds; the dataset stays the same.
So the intervals here are for the mean over all such draws from this dataset, not for other
datasets.
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
    """A metric over repeats.

    Attributes:
        value: mean over repeats.
        ci95: Student's t interval of the mean, not cut at 0 or 1.
        spread: standard deviation over repeats, with N - 1 in the denominator; 0 if all values are
            equal up to rounding.
        values: the value of each repeat.
    """

    value: float
    ci95: tuple[float, float]
    spread: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class PairedRepeats:
    """A comparison of two models over repeats.

    Attributes:
        difference: mean over repeats of first minus second.
        ci95: Student's t interval of the mean difference.
        spread: standard deviation of the differences.
        p_value: p-value of the two-sided paired t test; None if all differences are equal up to
            rounding.
        held: number of repeats in which the first is better than the second.
        repeats: number of repeats.
    """

    difference: float
    ci95: tuple[float, float]
    spread: float
    p_value: float | None
    held: int
    repeats: int


@dataclass(frozen=True)
class Swap:
    """A pair of models that change places: `first` has the better mean, but `second` is better in
    some `repeats` (numbered from 1)."""

    first: str
    second: str
    repeats: tuple[int, ...]


@dataclass(frozen=True)
class Order:
    """The order of models.

    Attributes:
        models: models by their mean, the best first; equal ones in the order they were given.
        same: whether no pair of models changes places in any repeat.
        swaps: the pairs that do.
    """

    models: tuple[str, ...]
    same: bool
    swaps: tuple[Swap, ...]


def over_repeats(values: Sequence[float]) -> OverRepeats:
    """Mean, t interval and spread of a metric, from the value of each repeat.

    Raises:
        ConfigError: if there are fewer than two values, or if one is not finite.
    """
    given = _checked(values)
    mean, spread = float(given.mean()), 0.0 if alike(given) else float(given.std(ddof=1))
    half = float(stats.t.ppf(0.975, len(given) - 1)) * spread / len(given) ** 0.5
    return OverRepeats(mean, (mean - half, mean + half), spread, tuple(given.tolist()))


def compare_repeats(
    first: Sequence[float], second: Sequence[float], *, lower_is_better: bool = False
) -> PairedRepeats:
    """Compare two models by one metric over the same repeats, in the same order.

    Raises:
        ConfigError: if `over_repeats` refuses the values of one, or if the two differ in length.
    """
    above, below = _checked(first), _checked(second)
    if len(above) != len(below):
        raise ConfigError(
            f"{len(above)} repeats of one model and {len(below)} of the other",
            expected="the same repeats of both models",
            remedy="Leave out the model that has fewer.",
        )
    gap = above - below
    paired = over_repeats(gap.tolist())
    p_value = paired_p_value(gap) if paired.spread > 0 else None
    held = int(np.count_nonzero(gap < 0 if lower_is_better else gap > 0))
    return PairedRepeats(paired.value, paired.ci95, paired.spread, p_value, held, len(gap))


def order_over_repeats(
    values: Mapping[str, Sequence[float]], *, lower_is_better: bool = False
) -> Order:
    """The order of models by their mean, and whether they keep it in each repeat; `values` holds
    the value of each repeat for each model."""
    sign = 1 if lower_is_better else -1
    ordered = sorted(values, key=lambda model: sign * over_repeats(values[model]).value)
    swaps = []
    for first, second in combinations(ordered, 2):
        pairs = zip(values[first], values[second], strict=True)
        where = tuple(number for number, (a, b) in enumerate(pairs, start=1) if sign * b < sign * a)
        if where:
            swaps.append(Swap(first, second, where))
    return Order(tuple(ordered), not swaps, tuple(swaps))


def _checked(values: Sequence[float]) -> np.ndarray:
    given = np.asarray(values, dtype=np.float64)
    if len(given) < 2 or not np.isfinite(given).all():
        raise ConfigError(
            f"the values {', '.join(map(str, given.tolist()[:5])) or '(none)'} of repeats",
            expected="at least two values, all finite",
            remedy="Evaluate with more repeats, or leave the metric out.",
        )
    return given
