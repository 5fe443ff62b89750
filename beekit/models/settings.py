"""Hyperparameters: each is declared with its range, and checked when a model is made.

A field's type carries the rule: `embedding_dim: Count = 64`, or for a range of its own
`batch_size: Annotated[int, FROM_TWO] = 1024`. None passes where the type allows it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Protocol, get_args, get_origin, get_type_hints

import numpy as np

from beekit.errors import ConfigError
from beekit.models.content_vectors import content_vectors

NOT_FITTED: Any = None
"""Of a field that `fit` sets, before it did; `BaseRecommender` refuses to use a model then."""


class Rule(Protocol):
    """What a setting has to be."""

    def apply(self, name: str, value: Any) -> Any:
        """The value to keep of what was given; an error of ours if it cannot be used."""
        ...


@dataclasses.dataclass(frozen=True)
class Range:
    """Values a setting may have.

    Attributes:
        holds: whether a value is among them.
        expected: which they are, for the message.
    """

    holds: Callable[[Any], bool]
    expected: str

    def apply(self, name: str, value: Any) -> Any:
        """The value.

        Raises:
            ConfigError: if it is outside the range, or of a type that cannot be compared.
        """
        try:
            holds = self.holds(value)
        except (TypeError, ValueError):
            holds = False
        if not holds:
            shown = repr(value) if isinstance(value, str) else value
            raise ConfigError(
                f"{name}={shown}", expected=self.expected, remedy="Choose another value."
            )
        return value


class Vectors:
    """Content vectors (items, dims): finite, and as float32."""

    def apply(self, name: str, value: Any) -> Any:
        """The vectors as `content_vectors` has them."""
        return content_vectors(value)


class Widths(Range):
    """Widths of hidden layers, as a tuple."""

    def apply(self, name: str, value: Any) -> Any:
        """The widths, checked."""
        return super().apply(name, tuple(value))


def one_of(*names: str) -> Range:
    """One of some names."""
    return Range(lambda value: value in names, f"one of {', '.join(names)}")


FROM_TWO = Range(lambda value: value >= 2, "an integer from 2 on")
FROM_ONE_OR_ALL = Range(lambda value: value >= 1, "an integer from 1 on, or None for all items")
FROM_TWO_OR_ALL = Range(lambda value: value >= 2, "an integer from 2 on, or None for all items")

Count = Annotated[int, Range(lambda value: value >= 1, "an integer from 1 on")]
CountOrNone = Annotated[int, Range(lambda value: value >= 0, "an integer from 0 on")]
Positive = Annotated[float, Range(lambda value: value > 0, "a number above 0")]
NotNegative = Annotated[float, Range(lambda value: value >= 0, "a number from 0 on")]
Share = Annotated[float, Range(lambda value: 0 <= value <= 1, "a number from 0 to 1")]
ShareBelowOne = Annotated[float, Range(lambda value: 0 <= value < 1, "a number from 0 to below 1")]
HiddenDims = Annotated[
    tuple[int, ...],
    Widths(lambda value: all(width >= 1 for width in value), "integers from 1 on"),
]
ItemVectors = Annotated[np.ndarray, Vectors()]


def check_settings(model: Any) -> None:
    """Apply the rules of a model's fields, a dataclass, to what it was made with.

    Raises:
        ConfigError: if a setting is outside its range.
        DataError: if content vectors are not usable.
    """
    kind: Any = type(model)
    for name, (rule, optional) in _rules(kind).items():
        value = getattr(model, name)
        if value is not None or not optional:
            setattr(model, name, rule.apply(name, value))


@cache
def _rules(kind: Any) -> dict[str, tuple[Rule, bool]]:
    """The rule of each field that has one, and whether it may be None."""
    rules = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is Annotated:
            given, rule = get_args(hint)[:2]
            rules[name] = (rule, type(None) in get_args(given))
    return rules
