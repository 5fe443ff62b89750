"""The sparse Markov random field against its definition in dense float64."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.errors import ConfigError
from beekit.models import MRF
from beekit.models.linear import gram, mrf


@pytest.fixture
def X():
    """150 users of 24 items, some items used together."""
    generator = np.random.default_rng(1)
    taste = generator.random((150, 5)) < 0.35
    belongs = 0.6 * (generator.random((5, 24)) < 0.3)
    return sp.csr_array((generator.random((150, 24)) < taste @ belongs + 0.05).astype(np.float32))


def rescaled(X, alpha):
    """Centred and rescaled data (users, items), and the scales."""
    dense = X.toarray().astype(np.float64)
    centred = dense - dense.mean(axis=0)
    scale = (centred**2).sum(axis=0) ** (-alpha / 2)
    return centred * scale, scale


def inverse_columns(gram, regularization):
    """−P_ij / P_jj with P the inverse; what EASE is, but for its diagonal."""
    precision = np.linalg.inv(gram + regularization * np.eye(len(gram)))
    return precision / -np.diag(precision)


def by_loops(X, model):
    """Sections 3.1 and 3.2 of the paper, entry by entry."""
    Z, scale = rescaled(X, model.alpha)
    S, items = Z.T @ Z, X.shape[1]
    near = []
    for j in range(items):
        others = [i for i in range(items) if i != j and abs(S[i, j]) >= model.threshold]
        others.sort(key=lambda i: (-np.float32(abs(S[i, j])), i))
        near.append(others[: model.neighbours])
    support = X.toarray().sum(axis=0)
    todo = sorted(range(items), key=lambda j: (-len(near[j]), -support[j], j))
    given = {}
    blocks = 0
    while todo:
        block = [todo[0], *near[todo[0]]]
        solved = block[: 1 + int(np.ceil(model.overlap * len(near[todo[0]])))]
        b = inverse_columns(S[np.ix_(block, block)], model.regularization)
        for column, j in enumerate(solved):
            for row, i in enumerate(block):
                if i in near[j]:
                    given.setdefault((i, j), []).append(b[row, column])
        todo = [j for j in todo if j not in solved]
        blocks += 1
    B = np.zeros((items, items))
    for (i, j), values in given.items():
        B[i, j] = scale[i] * np.mean(values) / scale[j]
    return B, blocks, max(map(len, given.values()))


def test_two_items_by_hand():
    # Supports 2 and 2 of 4 users, one in common: covariance 0 off the diagonal, so nothing to say;
    # with both in common it is S = [[1, 1], [1, 1]], and b = S_ij / (S_ii + λ) = 1 / (1 + 3).
    apart = sp.csr_array(np.array([[1, 1], [1, 0], [0, 1], [0, 0]]))
    assert MRF(threshold=0.0, alpha=0.0).fit(apart).item_item.nnz == 0
    together = sp.csr_array(np.array([[1, 1], [1, 1], [0, 0], [0, 0]]))
    B = MRF(3.0, threshold=0.5, alpha=0.0).fit(together).item_item.toarray()
    np.testing.assert_allclose(B, [[0, 0.25], [0.25, 0]], rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.75, 1.0])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 1.0])
def test_on_all_pairs_it_is_ease_on_the_rescaled_data(X, alpha, overlap):
    Z, scale = rescaled(X, alpha)
    expected = scale[:, None] * inverse_columns(Z.T @ Z, 2.0) / scale
    np.fill_diagonal(expected, 0)
    model = MRF(2.0, threshold=0.0, neighbours=None, overlap=overlap, alpha=alpha).fit(X)
    np.testing.assert_allclose(model.item_item.toarray(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("overlap", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("neighbours", [4, 24])
@pytest.mark.parametrize("gram_bytes", [1, 2**32])
def test_on_a_sparse_pattern_it_is_the_papers_algorithm(
    X, monkeypatch, overlap, neighbours, gram_bytes
):
    parts = gram.gram_parts
    monkeypatch.setattr(mrf, "gram_parts", lambda X, sets: parts(X, sets, gram_bytes))
    monkeypatch.setattr(mrf, "_BLOCK_ELEMENTS", 24 * (1 if gram_bytes == 1 else 100))
    model = MRF(2.0, 0.15, neighbours, overlap, alpha=0.75).fit(X)
    expected, blocks, times = by_loops(X, model)
    np.testing.assert_allclose(model.item_item.toarray(), expected, rtol=0, atol=1e-6)
    assert 0.03 < (expected != 0).mean() < 0.9
    # The case is one where inversions are saved, and their results averaged.
    assert (blocks < 24) == (overlap > 0)
    assert (times > 1) == (overlap > 0)


def test_without_overlap_a_column_is_a_ridge_regression_on_its_neighbours(X):
    Z, scale = rescaled(X, 0.5)
    B = MRF(1.5, 0.2, 5, overlap=0.0, alpha=0.5).fit(X).item_item.toarray()
    for j in range(24):
        near = np.flatnonzero(B[:, j])
        assert len(near) <= 5
        ridge = Z[:, near].T @ Z[:, near] + 1.5 * np.eye(len(near))
        weights = np.linalg.solve(ridge, Z[:, near].T @ Z[:, j])
        np.testing.assert_allclose(B[near, j], scale[near] * weights / scale[j], rtol=1e-5)


def test_overlap_changes_what_is_learnt_on_a_sparse_pattern(X):
    none, full = (MRF(1.0, 0.2, 5, overlap).fit(X).item_item.toarray() for overlap in (0.0, 1.0))
    assert np.abs(none - full).max() > 1e-3


def test_popularity_matters_unless_alpha_is_one(X):
    weak, strong = (MRF(1.0, 0.0, None, 0.0, alpha).fit(X).item_item for alpha in (0.0, 1.0))
    assert np.abs((weak - strong).toarray()).max() > 1e-3


def test_items_that_do_not_vary_take_no_part(X):
    dense = X.toarray()
    dense[:, 5], dense[:, 9] = 0, 1
    B = MRF(threshold=0.0, neighbours=None).fit(sp.csr_array(dense)).item_item.toarray()
    for item in (5, 9):
        assert not B[item].any()
        assert not B[:, item].any()
    assert B.any()


@pytest.mark.parametrize(
    "setting",
    [
        {"regularization": 0.0},
        {"threshold": -0.1},
        {"neighbours": 0},
        {"overlap": 1.1},
        {"alpha": -0.5},
    ],
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        MRF(**setting)
