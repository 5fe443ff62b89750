"""Values as files hold them: numpy's as Python's own, and integers as text writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """A value as YAML has it: numpy's numbers as Python's, tuples as lists, also inside."""
    if type(value).__module__ == "numpy":
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(inside) for key, inside in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inside) for inside in value]
    return value


def plain_integer(text: str) -> int | None:
    """The integer that a text writes in ASCII digits, at most 19 of them; None for anything else.

    `str.isdigit` is true of "²" too, which `int` refuses.
    """
    return int(text) if re.fullmatch(r"-?[0-9]{1,19}", text) else None
