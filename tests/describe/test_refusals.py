"""Each way to refuse, by its example."""

from __future__ import annotations

import re
import time

import pytest

from beekit.describe.refusals import REFUSALS, is_refusal


@pytest.mark.parametrize(("example", "pattern"), REFUSALS.items(), ids=[*REFUSALS])
def test_a_pattern_recognises_its_example_wherever_a_refusal_may_be(example, pattern):
    assert re.match(pattern, example, re.IGNORECASE)
    assert is_refusal(example)
    assert is_refusal(f"Hello! Unfortunately, {example}")
    assert is_refusal(f"“{example.upper()}”")
    assert not is_refusal(f"The sign reads: {example}" + " It is a film." * 20)


def test_no_pattern_is_listed_twice():
    assert len(set(REFUSALS.values())) == len(REFUSALS)


def test_long_answers_take_no_long_time():
    begun = time.perf_counter()
    for part in (
        "a ",
        "sorry, ",
        "as an ai ",
        "I have no ",
        "there is no x-",
        "a(",
        "I can't only ",
    ):
        assert not is_refusal(f"The {part * 4000}")
        assert is_refusal(f"I cannot help. {part * 4000}")
        is_refusal(part * 4000, "a. " * 4000)
    assert time.perf_counter() - begun < 2  # under 0.1 s an answer
