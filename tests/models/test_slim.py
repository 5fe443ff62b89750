"""SLIM against scikit-learn, and its optimality conditions."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.errors import ConfigError, DataError
from beekit.models import SLIM, ItemKNN
from beekit.models.linear import coordinate_descent, gram, slim

CLOSE = {"tolerance": 1e-7, "max_sweeps": 2000}


@pytest.fixture
def X():
    """200 users, 30 items of uneven popularity, some of them much alike."""
    generator = np.random.default_rng(0)
    taste = generator.random((200, 6)) < 0.3
    belongs = generator.random((6, 30)) * (generator.random((6, 30)) < 0.4)
    noise = 0.02 + 0.3 * generator.random(30) ** 4
    return sp.csr_array((generator.random((200, 30)) < taste @ belongs + noise).astype(np.float32))


def by_scikit_learn(X, l1, l2, allowed):
    """B (items, items) with item i in the regression of j where allowed[i, j]."""
    from sklearn.linear_model import ElasticNet

    dense = X.toarray().astype(np.float64)
    users, items = dense.shape
    B = np.zeros((items, items))
    for j in range(items):
        chosen = np.flatnonzero(allowed[:, j])
        model = ElasticNet(
            alpha=(l1 + l2) / users,
            l1_ratio=l1 / (l1 + l2),
            positive=True,
            fit_intercept=False,
            tol=1e-12,
            max_iter=100_000,
        )
        B[chosen, j] = model.fit(dense[:, chosen], dense[:, j]).coef_
    return B


def test_two_items_by_hand():
    # Three users share both items, item 0 has two more: G = [[5, 3], [3, 3]].
    X = sp.csr_array(np.array([[1, 1], [1, 1], [1, 1], [1, 0], [1, 0]]))
    for neighbours in (None, 1):
        B = SLIM(l1=1.0, l2=2.0, neighbours=neighbours).fit(X).item_item.toarray()
        np.testing.assert_allclose(B, [[0, (3 - 1) / (5 + 2)], [(3 - 1) / (3 + 2), 0]], rtol=1e-7)


@pytest.mark.parametrize(("l1", "l2"), [(1.0, 2.0), (0.3, 10.0), (4.0, 0.5)])
def test_on_all_items_it_is_scikit_learns_elastic_net(X, l1, l2):
    expected = by_scikit_learn(X, l1, l2, ~np.eye(30, dtype=bool))
    B = SLIM(l1=l1, l2=l2, neighbours=None, **CLOSE).fit(X).item_item.toarray()
    # With all optimality conditions off by at most 1e-7 of G_jj ≤ 200, and a problem that is
    # strongly convex with constant l2, the 30 weights are off by at most √30 · 2e-5 / l2.
    np.testing.assert_allclose(B, expected, rtol=0, atol=np.sqrt(30) * 2e-5 / l2)
    assert 0.05 < (expected > 0).mean() < 0.9


@pytest.mark.parametrize("elements", [1, 300, 2**24])
@pytest.mark.parametrize("gram_bytes", [1, 2**32])
def test_on_few_items_it_is_the_elastic_net_of_the_nearest(X, monkeypatch, elements, gram_bytes):
    monkeypatch.setattr(slim, "_BLOCK_ELEMENTS", elements)
    parts = gram.gram_parts
    monkeypatch.setattr(slim, "gram_parts", lambda X, sets: parts(X, sets, gram_bytes))
    nearest = ItemKNN(neighbours=6).fit(X).item_item.toarray() > 0
    expected = by_scikit_learn(X, 1.0, 2.0, nearest)
    B = SLIM(l1=1.0, l2=2.0, neighbours=6, **CLOSE).fit(X).item_item.toarray()
    np.testing.assert_allclose(B, expected, rtol=0, atol=np.sqrt(6) * 2e-5 / 2)
    assert (B > 0).sum(axis=0).max() <= 6


def test_few_items_differ_from_all(X):
    few, every = (
        SLIM(1.0, 5.0, neighbours=n, **CLOSE).fit(X).item_item.toarray() for n in (3, None)
    )
    assert np.abs(few - every).max() > 0.01


def test_as_many_neighbours_as_items_are_all_items(X):
    few, every = (
        SLIM(1.0, 5.0, neighbours=n, **CLOSE).fit(X).item_item.toarray() for n in (29, None)
    )
    np.testing.assert_allclose(few, every, rtol=0, atol=2 * np.sqrt(30) * 2e-5 / 5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("neighbours", [None, 8, 1000])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
def test_optimality_conditions_hold(random_matrix, seed, neighbours, tolerance):
    generator = np.random.default_rng(seed)
    dense = random_matrix(90, 25, 0.25, seed=seed).toarray()
    # Items alike, one without users, one that everybody has.
    dense[:, 3] = dense[:, 4]
    dense[:, 7], dense[:, 9] = 0, 1
    l1, l2 = generator.uniform(0.1, 3, 2)
    X = sp.csr_array(dense)
    model = SLIM(l1, l2, neighbours, tolerance=tolerance, max_sweeps=5000).fit(X)
    B = model.item_item.toarray().astype(np.float64)
    G = dense.astype(np.float64).T @ dense
    slack = G - G @ B - l1 - l2 * B
    allowed = np.full((25, 25), True)
    if neighbours == 8:
        allowed = ItemKNN(neighbours=8).fit(X).item_item.toarray() > 0
    np.fill_diagonal(allowed, False)
    # B is rounded to float32, of weights that are at most about one.
    within = tolerance * np.diagonal(G) + G.sum(axis=0).max() * 2**-24
    assert (B >= 0).all()
    assert not B[~allowed].any()
    assert (np.where(B > 0, np.abs(slack), 0) <= within).all()
    assert (np.where(allowed & (B == 0), slack, 0) <= within).all()
    assert not B[7].any()
    assert not B[:, 7].any()


def test_groups_of_coordinates_change_nothing(X, monkeypatch):
    whole = SLIM(1.0, 5.0, neighbours=None).fit(X).item_item.toarray()
    monkeypatch.setattr(coordinate_descent, "_COORDINATES_AT_ONCE", 1)
    monkeypatch.setattr(slim, "_TARGETS_AT_ONCE", 7)
    # The same steps in the same order; sums differ by rounding only.
    np.testing.assert_allclose(
        SLIM(1.0, 5.0, neighbours=None).fit(X).item_item.toarray(), whole, atol=1e-6
    )


def test_a_larger_l1_is_sparser(X):
    counts = [SLIM(l1=l1, neighbours=None).fit(X).item_item.nnz for l1 in (0.0, 1.0, 5.0, 1e6)]
    assert counts[0] > counts[1] > counts[2] > counts[3] == 0


@pytest.mark.parametrize("neighbours", [None, 10])
def test_too_few_sweeps_are_reported(X, caplog, neighbours):
    with caplog.at_level(logging.WARNING, logger="beekit"):
        SLIM(1.0, 5.0, neighbours=neighbours, max_sweeps=1, tolerance=1e-9).fit(X)
    assert "have not converged after 1 sweeps" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="beekit"), warnings.catch_warnings():
        SLIM(1.0, 5.0, neighbours=neighbours).fit(X)
    assert not caplog.text


def test_a_catalog_beyond_memory_is_refused_before_the_work(X, monkeypatch):
    monkeypatch.setattr(slim, "_free_bytes", lambda: 1000)
    with pytest.raises(DataError, match="Set neighbours, for example to 200"):
        SLIM(1.0, 5.0, neighbours=None).fit(X)


@pytest.mark.parametrize(
    "setting",
    [{"l1": -1.0}, {"l2": -1.0}, {"neighbours": 0}, {"tolerance": 0.0}, {"max_sweeps": 0}],
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        SLIM(**setting)
