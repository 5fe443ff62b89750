"""Bootstrap intervals against scipy's, and the paired comparison."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from beekit.evaluation.intervals import (
    bootstrap_weights,
    compare,
    coverage_interval,
    mean_intervals,
    paired_p_value,
)
from beekit.evaluation.metrics import coverage


def test_intervals_agree_with_scipy():
    values = np.random.default_rng(0).beta(0.5, 2, size=400)
    found = mean_intervals(values[:, None], seed=1)[0]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    # The 2.5% quantile of 1,000 resamples has a standard error of about 0.09 standard errors of
    # the mean; five of them.
    slack = 5 * 0.09 * values.std() / np.sqrt(len(values))
    assert found == pytest.approx((theirs.low, theirs.high), abs=slack)


def test_weights_resample_every_user_as_often_on_average():
    weights = np.concatenate(list(bootstrap_weights(50, seed=0, resamples=2000)))
    assert weights.shape == (2000, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert np.abs(weights.mean(axis=0) - 1).max() < 5 / np.sqrt(2000)


def test_blocks_of_resamples_change_nothing(monkeypatch):
    whole = mean_intervals(np.random.default_rng(0).random((40, 2)))
    monkeypatch.setattr("beekit.evaluation.intervals._BLOCK_BYTES", 4 * 40 * 7)
    blocks = mean_intervals(np.random.default_rng(0).random((40, 2)))
    assert np.allclose(whole, blocks, atol=1e-7)


def test_interval_covers_the_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(5)
    inside = 0
    for trial in range(200):
        low, high = mean_intervals(generator.normal(size=(60, 1)), seed=trial, resamples=300)[0]
        inside += low <= 0 <= high
    # 95% nominal, percentile intervals run slightly short at 60 users: 200 trials, five sigma.
    assert inside >= 200 * 0.93 - 5 * np.sqrt(200 * 0.07 * 0.93)
    assert inside < 200


def test_comparison_finds_a_difference_that_is_there_and_none_that_is_not():
    generator = np.random.default_rng(0)
    base = generator.random(500)
    better = base + 0.05 + 0.01 * generator.normal(size=500)
    found = compare(better, base)
    assert found.difference == pytest.approx(0.05, abs=0.005)
    assert found.ci95[0] > 0.045
    assert found.p_value < 1e-10
    assert found.p_value == pytest.approx(stats.ttest_rel(better, base).pvalue)
    shuffled = base + 0.3 * generator.normal(size=500)
    nothing = compare(shuffled, base)
    assert nothing.ci95[0] < 0 < nothing.ci95[1]


def test_comparison_leaves_out_users_without_a_value_and_survives_equality():
    first = np.array([1.0, np.nan, 0.5])
    assert compare(first, np.array([0.0, 1.0, 0.5])).users == 2
    same = compare(first, first)
    assert (same.difference, same.p_value) == (0.0, 1.0)


def test_coverage_interval_holds_the_value_and_narrows_with_users():
    generator = np.random.default_rng(0)
    widths = []
    for users in (30, 3000):
        ranked = generator.integers(0, 400, size=(users, 3))
        low, high = coverage_interval(ranked, np.arange(400))
        value = coverage(ranked, np.arange(400))
        assert low <= value <= high
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_differences_without_spread_are_tested_by_their_sign():
    assert paired_p_value(np.array([1.0, 1.0])) == 0.5
    assert paired_p_value(np.full(11, -0.5)) == 2.0**-10
    assert paired_p_value(np.zeros(5)) == 1
    assert (
        paired_p_value(np.array([0.3 - 0.2, 0.2 - 0.1, 0.5 - 0.4])) == 0.25
    )  # alike but for rounding
    assert paired_p_value(np.array([0.1, 0.2, 0.3])) == pytest.approx(
        stats.ttest_1samp([0.1, 0.2, 0.3], 0).pvalue
    )
