"""Which pairs a matrix holds, and what it takes to say so."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit import matrices
from beekit.evaluation.metrics import hits
from beekit.index import VectorSearch
from beekit.matrices import holds
from beekit.ranking.lists import listed

ITEMS = 10**6


@given(
    rows=st.integers(1, 8),
    columns=st.integers(1, 12),
    width=st.integers(0, 9),
    block=st.integers(1, 20),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=150, deadline=None)
def test_a_pair_is_held_where_the_dense_matrix_says_so(rows, columns, width, block, seed):
    generator = np.random.default_rng(seed)
    dense = generator.random((rows, columns)) < 0.3
    X = sp.csr_array(dense.astype(np.float32))
    asked = generator.integers(-1, columns, (rows, width))
    users = np.arange(rows)[:, None]
    expected = dense[users, asked] & (asked >= 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrices, "_LOOKED_UP", block)
        np.testing.assert_array_equal(holds(X, users, asked), expected)
        turned = X.copy()
        for begin, end in zip(X.indptr[:-1], X.indptr[1:], strict=True):
            turned.indices[begin:end] = X.indices[begin:end][::-1]
        turned.has_sorted_indices = False
        np.testing.assert_array_equal(holds(turned, users, asked), expected)
        lists = generator.integers(-1, columns, (rows, 4))
        inside = [[i >= 0 and i in row for i in one] for one, row in zip(asked, lists, strict=True)]
        np.testing.assert_array_equal(listed(lists, asked), np.reshape(inside, asked.shape))


def peak_bytes(call) -> tuple[object, int]:
    tracemalloc.start()
    try:
        return call(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def some_pairs(users: int, each: int) -> sp.csr_array:
    generator = np.random.default_rng(0)
    items = np.sort(generator.integers(0, ITEMS, (users, each)), axis=1).ravel()
    ends = np.arange(0, users * each + 1, each)
    X = sp.csr_array((np.ones(users * each, np.float32), items, ends), shape=(users, ITEMS))
    X.sum_duplicates()
    return X


def test_hits_among_a_million_items_take_what_the_pairs_take():
    users, each, k = 2000, 30, 20
    target = some_pairs(users, each)
    ranked = np.random.default_rng(1).integers(-1, ITEMS, (users, k))
    ranked[:, 3] = target.indices[target.indptr[:-1]]
    found, peak = peak_bytes(lambda: hits(ranked, target))
    assert found[:, 3].all()
    # Eight numbers of 8 bytes for each pair asked and each stored; a table would take 2 GB.
    assert peak <= 64 * users * (k + each) + 2**20


def test_seen_items_among_a_million_take_what_the_lists_take():
    users, each, k = 100, 30, 10
    seen = some_pairs(users, each)
    search = VectorSearch(np.random.default_rng(2).normal(size=(ITEMS, 2)), gpu=False)
    vectors = np.random.default_rng(3).normal(size=(users, 2))
    search.search(vectors[:1], k)  # so that what is made once is made
    (items, _), peak = peak_bytes(lambda: search.search(vectors, k, seen=seen))
    assert (items >= 0).all()
    assert not holds(seen, np.arange(users)[:, None], items).any()
    # 256 bytes a pair fetched, and 16 an item for the candidates; a table would take 100 MB.
    assert peak <= 256 * users * (k + each + 8) + 16 * ITEMS + 2**20
