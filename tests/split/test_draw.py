"""Draws: distinct, pinned, and refused where nothing would be left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit.errors import SplitError
from beekit.split.draw import share, shuffled, validation_share


@settings(deadline=None, max_examples=50)
@given(count=st.integers(0, 200), seed=st.integers(0, 2**64), stream=st.integers(0, 3))
def test_a_shuffle_holds_every_position_once(count, seed, stream):
    assert sorted(shuffled(count, seed, stream).tolist()) == list(range(count))


def test_a_shuffle_is_the_same_on_every_machine_and_numpy():
    # Literals: numpy guarantees the raw stream of PCG64, and published splits depend on it.
    assert shuffled(10, 42).tolist() == [4, 8, 1, 9, 3, 6, 0, 7, 2, 5]
    assert shuffled(10, 42, stream=1).tolist() == [1, 2, 8, 5, 3, 9, 6, 0, 4, 7]
    assert shuffled(5, 0).tolist() == [3, 2, 1, 0, 4]


def test_a_shuffle_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - the legacy state is the claim
    shuffled(100, 1)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_every_position_comes_first_equally_often():
    # 2,000 draws of 5: each first 400 times, give or take 4.5 standard deviations of
    # sqrt(2000 · 0.2 · 0.8) = 17.9; the seeds are fixed, so this passes always or never.
    first = np.bincount([shuffled(5, seed)[0] for seed in range(2000)], minlength=5)
    assert np.abs(first - 400).max() < 81


@pytest.mark.parametrize(
    ("number", "fraction", "expected"),
    [(1, None, 1), (9, None, 9), (None, 0.25, 2), (None, 0.9, 9)],
)
def test_a_share_is_the_number_or_the_nearest_to_the_fraction(number, fraction, expected):
    assert share(number, fraction, 10, "items") == expected


@pytest.mark.parametrize(
    ("number", "fraction"),
    [
        (None, None),
        (3, 0.3),
        (0, None),
        (-1, None),
        (10, None),
        (11, None),
        (None, 0.0),
        (None, 0.01),
        (None, 0.99),
        (None, 1.0),
        (None, -0.2),
        (None, 1.5),
        (None, float("nan")),
        (None, float("inf")),
    ],
)
def test_an_impossible_share_is_refused_in_one_line(number, fraction):
    with pytest.raises(SplitError, match="items") as caught:
        share(number, fraction, 10, "items")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fraction", "total", "found", "expected"),
    [
        (0.1, 1, "1 items with interactions", "at least 2"),
        (0.1, 0, "0 items with interactions", "at least 2"),
        (0.1, 2, "fraction=0.1 of 2 for the items, which is less than one", "1"),
        (0.9, 4, "fraction=0.9 of 4 for the items, which is all of them", "between 1 and 3"),
    ],
)
def test_a_share_of_few_is_answered_with_what_there_is(fraction, total, found, expected):
    with pytest.raises(SplitError) as caught:
        share(None, fraction, total, "items")
    assert caught.value.found == found
    assert caught.value.expected.startswith(expected)


def test_validation_is_a_quarter_of_the_test_part_unless_said_otherwise():
    assert validation_share(None, None, 40, 1000, "items") == 10
    assert validation_share(None, None, 1, 1000, "items") == 1
    assert validation_share(7, None, 40, 1000, "items") == 7


def test_the_usual_validation_share_leaves_something_to_train_on():
    assert validation_share(None, None, 97, 100, "items") == 2
    assert validation_share(None, None, 99, 100, "items") == 0


def test_a_validation_fraction_is_of_everything_as_the_test_fraction_is():
    assert validation_share(None, 0.1, 40, 100, "items") == 10


def test_zero_means_no_validation_part():
    assert validation_share(0, None, 40, 100, "items") == 0
    assert validation_share(None, 0.0, 40, 100, "items") == 0


@pytest.mark.parametrize(
    ("number", "fraction"), [(60, None), (None, 0.6), (-1, None), (5, 0.0), (0, 0.5), (5, 0.5)]
)
def test_an_impossible_validation_share_is_refused(number, fraction):
    with pytest.raises(SplitError, match="validation items"):
        validation_share(number, fraction, 40, 100, "items")


def test_a_negative_seed_is_refused():
    with pytest.raises(SplitError, match="seed=-1"):
        shuffled(3, -1)
