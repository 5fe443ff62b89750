"""Parts of X, against dense arrays."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from random_interactions import random_interactions, tiny

from beekit.split.entries import columns, entries, used_items


@settings(deadline=None, max_examples=40)
@given(interactions=random_interactions(), seed=st.integers(0, 2**32))
def test_parts_hold_what_dense_arrays_hold(interactions, seed):
    dense = interactions.matrix.toarray()
    generator = np.random.default_rng(seed)
    wanted = np.flatnonzero(generator.random(interactions.n_items) < 0.5)
    of_items = columns(interactions.matrix, wanted)
    masked = dense * np.isin(np.arange(dense.shape[1]), wanted)
    assert np.array_equal(of_items.toarray(), masked)
    assert used_items(of_items).tolist() == np.flatnonzero(masked.any(axis=0)).tolist()

    keep = generator.random(interactions.n_interactions) < 0.5
    rows, items = np.nonzero(dense)
    expected = np.zeros_like(dense)
    expected[rows[keep], items[keep]] = 1
    part = entries(interactions.matrix, keep)
    assert np.array_equal(part.toarray(), expected)
    assert part.has_canonical_format
    assert part.nnz == keep.sum()


def test_a_part_is_a_copy():
    interactions = tiny()
    part = entries(interactions.matrix, np.ones(interactions.n_interactions, dtype=bool))
    part.data[:] = 0
    assert set(interactions.matrix.data.tolist()) == {1.0}
