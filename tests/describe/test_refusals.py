"""Each way to refuse, by its example."""

from __future__ import annotations

import time

import pytest

from beekit.describe.refusals import REFUSALS, is_refusal


@pytest.mark.parametrize("refusal", REFUSALS, ids=[refusal.name for refusal in REFUSALS])
def test_a_pattern_recognises_its_example_wherever_a_refusal_may_be(refusal):
    assert refusal.regex.match(refusal.example)
    assert is_refusal(refusal.example)
    assert is_refusal(f"Hello! Unfortunately, {refusal.example}")
    assert is_refusal(f"“{refusal.example.upper()}”")
    assert not is_refusal(f"The sign reads: {refusal.example}" + " It is a film." * 20)


def test_names_tell_patterns_apart():
    assert len({refusal.name for refusal in REFUSALS}) == len(REFUSALS)


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
