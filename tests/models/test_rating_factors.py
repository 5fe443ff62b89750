"""Matrix factorisation of ratings and means, against loops and dense solutions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.models import BiasedMF, GlobalMean, ItemMean, RatingPMF, UserMean
from beekit.models.ratings.least_squares import ridge_vectors


@pytest.fixture
def X():
    generator = np.random.default_rng(7)
    rows, columns = np.nonzero(generator.random((14, 9)) < 0.5)
    ratings = generator.integers(1, 11, len(rows)) / 2
    return sp.csr_array((ratings, (rows, columns)), shape=(14, 9))


def everything(X):
    return np.indices(X.shape).reshape(2, -1)


def rows_of(X):
    return np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))


@pytest.mark.parametrize("dims", [2, 5, 30])
def test_ridge_vectors_solve_the_normal_equations(X, dims):
    generator = np.random.default_rng(0)
    Q, towards = generator.normal(size=(9, dims)), generator.normal(size=dims)
    found = ridge_vectors(X, Q, 0.7, towards)
    for user in range(14):
        mine = slice(X.indptr[user], X.indptr[user + 1])
        own, ratings = Q[X.indices[mine]], X.data[mine]
        system = own.T @ own + 0.7 * np.eye(dims)
        expected = np.linalg.solve(system, own.T @ ratings + 0.7 * towards)
        np.testing.assert_allclose(found[user], expected, rtol=1e-9, atol=1e-10)


def parts(model, X, dims):
    """p, b_u, q and b_i of a fitted model, in float64."""
    users, items = model.user_vectors(X).astype(float), model.item_vectors.astype(float)
    assert (items[:, dims] == 1).all()
    assert (users[:, -1] == 1).all()
    return users[:, :dims], users[:, dims], items[:, :dims], items[:, -1]


def criterion(model, X, dims):
    p, b, q, c = parts(model, X, dims)
    total = 0.0
    for user in range(X.shape[0]):
        for place in range(X.indptr[user], X.indptr[user + 1]):
            item = X.indices[place]
            expected = model.mean + b[user] + c[item] + p[user] @ q[item]
            total += (X.data[place] - expected) ** 2
    total += model.regularization * ((p**2).sum() + (q**2).sum())
    return total + model.bias_regularization * ((b**2).sum() + (c**2).sum())


@pytest.mark.parametrize("kind", [BiasedMF, RatingPMF])
def test_each_sweep_lowers_the_criterion(X, kind):
    values = [
        criterion(kind(embedding_dim=3, regularization=0.8, sweeps=n).fit(X), X, 3)
        for n in range(1, 9)
    ]
    assert (np.diff(values) < 0).all()


def test_it_ends_where_no_step_on_either_side_lowers_the_criterion(X):
    model = BiasedMF(embedding_dim=2, regularization=2.0, bias_regularization=1.0, sweeps=2000)
    model.fit(X)
    p, b, q, c = parts(model, X, 2)
    rows = rows_of(X)
    error = model.mean + b[rows] + c[X.indices] + (p[rows] * q[X.indices]).sum(axis=1) - X.data
    for gradient in (
        np.bincount(rows, error, 14) + 1.0 * b,
        np.bincount(X.indices, error, 9) + 1.0 * c,
        *(np.bincount(rows, error * q[X.indices, d], 14) + 2.0 * p[:, d] for d in range(2)),
        *(np.bincount(X.indices, error * p[rows, d], 9) + 2.0 * q[:, d] for d in range(2)),
    ):
        np.testing.assert_allclose(gradient, 0, atol=2e-3)


def test_with_biases_alone_it_is_one_dense_ridge_regression(X):
    model = BiasedMF(embedding_dim=0, bias_regularization=1.5, sweeps=500).fit(X)
    rows = rows_of(X)
    design = np.zeros((X.nnz, 14 + 9))
    design[np.arange(X.nnz), rows] = 1
    design[np.arange(X.nnz), 14 + X.indices] = 1
    left = X.data - X.data.mean()
    solved = np.linalg.solve(design.T @ design + 1.5 * np.eye(23), design.T @ left)
    users, items = everything(X)
    expected = X.data.mean() + solved[users] + solved[14 + items]
    lowest, highest = X.data.min(), X.data.max()
    np.testing.assert_allclose(
        model.predict(X, users, items), expected.clip(lowest, highest), rtol=1e-5
    )


def test_without_biases_there_are_none(X):
    model = RatingPMF(embedding_dim=3, regularization=0.5).fit(X)
    _, b, _, c = parts(model, X, 3)
    assert not b.any()
    assert not c.any()


def test_a_user_who_was_not_there_gets_what_a_fit_with_them_would_nearly_give():
    generator = np.random.default_rng(1)
    truth = 3 + generator.normal(size=(80, 1)) @ generator.normal(size=(1, 30)) / 2
    seen = generator.random(truth.shape) < 0.6
    X = sp.csr_array(np.where(seen, truth, 0.0))
    without, whole = (
        BiasedMF(embedding_dim=2, regularization=0.5).fit(part) for part in (X[1:], X)
    )
    rest = np.flatnonzero(~seen[0])
    asked = np.zeros(len(rest), dtype=int), rest
    found, expected = (model.predict(X, *asked) for model in (without, whole))
    np.testing.assert_allclose(found, expected, atol=0.15)
    assert np.abs(found - truth[0, rest]).mean() < 0.3


def test_predictions_are_cut_to_the_range_of_ratings():
    X = sp.csr_array(np.array([[5.0, 5, 5, 0], [5, 5, 5, 5], [1, 0, 1, 5]]))
    model = BiasedMF(embedding_dim=0, bias_regularization=0.01, sweeps=200).fit(X)
    products = model.user_vectors(X) @ model.item_vectors.T + model.mean
    assert products.max() > 5.001
    assert model.predict(X, *everything(X)).max() == 5


def test_means_by_hand():
    X = sp.csr_array(np.array([[1.0, 5, 0], [4, 0, 0], [0, 0, 0]]))
    users, items = everything(X)

    def predicted(model):
        return model.fit(X).predict(X, users, items).reshape(3, 3)

    mean = 10 / 3
    np.testing.assert_allclose(predicted(GlobalMean()), np.full((3, 3), mean), rtol=1e-6)
    plain = predicted(ItemMean(damping=0))
    np.testing.assert_allclose(plain, [[2.5, 5, mean]] * 3, rtol=1e-6)
    damped = predicted(ItemMean(damping=2))
    expected = [(5 + 2 * mean) / 4, (5 + 2 * mean) / 3, mean]
    np.testing.assert_allclose(damped, [expected] * 3, rtol=1e-6)
    plain = predicted(UserMean(damping=0))
    np.testing.assert_allclose(plain, np.array([[3, 4, mean]]).T.repeat(3, axis=1), rtol=1e-6)
    damped = predicted(UserMean(damping=1))[:, 0]
    np.testing.assert_allclose(damped, [(6 + mean) / 3, (4 + mean) / 2, mean], rtol=1e-6)


def test_the_mean_of_a_user_is_that_of_the_ratings_given():
    X = sp.csr_array(np.array([[1.0, 5, 0], [4, 0, 0]]))
    model = UserMean(damping=0).fit(X)
    other = sp.csr_array(np.array([[2.0, 0, 0]]))
    assert model.predict(other, [0], [2]).tolist() == [2.0]


def test_without_any_rating_all_expect_nothing_special():
    X = sp.csr_array((3, 2))
    for model in (GlobalMean(), ItemMean(), UserMean(), BiasedMF(), RatingPMF()):
        assert model.fit(X).predict(X, [0, 2], [1, 0]).tolist() == [0, 0]
