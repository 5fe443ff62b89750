"""Statistics over repeats, against scipy, the statistics module and cases by hand."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from scipy import stats

from beekit.errors import ConfigError
from beekit.evaluation.repeats import compare_repeats, order_over_repeats, over_repeats


def test_mean_spread_and_t_interval_are_those_of_other_libraries():
    values = [0.214, 0.156, 0.187, 0.201, 0.149]
    found = over_repeats(values)
    assert found.value == pytest.approx(statistics.mean(values))
    assert found.spread == pytest.approx(statistics.stdev(values))
    expected = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert found.ci95 == pytest.approx(expected)
    assert found.values == tuple(values)


def test_two_repeats_have_the_wide_interval_that_two_numbers_allow():
    found = over_repeats([0.1, 0.3])
    # t with one degree of freedom is 12.706; the standard error is half the distance.
    assert found.ci95 == pytest.approx((0.2 - 1.2706, 0.2 + 1.2706), abs=1e-4)


def test_what_does_not_vary_has_an_interval_without_width_and_no_test():
    found = over_repeats([0.1, 0.1, 0.1])
    assert found.spread == 0
    assert found.ci95 == (found.value, found.value)
    paired = compare_repeats([0.3, 0.3, 0.3], [0.1, 0.1, 0.1])
    assert paired.p_value is None
    assert paired.difference == pytest.approx(0.2)
    assert paired.held == 3
    rounded = compare_repeats([0.3, 0.2, 0.5], [0.2, 0.1, 0.4])
    assert (rounded.spread, rounded.p_value) == (0, None)


def test_paired_differences_are_those_of_a_paired_t_test():
    first, second = [0.21, 0.16, 0.19, 0.20], [0.20, 0.13, 0.195, 0.17]
    paired = compare_repeats(first, second)
    expected = stats.ttest_rel(first, second)
    assert paired.p_value == pytest.approx(expected.pvalue)
    assert paired.ci95 == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert paired.difference == pytest.approx(np.mean(first) - np.mean(second))
    assert (paired.held, paired.repeats) == (3, 4)


def test_interval_holds_the_mean_over_all_repeats_in_95_of_100_draws():
    generator = np.random.default_rng(0)
    drawn = generator.normal(0.2, 0.03, size=(4000, 5))
    held = [low <= 0.2 <= high for low, high in (over_repeats(row).ci95 for row in drawn)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.011)  # three standard errors


def test_order_names_the_pairs_that_swap_and_where():
    values = {
        "low": [0.1, 0.1, 0.1],
        "high": [0.3, 0.2, 0.3],
        "middle": [0.2, 0.25, 0.2],
    }
    order = order_over_repeats(values)
    assert order.models == ("high", "middle", "low")
    assert not order.same
    assert [(s.first, s.second, s.repeats) for s in order.swaps] == [("high", "middle", (2,))]


def test_equals_do_not_swap():
    order = order_over_repeats({"a": [0.1, 0.2], "b": [0.1, 0.2]})
    assert order.models == ("a", "b")
    assert order.same


@pytest.mark.parametrize("values", [[], [0.1], [0.1, float("nan")], [0.1, float("inf")]])
def test_too_few_values_or_such_as_are_no_numbers_are_refused(values):
    with pytest.raises(ConfigError, match="at least two values, all finite"):
        over_repeats(values)


def test_other_repeats_cannot_be_paired():
    with pytest.raises(ConfigError, match="3 repeats of one model and 2 of the other"):
        compare_repeats([0.1, 0.2, 0.3], [0.1, 0.2])
