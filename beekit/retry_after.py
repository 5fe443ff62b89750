"""Reading the HTTP header `Retry-After`: how long a server asks to wait."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime


def retry_after_seconds(header: str | None) -> float | None:
    """The seconds in a `Retry-After` header, a number or a date; None if there are none."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds)
