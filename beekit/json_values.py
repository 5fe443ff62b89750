"""Values for JSON and YAML files: converting numpy's, and reading integers from texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """A value that YAML can hold: numpy numbers become Python's and tuples lists, at any depth."""
    if type(value).__module__ == "numpy":
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(inside) for key, inside in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inside) for inside in value]
    return value


def plain_integer(text: str) -> int | None:
    """The integer in a text of at most 19 ASCII digits; None for any other text.

    `str.isdigit` is true of "²" too, which `int` refuses.
    """
    return int(text) if re.fullmatch(r"-?[0-9]{1,19}", text) else None
