"""Where graph models start: singular vectors of the graph, in the sizes that are promised."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.models.graph.spectral_start import popular_start, smooth_start


@pytest.fixture
def X(random_matrix):
    dense = random_matrix(30, 20, 0.25, seed=4).toarray()
    dense[:, 7] = 0
    dense[3] = 0
    return sp.csr_array(dense)


def decomposed(X):
    A = X.toarray().astype(np.float64)
    with np.errstate(divide="ignore"):
        of_user, of_item = (np.where(d > 0, d**-0.5, 0.0) for d in (A.sum(axis=1), A.sum(axis=0)))
    return np.linalg.svd(of_user[:, None] * A * of_item, full_matrices=False)


def test_smooth_vectors_are_singular_vectors_of_one_size(X):
    users, items = smooth_start(X, 4, 0.1, seed=0)
    U, _, V = decomposed(X)
    for found, expected in ((users, U[:, :4]), (items, V[:4].T)):
        signs = np.sign((found * expected).sum(axis=0))
        size = 0.1 * np.sqrt(len(found))
        np.testing.assert_allclose(found, signs * size * expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(np.sqrt((found**2).mean(axis=0)), 0.1, rtol=1e-5)


def test_products_of_popular_vectors_are_odds_and_the_interactions_again(X):
    odds = np.arange(20) / 10
    users, items = popular_start(X, odds, 21, gain=4.0, seed=0)
    U, values, V = decomposed(X)
    lengths, support = X.toarray().sum(axis=1), X.toarray().sum(axis=0)
    expected = 4 * X.toarray()
    first = np.outer(U[:, 0] * np.sqrt(lengths), V[0] * np.sqrt(support)) * values[0]
    expected = np.log(np.maximum(odds, 1e-6)) + expected - 4 * first
    # Up to two random columns, of rank X + 1 and beyond, with entries of about .01.
    np.testing.assert_allclose(users @ items.T, expected, atol=5e-3)


@pytest.mark.parametrize("dims", [1, 2, 40])
def test_any_number_of_columns(X, dims):
    for users, items in (
        smooth_start(X, dims, 0.1, seed=0),
        popular_start(X, np.full(20, 0.1), dims, gain=4.0, seed=0),
    ):
        assert users.shape == (30, dims)
        assert items.shape == (20, dims)
        assert np.isfinite(users).all()
        assert np.isfinite(items).all()
        assert items.any(axis=0).all(), "a column of zeros would never learn"
