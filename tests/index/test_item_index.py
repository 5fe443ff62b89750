"""The item index against brute force in float64."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit import ItemIndex
from beekit.errors import DataError, RunError
from beekit.index import inner_products
from beekit.index.exact import ExactSearch
from beekit.matrices import ones
from beekit.ranking.ties import history_keys, tie_keys


def brute_force(D, E, X, k, candidates, exclude_seen):
    scores = (X.toarray().astype(np.float64) @ E.astype(np.float64)) @ D.astype(np.float64).T
    ranked = np.full((X.shape[0], k), -1)
    ties = tie_keys(history_keys(ones(X))[:, None], np.arange(X.shape[1]))
    for user in range(X.shape[0]):
        seen = set(X[[user]].indices) if exclude_seen else set()
        allowed = [i for i in candidates if i not in seen]
        best = sorted(allowed, key=lambda i: (-round(scores[user, i], 10), ties[user, i]))[:k]
        ranked[user, : len(best)] = best
    return ranked


@given(
    items=st.integers(1, 50),
    users=st.integers(1, 8),
    k=st.integers(1, 30),
    distinct=st.integers(1, 50),
    exclude_seen=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=120, deadline=None)
def test_ranking_is_brute_force_with_ties_by_the_hash(
    items, users, k, distinct, exclude_seen, seed
):
    generator = np.random.default_rng(seed)
    # Repeated vectors of small integers: exact ties and near ones.
    D = generator.integers(-2, 3, size=(distinct, 5)).astype(np.float32)[
        generator.integers(0, distinct, items)
    ]
    X = sp.csr_array((generator.random((users, items)) < 0.3).astype(np.float32))
    candidates = np.flatnonzero(generator.random(items) < 0.7)
    if not len(candidates):
        candidates = np.array([0])
    found, scores = ItemIndex(D).recommend(X, k, candidates, exclude_seen)
    np.testing.assert_array_equal(found, brute_force(D, D, X, k, candidates, exclude_seen))
    exact = (X.toarray() @ D) @ D.T
    rows, columns = np.nonzero(found >= 0)
    # Scores are float32 products of 5 dimensions with centred vectors: 2 · 5 · eps · |u| |v|.
    size = np.linalg.norm(X.toarray() @ D, axis=1).max() * np.linalg.norm(D, axis=1).max()
    np.testing.assert_allclose(
        scores[rows, columns],
        exact[rows, found[rows, columns]],
        rtol=1e-6,
        atol=10 * np.finfo(np.float32).eps * size,
    )


def test_near_ties_are_settled_alike_in_any_batch():
    generator = np.random.default_rng(0)
    base = generator.normal(size=(1, 64))
    D = (base + 1e-7 * generator.normal(size=(200, 64))).astype(np.float32)
    X = sp.csr_array((generator.random((40, 200)) < 0.1).astype(np.float32))
    index = ItemIndex(D)
    whole = index.recommend(X, 20)[0]
    exact = (X.toarray().astype(np.float64) @ D.astype(np.float64)).astype(np.float32)
    for size in (1, 3, 40):
        np.testing.assert_array_equal(index.recommend(X, 20, batch_size=size)[0], whole)
    scores = index.user_vectors(X).astype(np.float64) @ D.astype(np.float64).T
    scores[X.toarray() > 0] = -np.inf
    np.testing.assert_array_equal(whole, np.argsort(-scores, axis=1, kind="stable")[:, :20])
    assert exact.shape == (40, 64)


def test_two_sides_score_as_their_product():
    generator = np.random.default_rng(3)
    D, E = generator.normal(size=(2, 30, 4)).astype(np.float32)
    X = sp.csr_array((generator.random((9, 30)) < 0.2).astype(np.float32))
    found, _ = ItemIndex(D, user_side=E).recommend(X, 6)
    np.testing.assert_array_equal(found, brute_force(D, E, X, 6, range(30), True))


def test_no_candidates_give_empty_lists():
    X = sp.csr_array(np.eye(3, dtype=np.float32))
    items, scores = ItemIndex(np.eye(3)).recommend(X, 2, np.array([], dtype=np.int64))
    assert items.tolist() == [[-1, -1]] * 3
    assert np.isneginf(scores).all()


def test_similar_items_leave_the_item_itself_out():
    D = np.array([[1, 0], [0.9, 0.1], [0, 1]], dtype=np.float32)
    items, _ = ItemIndex(D).similar(np.array([0, 2]), 2)
    assert items.tolist() == [[1, 2], [1, 0]]


@pytest.mark.parametrize("ids", [np.array([7, 3, 9]), np.array(["b", "a", "c"], dtype=object)])
def test_saved_index_is_the_same(tmp_path, ids):
    D = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    ItemIndex(D, ids, user_side=D[::-1]).save(tmp_path / "index")
    loaded = ItemIndex.load(tmp_path / "index")
    np.testing.assert_array_equal(loaded.item_vectors, D)
    np.testing.assert_array_equal(loaded.user_side, D[::-1])
    assert loaded.item_ids.tolist() == ids.tolist()
    assert loaded.indices_of([ids[1], ids[0]]).tolist() == [1, 0]


def test_an_id_the_index_does_not_have_is_minus_one():
    index = ItemIndex(np.eye(2), np.array([10, 20]))
    assert index.indices_of(["20", "30"]).tolist() == [1, -1]
    assert index.indices_of(["x"]).tolist() == [-1]


def test_missing_and_mixed_up_indexes_are_refused(tmp_path):
    with pytest.raises(RunError, match="no index"):
        ItemIndex.load(tmp_path)
    ItemIndex(np.eye(3)).save(tmp_path / "one")
    ItemIndex(2 * np.eye(3)).save(tmp_path / "two")
    (tmp_path / "two" / "items.faiss").replace(tmp_path / "one" / "items.faiss")
    with pytest.raises(RunError, match="differ"):
        ItemIndex.load(tmp_path / "one")


def test_vectors_that_all_point_one_way_are_still_ranked_exactly():
    generator = np.random.default_rng(7)
    D = (4 * np.ones(64) + generator.normal(size=(500, 64))).astype(np.float32)
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    D[100:140] = D[60:100]  # exact ties, more than are fetched at first
    X = sp.csr_array((generator.random((30, 500)) < 0.05).astype(np.float32))
    found, _ = ItemIndex(D).recommend(X, 25)
    np.testing.assert_array_equal(found, brute_force(D, D, X, 25, range(500), True))


def test_a_run_of_equals_longer_than_what_is_fetched_is_seen_whole():
    D = np.repeat(np.eye(2, dtype=np.float32), [40, 3], axis=0)
    X = sp.csr_array(([1.0], ([0], [30])), shape=(1, 43))
    found, scores = ItemIndex(D).recommend(X, 5)
    np.testing.assert_array_equal(found, brute_force(D, D, X, 5, range(43), True))
    np.testing.assert_allclose(scores, 1)


def test_one_row_that_is_not_finite_is_refused_and_no_longer_empties_every_list():
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf):
        vectors[7, 2] = value
        with pytest.raises(DataError, match=r"item vectors that are not finite.*item 'seven'"):
            ItemIndex(vectors, [*"abcdefg", "seven", *"hijklmnopqrs"])
        with pytest.raises(DataError, match=r"user side that are not finite.*item index 7"):
            ItemIndex(np.ones((20, 4)), user_side=vectors)


@pytest.mark.parametrize(
    ("item_ids", "said"),
    [
        (["a", "b", "a"], r"repeats 1 item ids \(first: 'a'\)"),
        ([7, 7, 7], r"repeats 1 item ids \(first: 7\)"),
        (["a", "b"], r"item ids of shape \(2,\)"),
        ([["a", "b", "c"]], r"item ids of shape \(1, 3\)"),
        (["a", None, "b"], "1 items without an id"),
        ([1.5, 2.5, 3.5], "ids of type double"),
    ],
)
def test_item_ids_that_are_not_one_an_item_are_refused(item_ids, said):
    with pytest.raises(DataError, match=said):
        ItemIndex(np.eye(3), item_ids)


@pytest.mark.parametrize("asked", [[3], [-1], [0.5], [[0]], ["a"]])
def test_similar_to_what_is_no_item_is_refused(asked):
    with pytest.raises(DataError, match="item ind"):
        ItemIndex(np.eye(3)).similar(np.array(asked), 1)


@pytest.mark.parametrize("value", [0, 0.1])
def test_users_without_a_direction_and_items_all_alike_get_a_draw(value, monkeypatch):
    monkeypatch.setattr(inner_products, "FETCHED", 64)
    D = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    X = sp.csr_array(np.eye(12, 50, dtype=np.float32))
    alike = np.full_like(D, value)  # whose mean in float64 is not quite 0.1
    for E, vectors in ((np.zeros_like(D), D), (D, alike)):
        found, scores = ItemIndex(vectors, user_side=E).recommend(X, 7)
        np.testing.assert_array_equal(found, brute_force(alike * 0, D, X, 7, range(50), True))
        exact = np.take_along_axis(
            (X @ E).astype(np.float64) @ vectors.T.astype(np.float64), found, 1
        )
        # The same sum of four products in float64, rounded once to float32.
        np.testing.assert_allclose(scores, exact, rtol=2 * np.finfo(np.float32).eps, atol=1e-12)


@pytest.mark.parametrize("who", ["nothing is known of", "with half of all items equal"])
def test_ties_of_many_users_take_no_more_memory_than_those_of_some(who, monkeypatch):
    monkeypatch.setattr(inner_products, "FETCHED", 2**16)
    items, k = 4000, 10
    D = np.random.default_rng(0).normal(size=(items, 4)).astype(np.float32)
    D[::2] = 10 * D[0]  # far ahead of all others
    index = ItemIndex(D)
    users = np.zeros((300, items), dtype=np.float32)
    if who.startswith("with"):
        users[np.arange(300), 2 * np.arange(300)] = 1
    X = sp.csr_array(users)
    few = index.recommend(X[:3], k)[0]  # so that what is built once is built
    tracemalloc.start()
    found = index.recommend(X, k)[0]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(found[:3], few)
    # 128 bytes a pair fetched and a byte to say what is seen, where ties of all users at once take
    # more than 90 bytes times users times items.
    assert peak <= 128 * 2**16 + 300 * items + 2**20


@pytest.mark.parametrize("exponent", [-45, -20, 40])
def test_the_length_of_vectors_changes_no_list(exponent):
    """Any length that is not refused is as good as another."""
    D = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    D[100:140] = D[60:100]
    X = sp.csr_array((np.random.default_rng(1).random((40, 300)) < 0.05).astype(np.float32))
    scaled, _ = ItemIndex(np.ldexp(D, exponent)).recommend(X, 20)
    np.testing.assert_array_equal(scaled, ItemIndex(D).recommend(X, 20)[0])


@pytest.mark.parametrize("exponent", [-120, -73, 40])
def test_lengths_at_which_float32_products_vanish_are_as_good_as_others(exponent):
    D = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    D[100:140] = D[60:100]
    X = sp.csr_array((np.random.default_rng(1).random((40, 300)) < 0.05).astype(np.float32))
    users, keys = (X @ D).astype(np.float32), history_keys(X)
    rows, _ = ExactSearch(D, np.arange(300)).search(users, keys, 20)
    scaled = ExactSearch(np.ldexp(D, exponent), np.arange(300))
    found, _ = scaled.search(np.ldexp(users, exponent), keys, 20)
    np.testing.assert_array_equal(found, rows)


def test_a_weight_is_no_more_than_a_one():
    D = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    ratings = sp.csr_array(np.array([[5.0, 0, 1, -2, 0, 0]]))
    index = ItemIndex(D)
    np.testing.assert_array_equal(index.user_vectors(ratings), index.user_vectors(ratings != 0))
    plain = index.recommend(ratings != 0, 3)
    for found in (
        index.recommend(ratings, 3),
        index.recommend(ratings, 3, user_vectors=index.user_vectors(ratings)),
    ):
        np.testing.assert_array_equal(found, plain)


@pytest.mark.parametrize("candidates", [np.array([True, False, True]), [0.5, 1.0], [[0, 1]]])
def test_what_are_no_candidates_is_refused(candidates):
    with pytest.raises(DataError, match="expected item indices"):
        ItemIndex(np.eye(3)).recommend(sp.csr_array((1, 3)), 1, candidates)
