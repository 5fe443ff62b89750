"""EASE against dense algebra, and what it says when memory is short."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.errors import ConfigError, DataError
from beekit.models import EASE
from beekit.models.linear.ease import predicted_bytes


def dense_solution(X, regularization: float) -> np.ndarray:
    """Eq. 8 of Steck 2019, with an inverse, in float64."""
    gram = (X.T @ X).toarray().astype(np.float64) + regularization * np.eye(X.shape[1])
    precision = np.linalg.inv(gram)
    solution = -precision / np.diag(precision)[None, :]
    np.fill_diagonal(solution, 0)
    return solution


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
def test_solution_is_that_of_dense_algebra(random_matrix, dtype, tolerance):
    X = random_matrix(300, 80, 0.1, seed=4)
    item_item = EASE(regularization=20, dtype=dtype).fit(X).item_item
    # float32: eps times the condition number of the Gram matrix, about 200 here.
    np.testing.assert_allclose(item_item, dense_solution(X, 20), atol=tolerance)
    assert item_item.dtype == dtype


def test_dropout_is_the_expected_error_of_missing_interactions(random_matrix):
    X = random_matrix(60, 8, 0.3, seed=3)
    p, dense = 0.4, X.toarray().astype(np.float64)
    found = EASE(regularization=2, dropout=p, dtype="float64").fit(X).item_item
    assert not np.allclose(found, EASE(regularization=2, dtype="float64").fit(X).item_item)
    for item in range(8):
        others = np.delete(np.arange(8), item)
        # All ways in which the other seven may be missing, with their chances.
        kept = (np.arange(2**7)[:, None] >> np.arange(7)) & 1
        chance = (1 - p) ** kept.sum(axis=1) * p ** (7 - kept.sum(axis=1))
        gram, pull = 2 * np.eye(7), np.zeros(7)
        for keep, weight in zip(kept, chance, strict=True):
            inputs = dense[:, others] * keep / (1 - p)
            gram += weight * inputs.T @ inputs
            pull += weight * inputs.T @ dense[:, item]
        np.testing.assert_allclose(found[others, item], np.linalg.solve(gram, pull), rtol=1e-10)


def test_solution_minimises_the_objective_among_zero_diagonals(random_matrix):
    X = random_matrix(100, 20, 0.2, seed=1)
    best = EASE(regularization=5, dtype="float64").fit(X).item_item
    generator = np.random.default_rng(0)

    def objective(B):
        return np.square(X.toarray() - X @ B).sum() + 5 * np.square(B).sum()

    for _ in range(20):
        step = generator.normal(size=best.shape) * 1e-3
        np.fill_diagonal(step, 0)
        assert objective(best + step) > objective(best)


def test_two_items_by_hand():
    # Three users have both items, one only the first: G = [[4, 3], [3, 3]] and B_01 = 3 / (4 + λ).
    X = sp.csr_array(np.array([[1, 1], [1, 1], [1, 1], [1, 0]], dtype=np.float32))
    item_item = EASE(regularization=2, dtype="float64").fit(X).item_item
    np.testing.assert_allclose(item_item, [[0, 3 / 6], [3 / 5, 0]], atol=1e-15)


def test_item_item_lies_in_rows_so_that_sparse_products_copy_nothing(random_matrix):
    assert EASE().fit(random_matrix(50, 40)).item_item.flags.c_contiguous


def test_memory_is_checked_before_anything_is_solved(random_matrix, monkeypatch):
    class Little:
        available = 1000

    monkeypatch.setattr("beekit.models.linear.ease.psutil.virtual_memory", Little)
    with pytest.raises(DataError, match="Use SANSA"):
        EASE().fit(random_matrix(50, 40))
    assert predicted_bytes(38_048) == 2 * 38_048**2 * 4
    assert predicted_bytes(100, "float64") == 2 * predicted_bytes(100)


@pytest.mark.parametrize("wrong", [{"regularization": 0}, {"dtype": "float16"}])
def test_hyperparameters_outside_their_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        EASE(**wrong)
