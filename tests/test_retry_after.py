"""Seconds to wait, as servers say them."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from beekit.retry_after import retry_after_seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("soon", None), ("0", 0.0), ("1.5", 1.5), ("-3", 0.0)],
)
def test_numbers_are_seconds_and_words_say_nothing(header, seconds):
    assert retry_after_seconds(header) == seconds


def test_dates_are_seconds_from_now():
    ahead = retry_after_seconds(formatdate(time.time() + 100, usegmt=True))
    assert 90 < ahead <= 100
    assert retry_after_seconds(formatdate(0, usegmt=True)) == 0.0
