"""The ranges of the settings these models share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from beekit.models.checks import require

_FROM_ONE = (lambda value: value >= 1, "an integer from 1 on")
_FROM_ZERO = (lambda value: value >= 0, "a number from 0 on")
_ABOVE_ZERO = (lambda value: value > 0, "a number above 0")
_SHARE = (lambda value: 0 <= value <= 1, "0 to 1")
_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("embedding_dim", "experts", "epochs", "users_per_step"), _FROM_ONE),
    **dict.fromkeys(("similarity", "weight_decay"), _FROM_ZERO),
    **dict.fromkeys(("negatives", "learning_rate", "temperature"), _ABOVE_ZERO),
    **dict.fromkeys(("exchange", "cf_dropout", "content_weight"), _SHARE),
    "dropout": (lambda value: 0 <= value < 1, "0 to below 1"),
    "hidden_dim": (lambda value: value >= 0, "an integer from 0 on"),
    "hidden_dims": (lambda value: all(width >= 1 for width in value), "integers from 1 on"),
    "items_per_step": (lambda value: value >= 2, "an integer from 2 on"),
}


def check_settings(model: Any) -> None:
    """Refuse settings of a model, a dataclass, that are outside their range.

    Raises:
        ConfigError: if a setting is outside its range.
    """
    for field in dataclasses.fields(model):
        if field.init and field.name in _RANGES:
            holds, expected = _RANGES[field.name]
            value = getattr(model, field.name)
            require(holds(value), f"{field.name}={value}", expected)
