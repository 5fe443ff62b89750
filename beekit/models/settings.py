"""Hyperparameters: each is declared with its range, and checked when a model is made.

The type of a field holds its rule: `embedding_dim: Count = 64`, or, for a range without a name,
`batch_size: Annotated[int, FROM_TWO] = 1024`. None is accepted if the type allows it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np

from beekit.errors import ConfigError
from beekit.models.content_vectors import content_vectors

NOT_FITTED: Any = None
"""The value, before `fit`, of a field that `fit` sets."""

Rule = Callable[[str, Any], Any]
"""A function from a setting's name and value to the value to keep; it raises a `BeekitError` if the
value cannot be used."""


def within(holds: Callable[[Any], bool], expected: str) -> Rule:
    """The rule that accepts a value if `holds(value)`; `expected` is part of its error message."""

    def apply(name: str, value: Any) -> Any:
        try:
            if holds(value):
                return value
        except (TypeError, ValueError):
            pass  # a value whose type cannot be compared is refused below
        shown = repr(value) if isinstance(value, str) else value
        raise ConfigError(f"{name}={shown}", expected=expected, remedy="Choose another value.")

    return apply


def _item_vectors(name: str, value: Any) -> np.ndarray:
    """Content vectors (items, dims), checked, as float32."""
    return content_vectors(value)


def one_of(*names: str) -> Rule:
    """The rule that accepts only these names."""
    return within(lambda value: value in names, f"one of {', '.join(names)}")


def _metric(name: str, value: Any) -> str:
    """A metric with a cut."""
    # Imported here, because settings are read before anything that takes long is imported.
    from beekit.evaluation.named_metrics import named_metric

    named_metric(str(value))
    return str(value)


_widths = within(lambda value: all(width >= 1 for width in value), "integers from 1 on")

_some = within(
    lambda value: value and all(w >= 1 for w in value), "integers from 1 on, one at least"
)

FROM_TWO = within(lambda value: value >= 2, "an integer from 2 on")
FROM_ONE_OR_ALL = within(lambda value: value >= 1, "an integer from 1 on, or None for all items")
FROM_TWO_OR_ALL = within(lambda value: value >= 2, "an integer from 2 on, or None for all items")

Count = Annotated[int, within(lambda value: value >= 1, "an integer from 1 on")]
CountOrNone = Annotated[int, within(lambda value: value >= 0, "an integer from 0 on")]
Positive = Annotated[float, within(lambda value: value > 0, "a number above 0")]
NotNegative = Annotated[float, within(lambda value: value >= 0, "a number from 0 on")]
Share = Annotated[float, within(lambda value: 0 <= value <= 1, "a number from 0 to 1")]
ShareBelowOne = Annotated[float, within(lambda value: 0 <= value < 1, "a number from 0 to below 1")]
HiddenDims = Annotated[tuple[int, ...], lambda name, value: _widths(name, tuple(value))]
HiddenDimsFromOne = Annotated[tuple[int, ...], lambda name, value: _some(name, tuple(value))]
Metric = Annotated[str, _metric]
ItemVectors = Annotated[np.ndarray, _item_vectors]
VectorsOrNone = Annotated[np.ndarray | None, _item_vectors]


def check_settings(model: Any) -> None:
    """Apply the rules of a model's fields to the values it was made with; it is a dataclass."""
    kind: Any = type(model)
    for name, (rule, optional) in _rules(kind).items():
        value = getattr(model, name)
        if value is not None or not optional:
            setattr(model, name, rule(name, value))


@cache
def _rules(kind: Any) -> dict[str, tuple[Rule, bool]]:
    """The rule of each field that has one, and whether it may be None."""
    rules = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is Annotated:
            given, rule = get_args(hint)[:2]
            rules[name] = (rule, type(None) in get_args(given))
    return rules
