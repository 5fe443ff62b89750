"""ALS: the objective it minimises, and users solved for."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.errors import ConfigError
from beekit.models import ALS

pytest.importorskip("implicit")


@pytest.fixture
def X(random_matrix):
    return random_matrix(60, 40, 0.15, seed=2)


def objective(model, X):
    P, Q = model.user_vectors(X).astype(np.float64), model.item_vectors.astype(np.float64)
    error = (X.toarray() - P @ Q.T) ** 2 * np.where(X.toarray() > 0, 1 + model.alpha, 1)
    return error.sum() + model.regularization * ((P**2).sum() + (Q**2).sum())


def test_iterations_lower_the_objective(X):
    values = [
        objective(ALS(embedding_dim=4, iterations=i, regularization=0.5).fit(X), X)
        for i in (1, 3, 10, 30)
    ]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.9 * values[0]


def test_item_vectors_are_the_solution_for_their_users(X):
    model = ALS(embedding_dim=4, iterations=300, regularization=0.5, alpha=2.0).fit(X)
    P, Q = model.user_vectors(X).astype(np.float64), model.item_vectors.astype(np.float64)
    weights = np.where(X.toarray() > 0, 3.0, 1.0)
    gradient = (weights * (P @ Q.T - X.toarray())).T @ P + 0.5 * Q
    # At the minimum the two terms of the gradient cancel: in float32, to a thousandth.
    assert np.abs(gradient).max() < 1e-3 * np.abs(0.5 * Q).max()


def test_users_are_solved_for_with_the_weights_of_training(X):
    model = ALS(embedding_dim=4, alpha=6.0, regularization=0.3).fit(X)
    Q, x = model.item_vectors.astype(np.float64), X.toarray()[3]
    weights = np.diag(np.where(x > 0, 7.0, 1.0))
    expected = np.linalg.solve(Q.T @ weights @ Q + 0.3 * np.eye(4), Q.T @ weights @ x)
    np.testing.assert_allclose(model.user_vectors(X)[3], expected, rtol=1e-6, atol=1e-7)


def test_items_without_users_score_zero(random_matrix):
    dense = random_matrix(60, 40, 0.15, seed=2).toarray()
    dense[:, [4, 9]] = 0
    model = ALS(embedding_dim=4).fit(sp.csr_array(dense))
    assert not model.item_vectors[[4, 9]].any()
    assert model.item_vectors.any(axis=1).sum() == 38


def test_weights_and_seeds_matter(X):
    fitted = [
        ALS(embedding_dim=4, alpha=alpha, seed=seed).fit(X).recommend(X, 10)[0]
        for alpha, seed in ((1.0, 0), (50.0, 0), (1.0, 1))
    ]
    assert (fitted[0] != fitted[1]).mean() > 0.2
    assert (fitted[0] != fitted[2]).any()


def test_without_the_package_it_names_the_command(monkeypatch, X):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(ConfigError, match=r"pip install 'beekit\[implicit\]'"):
        ALS().fit(X)


@pytest.mark.parametrize(
    "wrong", [{"embedding_dim": 0}, {"regularization": 0.0}, {"alpha": -1.0}, {"iterations": 0}]
)
def test_settings_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        ALS(**wrong)
