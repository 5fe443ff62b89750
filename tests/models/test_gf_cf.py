"""GF-CF against dense algebra."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.models import GFCF


@pytest.fixture
def X(random_matrix):
    dense = random_matrix(30, 20, 0.25, seed=4).toarray()
    dense[:, 7] = 0
    dense[3] = 0
    return sp.csr_array(dense)


def dense_scores(X, histories, dims, weight):
    A = X.toarray().astype(np.float64)
    users, items = A.sum(axis=1), A.sum(axis=0)
    with np.errstate(divide="ignore"):
        of_user, of_item = (np.where(d > 0, d**-0.5, 0.0) for d in (users, items))
    N = of_user[:, None] * A * of_item
    V = np.linalg.svd(N)[2][:dims].T
    x = histories.toarray().astype(np.float64)
    return x @ N.T @ N + weight * (x * of_item) @ V @ V.T * np.sqrt(items)


@pytest.mark.parametrize(("dims", "weight"), [(5, 0.3), (5, 0.0), (20, 1.5)])
def test_scores_are_those_of_dense_algebra(X, random_matrix, dims, weight):
    histories = random_matrix(12, 20, 0.2, seed=9)
    items, scores = (
        GFCF(embedding_dim=dims, ideal_weight=weight)
        .fit(X)
        .recommend(histories, 20, exclude_seen=False)
    )
    expected = dense_scores(X, histories, dims, weight)
    np.testing.assert_allclose(
        scores, np.take_along_axis(expected, items, axis=1), rtol=1e-5, atol=1e-6
    )


def test_candidates_change_no_score(X):
    model = GFCF(embedding_dim=4).fit(X)
    some = np.array([2, 5, 7, 11])
    every, scores = model.recommend(X, 20, exclude_seen=False)
    few, theirs = model.recommend(X, 4, some, exclude_seen=False)
    by_item = np.empty((30, 20), dtype=np.float32)
    np.put_along_axis(by_item, every, scores, axis=1)
    np.testing.assert_array_equal(np.take_along_axis(by_item, few, axis=1), theirs)


def test_items_without_interactions_score_zero(X):
    _, scores = GFCF(embedding_dim=4).fit(X).recommend(X, 1, np.array([7]))
    assert (scores == 0).all()
