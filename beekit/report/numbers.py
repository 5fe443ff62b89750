"""Numbers as the report writes them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

MISSING = "n/a"


def is_finite(value: Any) -> bool:
    """Whether this is a number that can be compared and drawn; JSON may also hold null, NaN
    and integers of any length."""
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def measure(value: Any) -> str:
    """A metric to four decimals; in powers of ten where those would show next to nothing."""
    if not is_finite(value):
        return MISSING
    size = abs(value)
    text = f"{size:.1e}" if 0 < size < 5e-4 else f"{size:.4f}"
    return f"−{text}" if value < 0 else text


def with_spread(metric: Mapping[str, Any]) -> str:
    """The mean of a metric over repeats, and the standard deviation between them."""
    return f"{measure(metric['value'])} ± {measure(metric['spread'])}"


def difference(value: Any) -> str:
    """As `measure`, with a plus where there is a gain."""
    return f"+{measure(value)}" if is_finite(value) and value > 0 else measure(value)


def interval(limits: Sequence[Any] | None, value: Any = None) -> str | None:
    """Both ends of an interval; None where there is none, or it is `value` twice (not measured)."""
    if limits is None or len(limits) != 2 or not all(is_finite(limit) for limit in limits):
        return None
    if limits[0] == limits[1] == value:
        return None
    joint = " to " if limits[0] < 0 else "–"
    return f"{measure(limits[0])}{joint}{measure(limits[1])}"


def widest(metric: Mapping[str, Any]) -> tuple[Any, str]:
    """The interval to judge other users and items by, and what it is over.

    That over users and items where there is one; results of earlier versions have none.
    """
    if metric.get("ci95_items") is not None:
        return metric["ci95_items"], " over users and items"
    return metric.get("ci95"), ""


def p_value(value: Any) -> str:
    """A p-value to four decimals, `< 0.0001` below."""
    if not is_finite(value):
        return MISSING
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def count(value: Any) -> str:
    """A number of things, thousands apart."""
    return f"{value:,.0f}" if is_finite(value) else MISSING


def ratio(value: float) -> str:
    """How many times as much: two decimals, fewer for large ones."""
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def duration(seconds: Any) -> str:
    """Seconds in the two largest units that matter."""
    if not is_finite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def memory(megabytes: Any) -> str:
    """Megabytes, as gigabytes where there are many."""
    if not is_finite(megabytes):
        return MISSING
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def setting(value: Any) -> str:
    """A value of a configuration, as it would be written in one."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
