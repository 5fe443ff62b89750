"""Search by user vectors: what `ItemIndex` finds, for users given by their vectors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit import ItemIndex
from beekit.errors import ConfigError, DataError
from beekit.index import Effort, VectorSearch
from beekit.index.exact import ExactSearch
from beekit.ranking.ties import history_keys

ITEMS, DIMS = 900, 12
FACTORIES = ("Flat", "IVF8,Flat", "PQ4x4")


@pytest.fixture(scope="module")
def vectors():
    D = np.random.default_rng(0).normal(size=(ITEMS, DIMS)).astype(np.float32)
    D[700:760] = D[:60]
    return D


@pytest.fixture
def X(random_matrix):
    return random_matrix(40, ITEMS, 0.01, seed=4)


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("candidates", [None, np.arange(100, 800)])
def test_histories_are_found_what_their_vectors_are(vectors, X, factory, candidates):
    effort = Effort(nprobe=1, refine=1)
    search = VectorSearch(vectors, factory=factory, effort=effort)
    index = ItemIndex(vectors, factory=factory, effort=effort)
    users = index.user_vectors(X)
    for seen in (X, None):
        found = search.search(users, 9, candidates, seen, history_keys(X), batch_size=7)
        expected = index.recommend(X, 9, candidates, exclude_seen=seen is not None)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_keys_are_those_of_what_was_seen_unless_given(vectors, X):
    search = VectorSearch(np.ones((ITEMS, DIMS)))  # all tie
    users = np.ones((40, DIMS), dtype=np.float32)
    default = search.search(users, 9, seen=X)[0]
    np.testing.assert_array_equal(default, search.search(users, 9, None, X, history_keys(X))[0])
    alike = search.search(users, 9)[0]
    assert (alike == alike[0]).all()
    assert (default != alike).any()


@pytest.mark.parametrize("factory", FACTORIES)
def test_user_vectors_of_any_length_rank_alike(vectors, factory):
    search = VectorSearch(vectors, factory=factory)
    users = np.random.default_rng(1).normal(size=(20, DIMS)).astype(np.float32)
    found, _ = search.search(users, 9)
    for exponent in (-70, 60):
        scaled, _ = search.search(np.ldexp(users, exponent), 9)
        np.testing.assert_array_equal(scaled, found)


def test_the_search_among_the_last_candidates_is_kept(vectors, monkeypatch):
    made = []
    right = ExactSearch.__init__

    def counted(self, vectors, items, **more):
        made.append(len(items))
        right(self, vectors, items, **more)

    monkeypatch.setattr(ExactSearch, "__init__", counted)
    search = VectorSearch(vectors)
    assert made == []  # lazy
    user = np.ones((1, DIMS), dtype=np.float32)
    for candidates in (None, None, np.arange(50), np.arange(50)[::-1], None):
        search.search(user, 3, candidates)
    assert made == [ITEMS, 50, ITEMS]


def test_what_does_not_fit_is_refused(vectors, X):
    search = VectorSearch(vectors)
    users = np.ones((40, DIMS), dtype=np.float32)
    for call, said in (
        (lambda: search.search(users[:, :5], 3), "user vectors of shape"),
        (lambda: search.search(users[:39], 3, seen=X), "histories with 40 users"),
        (lambda: search.search(users, 3, seen=X[:, :-1]), "histories with 899 items"),
        (lambda: search.search(users, 3, keys=history_keys(X)[:5]), "history keys of shape"),
        (lambda: search.search(users, 3, [ITEMS]), "900 among the candidates"),
        (lambda: search.search(users * np.nan, 3), "user vectors that are not finite"),
    ):
        with pytest.raises(DataError, match=said):
            call()
    with pytest.raises(ConfigError, match="k=0"):
        search.search(users, 0)


def test_nobody_and_no_candidates_get_empty_lists(vectors):
    search = VectorSearch(vectors)
    for seen in (None, sp.csr_array((0, ITEMS))):
        items, scores = search.search(np.empty((0, DIMS), np.float32), 4, seen=seen)
        assert items.shape == scores.shape == (0, 4)
    items, scores = search.search(np.ones((2, DIMS)), 4, np.array([], dtype=np.int64))
    assert (items == -1).all()
    assert np.isneginf(scores).all()
