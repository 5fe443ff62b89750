"""Products of sparse matrices and wide panels, in strips and blocks."""

from __future__ import annotations

import numpy as np
import pytest

from beekit.models.linear import wide_products
from beekit.models.linear.wide_products import times


@pytest.mark.parametrize("columns", [0, 1, 32, 33, 100])
def test_strips_change_nothing(random_matrix, columns):
    left = random_matrix(50, 40, 0.2)
    right = np.random.default_rng(0).normal(size=(40, columns)).astype(np.float32)
    np.testing.assert_array_equal(times(left, right), left @ right)
    narrow = np.ascontiguousarray(right[:, :1])
    np.testing.assert_array_equal(times(left, right)[:, :1], times(left, narrow))
    other = np.random.default_rng(1).normal(size=(50, columns)).astype(np.float32)
    np.testing.assert_array_equal(times(left.T, other), left.T @ other)


def test_blocks_of_users_add_up(random_matrix, monkeypatch):
    X = random_matrix(30, 20, 0.3)
    panel = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    product = X.toarray()[:, :12].astype(np.float64) @ panel
    for elements in (5, 35, 1000):
        monkeypatch.setattr(wide_products, "_BLOCK_ELEMENTS", elements)
        blocks = wide_products.user_blocks(X, 5)
        assert sum(block.shape[1] for block in blocks) == 30
        np.testing.assert_allclose(
            wide_products.product_gram(blocks, panel), product.T @ product, rtol=1e-4, atol=1e-4
        )


def test_the_first_items_are_those(random_matrix):
    block = random_matrix(20, 15, 0.3)
    part = wide_products.first_rows(block, 7, 15)
    np.testing.assert_array_equal(part.toarray(), block.toarray()[:7])
