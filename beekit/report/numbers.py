"""Formatting of numbers in reports."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

MISSING = "n/a"


def is_finite(value: Any) -> bool:
    """Whether this is a number that can be compared and drawn. JSON may also hold null, NaN and
    integers too large for a float."""
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def measure(value: Any) -> str:
    """A metric with four decimals, or in scientific notation if it is below 0.0005."""
    if not is_finite(value):
        return MISSING
    size = abs(value)
    text = f"{size:.1e}" if 0 < size < 5e-4 else f"{size:.4f}"
    return f"−{text}" if value < 0 else text


def with_spread(metric: Mapping[str, Any]) -> str:
    """The mean of a metric over repeats and its standard deviation: `0.1234 ± 0.0056`."""
    return f"{measure(metric['value'])} ± {measure(metric['spread'])}"


def difference(value: Any) -> str:
    """A difference formatted by `measure`, with a plus sign if it is positive."""
    return f"+{measure(value)}" if is_finite(value) and value > 0 else measure(value)


def interval(limits: Sequence[Any] | None, value: Any = None) -> str | None:
    """Both ends of an interval; None if there is none, or if both ends are `value` (which means
    that the interval was not computed)."""
    if limits is None or len(limits) != 2 or not all(is_finite(limit) for limit in limits):
        return None
    if limits[0] == limits[1] == value:
        return None
    joint = " to " if limits[0] < 0 else "–"
    return f"{measure(limits[0])}{joint}{measure(limits[1])}"


def widest(metric: Mapping[str, Any]) -> tuple[Any, str]:
    """The interval over users and items, and the words " over users and items". If there is none,
    as in results of earlier versions, the interval over users and no words."""
    if metric.get("ci95_items") is not None:
        return metric["ci95_items"], " over users and items"
    return metric.get("ci95"), ""


def p_value(value: Any) -> str:
    """A p-value with four decimals, or `< 0.0001`."""
    if not is_finite(value):
        return MISSING
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def count(value: Any) -> str:
    """A count, with commas between thousands."""
    return f"{value:,.0f}" if is_finite(value) else MISSING


def ratio(value: float) -> str:
    """A ratio with two decimals, or without decimals from 10 on."""
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def duration(seconds: Any) -> str:
    """Seconds as a text such as `5.0 s`, `2 min 3 s` or `1 h 5 min`."""
    if not is_finite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def memory(megabytes: Any) -> str:
    """Megabytes as a text; in gigabytes from 1,000 on."""
    if not is_finite(megabytes):
        return MISSING
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def setting(value: Any) -> str:
    """A value of a configuration, as it is written in a configuration file."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
