"""One contract, run on every recommender."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from contracts.models import MODELS, READS, as_read
from contracts.test_models import same_items

from beekit import ItemIndex
from beekit.errors import ConfigError, DataError
from beekit.index import Effort
from beekit.models import Popularity, Random


def item_index(X):
    generator = np.random.default_rng(0)
    side = generator.normal(size=(X.shape[1], 6)).astype(np.float32)
    return ItemIndex(side)


def two_sided_index(X):
    generator = np.random.default_rng(0)
    return ItemIndex(
        generator.normal(size=(X.shape[1], 6)), user_side=generator.normal(size=(X.shape[1], 6))
    )


def approximate_index(factory, for_one_item):
    def build(X):
        vectors = np.random.default_rng(0).normal(size=(X.shape[1], 6)).astype(np.float32)
        one = X.shape[1] == 1
        # So little effort that the 40 items of the suite are not searched whole.
        effort = Effort(nprobe=1, ef_search=1, refine=1)
        return ItemIndex(vectors, factory=for_one_item if one else factory, effort=effort)

    return build


def fitted(factory):
    def build(X):
        vectors = np.random.default_rng(1).normal(size=(X.shape[1], 6)).astype(np.float32)
        return factory(vectors).fit(X)

    return build


RECOMMENDERS = {
    "item index": item_index,
    "two-sided index": two_sided_index,
    "IVF index": approximate_index("IVF8,Flat", "IVF1,Flat"),
    "HNSW index": approximate_index("HNSW2", "HNSW2"),
    "PQ index": approximate_index("PQ2x4", "SQ8"),
    **{name: fitted(factory) for name, factory in MODELS.items()},
}


@pytest.fixture(params=RECOMMENDERS)
def name(request):
    return request.param


@pytest.fixture
def build(name):
    return RECOMMENDERS[name]


@pytest.fixture
def X(name, random_matrix):
    return as_read(name, random_matrix(60, 40, 0.15, seed=2))


def test_shapes_and_types(build, X):
    items, scores = build(X).recommend(X, 7)
    assert items.shape == scores.shape == (60, 7)
    assert items.dtype == np.int64
    assert scores.dtype == np.float32


def test_lists_are_distinct_and_sorted_by_score(build, X):
    items, scores = build(X).recommend(X, 10)
    assert all(len(set(row)) == 10 for row in items)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_seen_items_never_come_back(build, X):
    items, _ = build(X).recommend(X, 40)
    for user, row in enumerate(items):
        assert not set(row[row >= 0]) & set(X[[user]].indices)
        assert len(row[row >= 0]) == 40 - len(X[[user]].indices)


def test_seen_items_come_back_when_asked_for(build, X):
    items, _ = build(X).recommend(X, 40, exclude_seen=False)
    assert all(sorted(row) == list(range(40)) for row in items)


def test_candidates_are_honoured_in_any_order(build, X):
    allowed = np.array([31, 4, 17, 8, 22])
    items, _ = build(X).recommend(X, 10, allowed)
    for user, row in enumerate(items):
        assert set(row[row >= 0]) == set(allowed) - set(X[[user]].indices)
    again, _ = build(X).recommend(X, 10, np.sort(allowed))
    np.testing.assert_array_equal(items, again)


def test_more_than_there_is_is_padded(build, X):
    items, scores = build(X).recommend(X, 50, np.array([3, 5]))
    for user, row in enumerate(items):
        assert set(row[:2]) - {-1} == {3, 5} - set(X[[user]].indices)
    assert (items[:, 2:] == -1).all()
    assert np.isneginf(scores[items == -1]).all()


def test_no_candidates_no_items(build, X):
    items, scores = build(X).recommend(X, 4, np.array([], dtype=np.int64))
    assert (items == -1).all()
    assert np.isneginf(scores).all()


@pytest.mark.parametrize("wrong", [-1, 40])
def test_candidates_that_are_no_items_are_refused(build, X, wrong):
    with pytest.raises(DataError, match="item indices from 0 to 39"):
        build(X).recommend(X, 4, np.array([2, wrong]))


def test_batches_change_nothing(build, X):
    recommender = build(X)
    whole, scores = recommender.recommend(X, 9)
    for size in (1, 7):
        parts = [recommender.recommend(X[b : b + size], 9) for b in range(0, 60, size)]
        np.testing.assert_array_equal(np.concatenate([p[0] for p in parts]), whole)
        np.testing.assert_allclose(
            np.concatenate([p[1] for p in parts]), scores, rtol=1e-4, atol=1e-5
        )


def test_any_sparse_format_and_index_type(name, build, X):
    recommender = build(X)
    expected, _ = recommender.recommend(X, 5)
    wide = sp.csr_array((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), X.shape)
    others = [X.tocsc(), X.tocoo(), X.tolil(), X.todok(), sp.csr_matrix(X), wide, X.astype(np.int8)]
    if READS.get(name, "items") == "items":
        others.append(X.astype(bool))
    for other in others:
        np.testing.assert_array_equal(recommender.recommend(other, 5)[0], expected)


def test_a_stored_zero_counts_where_numbers_are_read_and_nowhere_else(name, build, X):
    recommender = build(X)
    with_zeros = X.copy()
    with_zeros.data[::3] = 0
    pruned = with_zeros.copy()
    pruned.eliminate_zeros()
    found, without = (recommender.recommend(one, 40)[0] for one in (with_zeros, pruned))
    if READS.get(name, "items") == "items":
        np.testing.assert_array_equal(found, without)
    else:
        assert (found >= 0).sum() == X.shape[0] * X.shape[1] - X.nnz < (without >= 0).sum()


def test_only_what_comes_before_what_matters_where_order_is_read(name, build, X):
    if READS.get(name) != "order":
        pytest.skip("reads no order")
    later, backwards = X.copy(), X.copy()
    later.data = (1e9 + 60.0 * X.data**2).astype(np.float64)
    backwards.data = -X.data
    recommender = build(X)
    items, scores = recommender.recommend(X, 8)
    for model in (recommender, build(later)):
        found = model.recommend(later, 8)
        np.testing.assert_array_equal(found[0], items)
        np.testing.assert_array_equal(found[1], scores)
    assert (recommender.recommend(backwards, 8)[0] != items).any(axis=1).mean() > 0.5
    assert (build(backwards).recommend(X, 8)[0] != items).any()


def test_how_often_or_how_strongly_does_not_matter(name, build, X):
    if READS.get(name, "items") != "items":
        pytest.skip("reads the numbers of X")
    recommender = build(X)
    for exclude_seen in (True, False):
        items, scores = recommender.recommend(X, 8, exclude_seen=exclude_seen)
        for name, other in same_items(X).items():
            found = recommender.recommend(other, 8, exclude_seen=exclude_seen)
            np.testing.assert_array_equal(found[0], items, err_msg=name)
            np.testing.assert_array_equal(found[1], scores, err_msg=name)


def test_one_user_one_item_and_empty_history(build):
    X = sp.csr_array(np.array([[0.0]], dtype=np.float32))
    assert build(X).recommend(X, 3)[0].tolist() == [[0, -1, -1]]
    seen = sp.csr_array(np.array([[1.0]], dtype=np.float32))
    assert build(seen).recommend(seen, 1)[0].tolist() == [[-1]]


def test_no_users(build, X):
    items, scores = build(X).recommend(X[:0], 4)
    assert items.shape == scores.shape == (0, 4)


def test_same_seed_same_lists(build, X):
    np.testing.assert_array_equal(build(X).recommend(X, 8)[0], build(X).recommend(X, 8)[0])


def test_popularity_by_hand():
    X = sp.csr_array(np.array([[1, 1, 0, 0], [1, 0, 0, 1], [1, 1, 0, 0]], dtype=np.float32))
    items, scores = Popularity().fit(X).recommend(X, 2)
    assert items.tolist() == [[3, 2], [1, 2], [3, 2]]
    assert scores[0].tolist() == [1, 0]


def test_random_gives_every_candidate_its_chance(random_matrix):
    X = random_matrix(4000, 50, 0.2, seed=1)
    first = Random().recommend(X, 1, np.arange(10), exclude_seen=False)[0].ravel()
    counts = np.bincount(first, minlength=10)
    # Binomial with p = 0.1: five standard deviations.
    assert np.abs(counts - 400).max() < 5 * np.sqrt(4000 * 0.1 * 0.9)
    other = Random(1).recommend(X, 1, np.arange(10), exclude_seen=False)[0].ravel()
    assert (first != other).mean() > 0.8


@pytest.mark.parametrize("k", [0, -1])
def test_lists_of_no_items_are_refused(build, X, k):
    with pytest.raises(ConfigError, match=f"k={k}"):
        build(X).recommend(X, k)
