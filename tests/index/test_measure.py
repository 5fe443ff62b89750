"""Measuring an index against exact search."""

from __future__ import annotations

import numpy as np
import pytest

from beekit import ItemIndex
from beekit.errors import ConfigError
from beekit.index import Effort, measure_index
from beekit.index.measure import index_bytes, list_recall


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)


@pytest.fixture
def X(random_matrix):
    return random_matrix(25, 300, 0.03, seed=1)


def test_recall_of_lists_by_hand():
    exact = np.array([[4, 2, 7], [1, -1, -1], [-1, -1, -1], [5, 6, -1]])
    found = np.array([[7, 9, 4], [1, -1, -1], [3, -1, -1], [-1, -1, -1]])
    np.testing.assert_array_equal(list_recall(found, exact), [2 / 3, 1, np.nan, 0])


def test_recall_is_what_counting_by_user_gives(vectors, X):
    candidates = np.arange(0, 300, 2)
    index = ItemIndex(vectors, factory="PQ4x4", effort=Effort(refine=1))
    quality = measure_index(index, X, 8, candidates)
    exact = ItemIndex(vectors).recommend(X, 8, candidates)[0]
    found = index.recommend(X, 8, candidates)[0]
    share = [len(set(f) & set(e)) / 8 for f, e in zip(found, exact, strict=True)]
    np.testing.assert_allclose(quality.per_user, share, rtol=1e-12)
    np.testing.assert_allclose(quality.recall, np.mean(share), rtol=1e-12)
    assert 0 < quality.recall < 1
    again = measure_index(index, X, 8, candidates, exact=exact)
    np.testing.assert_array_equal(again.per_user, quality.per_user)
    assert (quality.factory, quality.k, quality.users) == ("PQ4x4", 8, 25)
    assert quality.single_ms > 0
    assert quality.batch_us > 0


def test_exact_search_finds_all(vectors, X):
    assert measure_index(ItemIndex(vectors), X, 5).recall == 1


def test_users_with_nothing_left_to_list_do_not_count(vectors):
    X = np.zeros((2, 300), dtype=np.float32)
    X[0, :3] = 1
    quality = measure_index(ItemIndex(vectors, factory="HNSW8"), X, 2, np.arange(3))
    assert np.isnan(quality.per_user[0])
    assert quality.recall == quality.per_user[1] == 1


def test_no_users_are_refused(vectors, X):
    with pytest.raises(ConfigError, match="no users"):
        measure_index(ItemIndex(vectors), X[:0])


def test_bytes_are_those_of_what_is_searched(vectors):
    assert index_bytes(ItemIndex(vectors)) == 300 * 16 * 4
    codes = index_bytes(ItemIndex(vectors, factory="PQ4x4"))
    # Two bytes an item and 4 · 16 centroids of 4 floats, and a few fields.
    assert 300 * 2 + 16 * 16 * 4 <= codes <= 300 * 2 + 16 * 16 * 4 + 300
    assert index_bytes(ItemIndex(vectors, factory="HNSW8")) > 300 * 16 * 4
