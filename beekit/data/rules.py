"""What of the rows counts as use, and how many rows each rule keeps."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from numbers import Real
from typing import Literal

import numpy as np

from beekit.errors import DataError
from beekit.finite import require_finite

logger = logging.getLogger(__name__)

# What may happen to rows that do not fit.
UnknownItems = Literal["error", "drop"]
MissingText = Literal["error", "drop", "keep"]
MissingImage = Literal["error", "drop", "keep"]
MissingItems = Literal["error", "ids"]
Duplicates = Literal["error", "merge"]

# Values named in a message.
_SHOWN = 3


@dataclass(frozen=True)
class Kept:
    """What a rule kept of the rows it met."""

    rule: str  # as in a configuration, such as "min_value=4"
    kept: int
    of: int
    rows: str = "interactions"  # or "items"


def keeps(rule: str, kept: int, of: int, rows: str = "interactions") -> tuple[Kept, ...]:
    """Log what a rule keeps; nothing where it keeps all."""
    if kept == of:
        return ()
    logger.info("%s keeps %s of %s %s", rule, f"{kept:,}", f"{of:,}", rows)
    return (Kept(rule, int(kept), int(of), rows),)


def strong_enough(values: np.ndarray, min_value: float | None, remedy: str = "") -> np.ndarray:
    """(rows,) bool: numbers or booleans that count as use, those from `min_value` on.

    Without `min_value` all of them count, and a boolean or a value of 0 or below is refused: it
    mostly says that somebody did not like or use an item. `remedy` is one other than to name
    `min_value`.
    """
    if values.dtype.kind not in "biuf":
        found, remedy = f"values of type {values.dtype}", "Convert them to numbers."
        raise DataError(found, expected="numbers", remedy=remedy)
    require_finite(values, "values", row="row", remedy="Remove or repair those rows.")
    if min_value is not None:
        number = isinstance(min_value, Real) and not isinstance(min_value, (bool, np.bool_))
        if not (number and np.isfinite(min_value)):
            found = f"min_value={min_value!r}"
            raise DataError(found, expected="a finite number", remedy="Correct the value.")
        # A numpy number would bring its type: 4.1 in float32 is below 4.1 in float64.
        strong: np.ndarray = values >= float(min_value)
        return strong
    weak = np.ones(len(values), dtype=bool) if values.dtype.kind == "b" else values <= 0
    if count := int(np.count_nonzero(weak)):
        distinct = np.unique(values[weak])[::-1]
        shown = ", ".join(str(value.item()) for value in distinct[:_SHOWN])
        more = f" and {len(distinct) - _SHOWN:,} others" if len(distinct) > _SHOWN else ""
        raise DataError(
            f"{count:,} of {len(values):,} interactions have a value of 0 or below, or a boolean "
            f"({shown}{more}), and no min_value says what counts",
            expected="values above 0, which all count as use",
            remedy=remedy
            or "Set min_value=... to the least value that counts, such as min_value=1 (of ratings, "
            "to predict them, the lowest), or drop the column value to count them all.",
        )
    return ~weak
