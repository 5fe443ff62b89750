"""How long a server that refuses for now asks to be left alone."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime


def retry_after_seconds(header: str | None) -> float | None:
    """Seconds by a `Retry-After` header, a number or a date; None where it says nothing."""
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
