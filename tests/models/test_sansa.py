"""SANSA and the algorithms it divides into."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.errors import BeekitError
from beekit.models import EASE, SANSA
from beekit.models.linear import exact_inverse as exact
from beekit.models.linear import factor_scores, incomplete_inverse, minimal_residual

INVERSES = {
    "exact": exact.exact_inverse,
    "incomplete": incomplete_inverse.incomplete_inverse,
}
# Float32 sums of some hundred terms: √100 roundings of 6e-8, times the condition number of A.
TOLERANCE = 1e-4


@pytest.fixture(params=INVERSES)
def factorisation(request):
    return request.param


@pytest.fixture
def narrow_panels(monkeypatch):
    """Panels of eight items and a last one of twelve, so that small catalogs need several."""
    monkeypatch.setattr(incomplete_inverse, "_PANEL_ITEMS", 8)
    monkeypatch.setattr(incomplete_inverse, "_LAST_PANEL_ITEMS", 12)
    monkeypatch.setattr(incomplete_inverse, "_LAST_PANEL_FACTORS", 0)
    monkeypatch.setattr(minimal_residual, "_PANEL_ITEMS", 7)
    monkeypatch.setattr(exact, "_BLOCK_ELEMENTS", 600)
    monkeypatch.setattr(exact, "_DENSE_ITEMS", 9)


@pytest.fixture
def X():
    """200 users, 60 items from rarely to often used, in tastes of ten items."""
    generator = np.random.default_rng(4)
    chance = np.linspace(0.03, 0.4, 60)
    taste = generator.integers(0, 6, 200)
    lift = np.where(taste[:, None] == np.arange(60)[None, :] % 6, 2.0, 0.6)
    dense = (generator.random((200, 60)) < chance * lift).astype(np.float32)
    return sp.csr_array(dense[:, np.argsort(dense.sum(axis=0), kind="stable")])


def gram(X, regularization):
    dense = X.toarray().astype(np.float64)
    return dense.T @ dense + regularization * np.eye(X.shape[1])


def ldl_by_loops(A):
    """L and D of A = L D Lᵀ, entry by entry."""
    items = len(A)
    L, D = np.eye(items), np.zeros(items)
    for j in range(items):
        D[j] = A[j, j] - sum(L[j, k] ** 2 * D[k] for k in range(j))
        for i in range(j + 1, items):
            L[i, j] = (A[i, j] - sum(L[i, k] * L[j, k] * D[k] for k in range(j))) / D[j]
    return L, D


def item_item(model):
    """B = I + W Z, dense."""
    return np.eye(model.encoder.shape[0]) + (model.encoder @ model.decoder).toarray()


def test_two_items_by_hand(factorisation):
    # A = [[1, 1], [1, 2]] + I: the second row less half of the first leaves 3 − 1/2.
    X = sp.csr_array(np.array([[1, 1], [0, 1]], dtype=np.float32))
    K, pivots = INVERSES[factorisation](X, 1.0, 1)
    np.testing.assert_allclose(K.toarray(), [[1, 0], [-0.5, 1]], rtol=1e-6)
    np.testing.assert_allclose(pivots, [2, 2.5], rtol=1e-6)


def test_factors_are_those_of_the_loops(X):
    A = gram(X, 5.0)
    lower, pivots = exact.exact_ldl(sp.csr_array(A))
    L, D = ldl_by_loops(A)
    np.testing.assert_allclose(lower.toarray(), L, atol=1e-12)
    np.testing.assert_allclose(pivots, D, rtol=1e-12)


def test_an_indefinite_matrix_is_refused():
    with pytest.raises(BeekitError, match="not positive definite"):
        exact.exact_ldl(sp.csr_array(np.array([[1.0, 2.0], [2.0, 1.0]])))


@pytest.mark.usefixtures("narrow_panels")
def test_with_room_for_all_entries_the_inverse_is_exact(X, factorisation):
    L, D = ldl_by_loops(gram(X, 5.0))
    K, pivots = INVERSES[factorisation](X, 5.0, 60 * 59 // 2)
    np.testing.assert_allclose(K.toarray(), np.linalg.inv(L), atol=TOLERANCE)
    np.testing.assert_allclose(pivots, D, rtol=TOLERANCE)


@pytest.mark.usefixtures("narrow_panels")
def test_what_the_exact_inverse_keeps_is_the_strongest(X):
    A = gram(X, 5.0)
    L, D = ldl_by_loops(A)
    inverse = np.linalg.inv(L)
    strength = np.abs(np.tril(inverse, -1)) * np.sqrt(np.diagonal(A) / D[:, None])
    K, _ = exact.exact_inverse(X, 5.0, 300)
    expected = strength >= np.sort(strength.ravel())[-300]
    np.testing.assert_array_equal(np.tril(K.toarray(), -1) != 0, expected)
    np.testing.assert_allclose(K.toarray()[expected], inverse[expected], rtol=1e-6)


@pytest.mark.usefixtures("narrow_panels")
def test_no_pivot_falls_below_the_regularization(X):
    for entries in (0, 30, 300, 1000):
        _, pivots = incomplete_inverse.incomplete_inverse(X, 0.5, entries)
        assert (pivots >= 0.5).all()


@pytest.mark.usefixtures("narrow_panels")
def test_rows_are_nearly_orthogonal_to_those_before(X):
    A = gram(X, 5.0)
    K, pivots = incomplete_inverse.incomplete_inverse(X, 5.0, 600)
    scale = np.sqrt(pivots)
    left = np.tril(K.toarray() @ A @ K.toarray().T / np.outer(scale, scale), -1)
    before = np.tril(A / np.sqrt(np.outer(np.diagonal(A), np.diagonal(A))), -1)
    assert np.linalg.norm(left) < 0.5 * np.linalg.norm(before)


def test_minimal_residual_never_grows_and_ends_where_it_must(X):
    A = gram(X, 5.0)
    K, _ = incomplete_inverse.incomplete_inverse(X, 5.0, 400)
    before = np.full(60, np.inf)
    for steps in (0, 1, 2, 5, 80):
        refined, pivots = minimal_residual.minimal_residual(K, X, 5.0, steps)
        np.testing.assert_allclose(
            pivots, np.diagonal(refined.toarray() @ A @ refined.toarray().T), rtol=TOLERANCE
        )
        assert (pivots <= before * (1 + 1e-5)).all()
        before = pivots
    # The least residual within the pattern: a ridge regression of each item on its row's items.
    for i in range(60):
        others = K.indices[K.indptr[i] : K.indptr[i + 1] - 1]
        least = A[i, i] - A[i, others] @ np.linalg.solve(A[np.ix_(others, others)], A[others, i])
        assert pivots[i] == pytest.approx(least, rel=1e-3)
    start = minimal_residual.minimal_residual(K, X, 5.0, 0)[1]
    assert pivots.sum() < start.sum() - 1


@pytest.mark.usefixtures("narrow_panels")
def test_at_density_one_it_is_ease(X, factorisation):
    shuffled = X[:, np.random.default_rng(0).permutation(60)]
    ease = EASE(regularization=5.0, dtype="float64").fit(shuffled)
    model = SANSA(5.0, density=1.0, factorisation=factorisation).fit(shuffled)
    np.testing.assert_allclose(item_item(model), ease.item_item, atol=TOLERANCE)


@pytest.mark.usefixtures("narrow_panels")
def test_error_falls_as_density_grows(X, factorisation):
    ease = EASE(regularization=5.0, dtype="float64").fit(X).item_item
    errors = [
        np.linalg.norm(item_item(SANSA(5.0, density, factorisation).fit(X)) - ease)
        for density in (0.02, 0.05, 0.1, 0.2, 0.3, 0.51)
    ]
    assert all(later < earlier for earlier, later in pairwise(errors))
    assert errors[-1] < 1e-3 * errors[0]


def test_the_diagonal_is_zero_at_any_density(X, factorisation):
    for density in (0.02, 0.1, 0.5):
        model = SANSA(5.0, density, factorisation, residual_steps=1).fit(X)
        np.testing.assert_allclose(np.diagonal(item_item(model)), 0, atol=1e-5)


@pytest.mark.usefixtures("narrow_panels")
def test_no_factor_exceeds_the_density(X, factorisation):
    for density in (0.02, 0.1, 0.25, 0.4):
        model = SANSA(5.0, density, factorisation).fit(X)
        assert 0.9 * density * 60**2 < model.encoder.nnz <= density * 60**2
        assert model.decoder.nnz == model.encoder.nnz


def test_twins_and_a_tiny_regularization_stay_finite():
    # Two items used by the same users: A is singular but for λ, which float32 cannot see.
    dense = np.zeros((3000, 4), dtype=np.float32)
    dense[:, 2:] = 1
    dense[:5, 0] = 1
    dense[:9, 1] = 1
    model = SANSA(1e-5, density=1.0).fit(sp.csr_array(dense))
    assert np.isfinite(model.decoder.data).all()


def test_entries_go_to_rows_by_use_until_they_are_full():
    support = np.array([0, 1, 1, 4, 9, 9])
    for entries in (0, 1, 4, 9, 14, 15, 99):
        shares = incomplete_inverse._shares(support, entries)
        assert shares.sum() == pytest.approx(min(entries, 15))
        assert (shares <= np.arange(6) + 1e-9).all()
        is_open = shares < np.arange(6) - 1e-9
        per_use = (shares / (support + 1))[is_open]
        np.testing.assert_allclose(per_use, per_use[:1].repeat(len(per_use)))


def test_the_largest_are_exactly_as_many_as_asked():
    strength = np.array([0.0, 2.0, 1.0, 2.0, 2.0, 0.0, 3.0])
    found = np.flatnonzero(incomplete_inverse.largest(strength, 3)).tolist()
    assert len(found) == 3  # the largest, and two of those that tie behind it
    assert 6 in found
    assert set(found) <= {1, 3, 4, 6}
    assert np.flatnonzero(incomplete_inverse.largest(strength, 9)).tolist() == [1, 2, 3, 4, 6]
    assert not incomplete_inverse.largest(strength, 0).any()


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("candidates", [None, np.array([50, 3, 7, 22, 41, 8])])
def test_dense_and_sparse_ranking_are_that_of_the_scores(X, monkeypatch, candidates, exclude_seen):
    model = SANSA(5.0, density=0.05).fit(X)
    X = X[:40]
    allowed = np.arange(60) if candidates is None else np.unique(candidates)
    scores = (X @ item_item(model))[:, allowed]
    if exclude_seen:
        scores[X.toarray()[:, allowed] != 0] = -np.inf
    expected = -np.sort(-scores, axis=1)[:, :20]
    for share in (0.0, 1.0):
        monkeypatch.setattr(factor_scores, "_DENSE_SHARE", share)
        items, values = model.recommend(X, 20, candidates, exclude_seen)
        np.testing.assert_allclose(values[:, : expected.shape[1]], expected, atol=1e-5)
        found = items >= 0
        assert np.isin(items[found], allowed).all()
        assert found.sum() == np.isfinite(scores).sum() if candidates is not None else True
        if exclude_seen:
            assert not (found & (X.toarray()[np.arange(40)[:, None], items] != 0)).any()


def test_lists_go_on_past_the_last_positive_score(X):
    model = SANSA(5.0, density=0.03).fit(X)
    items, _ = model.recommend(X, 60)
    for user, row in enumerate(items):
        unseen = set(range(60)) - set(X[[user]].indices)
        assert set(row[row >= 0]) == unseen


@pytest.mark.parametrize(
    "setting",
    [
        {"regularization": 0.0},
        {"density": 0.0},
        {"density": 1.5},
        {"factorisation": "other"},
        {"residual_steps": -1},
    ],
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(BeekitError, match=next(iter(setting))):
        SANSA(**setting)
