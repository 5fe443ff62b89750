"""Sparse item-item scoring and what it is made of: blocks, strongest entries, counts in parts."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit.models.base import Request
from beekit.models.linear import sparse_scores
from beekit.models.linear import top_entries as strongest_module
from beekit.models.linear.blocks import row_blocks
from beekit.models.linear.gram import gram_parts
from beekit.models.linear.sparse_scores import recommend_sparse
from beekit.models.linear.top_entries import strongest
from beekit.ranking.top_k import recommend_by_scores


def item_item(items: int, density: float, seed: int) -> sp.csr_array:
    """Weights of a few levels, some negative, so that scores tie and cancel exactly."""
    generator = np.random.default_rng(seed)
    dense = generator.integers(-1, 4, (items, items)) * (generator.random((items, items)) < density)
    return sp.csr_array(dense.astype(np.float32))


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("stored", [1, 50, 2**21])
@pytest.mark.parametrize("density", [0.02, 0.3])
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_sparse_scoring_is_dense_scoring(
    monkeypatch, random_matrix, share, stored, density, exclude_seen
):
    monkeypatch.setattr(sparse_scores, "_DENSE_SHARE", share)
    monkeypatch.setattr(sparse_scores, "_BLOCK_STORED", stored)
    X = random_matrix(40, 30, 0.1, seed=4)
    B = item_item(30, density, seed=1)
    dense = B.toarray()
    for candidates in (None, np.array([7, 2, 29, 11, 2]), np.array([5]), np.empty(0, dtype=int)):
        for k in (1, 6, 40):
            found = recommend_sparse(B, Request(X, k, candidates, exclude_seen))
            expected = recommend_by_scores(
                lambda allowed: lambda h: h @ dense[:, allowed], X, k, candidates, exclude_seen
            )
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_array_equal(found[1], expected[1])


def test_no_users_get_no_lists():
    items, scores = recommend_sparse(
        item_item(5, 0.5, 0), Request(sp.csr_array((0, 5)), 3, None, True)
    )
    assert items.shape == scores.shape == (0, 3)


def test_negative_scores_come_after_items_without_any():
    B = sp.csr_array(np.array([[0, -1, 0, 2], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], float))
    X = sp.csr_array(np.array([[1, 0, 0, 0]]))
    items, scores = recommend_sparse(B, Request(X, 4, None, True))
    assert items.tolist() == [[3, 2, 1, -1]]
    assert scores.tolist() == [[2, 0, -1, -np.inf]]


def require_strongest(kept, values, n):
    """A row keeps its n largest positive values; of those at the cut any will do."""
    positive = np.sort(values[values > 0])[::-1]
    chosen = np.flatnonzero(kept)
    np.testing.assert_array_equal(kept[chosen], values[chosen])
    np.testing.assert_array_equal(np.sort(kept[chosen])[::-1], positive[:n])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 20), st.integers(1, 5))
def test_the_strongest_are_those_of_a_loop(seed, rows, columns, n):
    generator = np.random.default_rng(seed)
    levels = np.array([0, 0, -1, 1, 1.5, 1e-30, 3e30], dtype=np.float32)
    dense = generator.choice(levels, (rows, columns))
    found = strongest(sp.csr_array(dense), n)
    for kept, values in zip(found.toarray(), dense, strict=True):
        require_strongest(kept, values, n)
    assert found.dtype == np.float32
    assert found.has_sorted_indices


def test_of_ties_at_the_cut_every_column_is_kept_as_often():
    rows, columns, n = 6000, 12, 3
    found = strongest(sp.csr_array(np.ones((rows, columns))), n).toarray()
    assert (found.sum(axis=1) == n).all()
    # Binomial counts: five standard deviations around rows · n / columns.
    share = n / columns
    spread = 5 * np.sqrt(rows * share * (1 - share))
    np.testing.assert_allclose(found.sum(axis=0), rows * share, atol=spread)
    # So are pairs.
    together = (found.T @ found)[np.triu_indices(columns, 1)]
    expected = rows * n * (n - 1) / (columns * (columns - 1))
    np.testing.assert_allclose(together, expected, atol=6 * np.sqrt(expected))


@pytest.mark.parametrize("first_row", [0, 7])
def test_blocks_of_rows_draw_as_the_whole_does(first_row):
    dense = np.ones((20, 9))
    whole = strongest(sp.csr_array(dense), 4).toarray()
    part = strongest(sp.csr_array(dense[first_row:]), 4, first_row).toarray()
    np.testing.assert_array_equal(part, whole[first_row:])


def test_rows_beyond_the_key_are_sorted_apart(monkeypatch):
    # 31 bits for values and 3 for columns leave one for rows: two at a time.
    dense = np.random.default_rng(0).random((9, 8)).astype(np.float32)
    expected = strongest(sp.csr_array(dense), 3).toarray()
    sizes = []
    one = strongest_module._strongest

    def counted(scores, *more):
        sizes.append(scores.shape[0])
        return one(scores, *more)

    monkeypatch.setattr(strongest_module, "_strongest", counted)
    monkeypatch.setattr(strongest_module, "_KEY_BITS", 31 + 3 + 1)
    np.testing.assert_array_equal(strongest(sp.csr_array(dense), 3).toarray(), expected)
    assert sizes == [2, 2, 2, 2, 1]


@pytest.mark.parametrize("stored", [1, 20, 10**6])
def test_blocks_cover_all_rows_and_store_no_more_than_said(random_matrix, stored):
    left, right = random_matrix(50, 30, 0.1), random_matrix(30, 40, 0.2, seed=1)
    ranges = list(row_blocks(left, right, stored))
    assert [b for b, _ in ranges] == [0, *(e for _, e in ranges[:-1])]
    assert ranges[-1][1] == 50
    for begin, end in ranges:
        assert (left[begin:end] @ right).nnz <= stored or end == begin + 1


@pytest.mark.parametrize("most_items", [1, 7, 12, 40])
def test_counts_in_parts_are_the_counts(random_matrix, most_items):
    X = random_matrix(60, 40, 0.2)
    sets = sp.csr_array(random_matrix(25, 40, 0.1, seed=1) + sp.eye_array(25, 40))
    gram = (X.T @ X).toarray()
    rows = []
    for part, items, counts in gram_parts(X, sets, most_bytes=most_items**2):
        rows += range(25)[part]
        np.testing.assert_array_equal(counts, gram[np.ix_(items, items)])
        assert counts.dtype == np.uint8
        np.testing.assert_array_equal(items, np.unique(sets[part].indices))
        assert len(items) <= most_items or part.stop == part.start + 1 or most_items == 40
    assert rows == list(range(25))


def test_counts_past_one_type_take_the_next():
    X = sp.csr_array(np.ones((256, 2), dtype=np.float32))
    everything = sp.csr_array(np.ones((1, 2)))
    assert next(gram_parts(X, everything))[2].dtype == np.uint16
    assert next(gram_parts(X[:255], everything))[2].dtype == np.uint8
