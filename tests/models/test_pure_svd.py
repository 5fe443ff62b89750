"""PureSVD against a dense decomposition."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.errors import BeekitError
from beekit.models import PureSVD

EPS = np.finfo(np.float32).eps


def test_by_hand():
    X = sp.csr_array(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]], dtype=np.float32))
    model = PureSVD(embedding_dim=1).fit(X)
    half = 2**-0.5
    np.testing.assert_allclose(model.item_vectors, [[half], [half], [0], [0]], atol=EPS)
    known = sp.csr_array(np.array([[1, 0, 0, 0], [0, 0, 1, 0]], dtype=np.float32))
    items, scores = model.recommend(known, 3)
    # x V Vᵀ: half of an item used with the one known; nothing of a direction left out.
    assert items.tolist() == [[1, 2, 3], [0, 1, 3]]
    np.testing.assert_allclose(scores, [[0.5, 0, 0], [0, 0, 0]], atol=2 * EPS)


@pytest.mark.parametrize("shape", [(60, 40), (30, 50)])
def test_it_is_the_truncated_decomposition(random_matrix, shape):
    X = random_matrix(*shape, 0.2, seed=1)
    model = PureSVD(embedding_dim=5).fit(X)
    _, _, rows = np.linalg.svd(X.toarray().astype(np.float64))
    exact = rows[:5].T
    # Entries below one, each rounded to float32; the iteration converges to float64.
    projection = model.item_vectors.astype(np.float64) @ model.item_vectors.T
    np.testing.assert_allclose(projection, exact @ exact.T, atol=5 * EPS)
    signs = np.sign((model.item_vectors * exact).sum(axis=0))
    np.testing.assert_allclose(model.item_vectors, exact * signs, atol=EPS)


def test_largest_entries_are_positive_and_the_seed_moves_nothing_but_rounding(random_matrix):
    X = random_matrix(60, 40, 0.2, seed=1)
    first, second = (PureSVD(embedding_dim=5, seed=seed).fit(X).item_vectors for seed in (0, 1))
    assert (np.take_along_axis(first, np.abs(first).argmax(axis=0)[None], 0) > 0).all()
    np.testing.assert_allclose(first, second, atol=2 * EPS)


def test_with_every_direction_a_training_history_scores_as_itself(random_matrix):
    X = random_matrix(12, 30, 0.3, seed=4)
    for dims in (12, 500):
        model = PureSVD(embedding_dim=dims).fit(X)
        assert model.item_vectors.shape == (30, 12)
        items, scores = model.recommend(X, 30, exclude_seen=False)
        in_order = np.take_along_axis(scores, items.argsort(axis=1), 1)
        np.testing.assert_allclose(in_order, X.toarray(), atol=60 * EPS)


def test_directions_beyond_the_rank_are_left_out():
    # Rank 2 in 40 × 40: the other directions are arbitrary, and would score unknown histories.
    X = sp.csr_array(np.kron(np.eye(2), np.ones((20, 20))).astype(np.float32))
    vectors = PureSVD(embedding_dim=6).fit(X).item_vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), [1, 1, 0, 0, 0, 0], atol=20 * EPS)
    assert not PureSVD().fit(sp.csr_array((5, 4))).item_vectors.any()


def test_fewer_dimensions_rank_otherwise(random_matrix):
    X = random_matrix(60, 40, 0.2, seed=1)
    few, many = (PureSVD(embedding_dim=dims).fit(X).recommend(X, 10)[0] for dims in (2, 30))
    assert (few != many).mean() > 0.5


def test_similar_items_are_used_by_the_same_users():
    X = sp.csr_array(np.kron(np.eye(2), [[1, 1, 0], [1, 1, 1]]).astype(np.float32))
    model = PureSVD(embedding_dim=4).fit(X)
    items, cosines = model.similar(np.array([0, 4]), 2)
    # Items 0 and 1 have the same users; no direction is shared with the item only one of those has.
    assert items[:, 0].tolist() == [1, 3]
    np.testing.assert_allclose(cosines, [[1, 0], [1, 0]], atol=8 * EPS)
    with pytest.raises(BeekitError, match="6 among the item indices"):
        model.similar(np.array([6]), 2)
    with pytest.raises(BeekitError, match="before fit"):
        PureSVD().similar(np.array([0]), 2)
    with pytest.raises(BeekitError, match="embedding_dim=0"):
        PureSVD(embedding_dim=0)
