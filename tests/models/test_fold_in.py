"""Folding in against dense solutions; training users known by their histories."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from beekit.models.factors.fold_in import FoldIn, KnownUsers, recall_users, remember
from beekit.ranking.ties import history_keys


@pytest.fixture
def item_vectors():
    return np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)


def test_by_hand():
    histories = sp.csr_array(np.array([[1, 0], [1, 1], [0, 0]], dtype=np.float32))
    found = FoldIn(np.array([[1.0], [2.0]])).users(histories, confidence=3, regularization=1)
    # (1 + 4 + 2·1 + 1) p = 3·1 and (1 + 4 + 2·5 + 1) p = 3·3.
    np.testing.assert_allclose(found, [[3 / 8], [9 / 16], [0]], rtol=1e-6)


@given(
    users=st.integers(1, 20),
    items=st.integers(1, 30),
    dims=st.integers(1, 8),
    confidence=st.floats(1, 50),
    regularization=st.floats(0.01, 100),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60, deadline=None)
def test_it_minimises_the_weighted_error(users, items, dims, confidence, regularization, seed):
    generator = np.random.default_rng(seed)
    Q = generator.normal(size=(items, dims)).astype(np.float32)
    X = (generator.random((users, items)) < 0.3).astype(np.float32)
    found = FoldIn(Q).users(sp.csr_array(X), confidence, regularization)
    exact = Q.astype(np.float64)
    for user in range(users):
        weights = np.diag(np.where(X[user] > 0, confidence, 1.0))
        system = exact.T @ weights @ exact + regularization * np.eye(dims)
        expected = np.linalg.solve(system, exact.T @ weights @ X[user])
        # Rounded once to float32; the systems' condition is far below 1/eps of float64.
        np.testing.assert_allclose(
            found[user], expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max(initial=0)
        )


def test_it_is_what_implicit_solves(random_matrix, item_vectors):
    als = pytest.importorskip("implicit.cpu.als")
    threadpoolctl = pytest.importorskip("threadpoolctl")
    X = random_matrix(30, 40, 0.2, seed=3)
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        theirs = als.AlternatingLeastSquares(factors=6, regularization=0.5, alpha=11.0)
        theirs.item_factors = item_vectors
        expected = theirs.recalculate_user(np.arange(30), sp.csr_matrix(X))
    found = FoldIn(item_vectors).users(X, confidence=11.0, regularization=0.5)
    # Theirs is in float32: eps times a condition of about 1e2.
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_nobody_depends_on_who_else_is_asked(random_matrix, item_vectors):
    X = random_matrix(50, 40, 0.2, seed=3)
    items = FoldIn(item_vectors)
    whole = items.users(X, 5, 0.1)
    for size in (1, 7):
        parts = [items.users(X[b : b + size], 5, 0.1) for b in range(0, 50, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_training_users_are_known_by_their_history_in_any_row(random_matrix, item_vectors):
    X = random_matrix(50, 40, 0.2, seed=3)
    learnt = np.random.default_rng(1).normal(size=(50, 6)).astype(np.float32)
    known = remember(X, learnt, FoldIn(item_vectors))
    order = np.random.default_rng(2).permutation(50)
    np.testing.assert_array_equal(
        recall_users(X[order], known, FoldIn(item_vectors)), learnt[order]
    )


def test_others_are_turned_to_where_training_users_are(random_matrix, item_vectors):
    X = random_matrix(200, 40, 0.2, seed=3)
    turn = np.random.default_rng(1).normal(size=(6, 6))
    unturned = KnownUsers(np.empty(0, np.uint64), np.empty((0, 6), np.float32), np.eye(6))
    learnt = (recall_users(X, unturned, FoldIn(item_vectors)) @ turn).astype(np.float32)
    grown = X.toarray()
    grown[np.arange(200), grown.argmin(axis=1)] = 1
    grown = sp.csr_array(grown)
    found = recall_users(grown, remember(X, learnt, FoldIn(item_vectors)), FoldIn(item_vectors))
    expected = recall_users(grown, unturned, FoldIn(item_vectors)) @ turn
    # A ridge of a hundredth keeps the map from being exact.
    # The ridge towards a multiple of I takes a tenth of the turn at most.
    assert np.linalg.norm(found - expected) < 0.1 * np.linalg.norm(expected)


def test_of_few_training_users_nothing_but_the_size_is_learnt(random_matrix, item_vectors):
    X = random_matrix(30, 40, 0.2, seed=3)
    unturned = KnownUsers(np.empty(0, np.uint64), np.empty((0, 6), np.float32), np.eye(6))
    folded = recall_users(X, unturned, FoldIn(item_vectors))
    one = remember(X[:1], 3 * folded[:1], FoldIn(item_vectors))
    np.testing.assert_allclose(
        recall_users(X, one, FoldIn(item_vectors)), 3 * folded, rtol=1e-4, atol=1e-5
    )


def test_of_users_with_one_history_the_first_is_remembered_and_an_empty_one_never(item_vectors):
    X = np.zeros((4, 40), dtype=np.float32)
    X[[1, 3], 5] = 1
    X[2, 6] = 1
    learnt = np.arange(24, dtype=np.float32).reshape(4, 6)
    known = remember(sp.csr_array(X), learnt, FoldIn(item_vectors))
    found = recall_users(sp.csr_array(X), known, FoldIn(item_vectors))
    np.testing.assert_array_equal(found, [np.zeros(6), learnt[1], learnt[2], learnt[1]])


def test_the_size_of_item_vectors_turns_no_unknown_user(random_matrix, item_vectors):
    X = random_matrix(20, 40, 0.2, seed=3)
    nobody = KnownUsers(np.empty(0, np.uint64), np.empty((0, 6), np.float32), np.eye(6))
    small, large = (recall_users(X, nobody, FoldIn(scale * item_vectors)) for scale in (1, 1024))
    # Powers of two scale exactly.
    np.testing.assert_allclose(1024 * large, small, rtol=1e-6)
    assert not recall_users(X, nobody, FoldIn(0 * item_vectors)).any()


def test_keys_tell_histories_apart_and_not_their_order():
    X = sp.csr_array((np.random.default_rng(0).random((3000, 12)) < 0.5).astype(np.float32))
    keys = history_keys(X)
    distinct = len(np.unique(X.toarray(), axis=0))
    assert len(np.unique(keys)) == distinct
    turned = sp.csr_array((np.ones(2), [4, 1], [0, 2]), shape=(1, 12))
    straight = sp.csr_array((np.ones(2), [1, 4], [0, 2]), shape=(1, 12))
    assert history_keys(turned) == history_keys(straight)
    assert history_keys(sp.csr_array((1, 12)))[0] == 0


def test_small_systems_are_solved_without_threads_that_wait_for_each_other(monkeypatch):
    threads = []
    solve = np.linalg.solve

    def noting(*given):
        blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        threads.extend(pool["num_threads"] for pool in blas)
        return solve(*given)

    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    monkeypatch.setattr(np.linalg, "solve", noting)
    with threadpool_limits(2, user_api="blas"):
        FoldIn(vectors).of_any_size(sp.csr_array(np.eye(3, 20)))
        after = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    assert threads
    assert set(threads) == {1}
    assert after == {2}
