"""Approximate indexes: approximate in which items they find, exact in everything else."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit import ItemIndex
from beekit.errors import ConfigError
from beekit.index import Effort
from beekit.index.duplicate_vectors import Copies
from beekit.index.factory import smaller_factory, trained
from beekit.ranking.ties import history_keys, tie_keys

N_ITEMS, DIMS = 1200, 16
FACTORIES = (
    *("IVF16,Flat", "HNSW4", "PQ4x4", "SQ8", "IVF16,PQ4x4", "IVF16,SQ8", "HNSW4,SQ8"),
    *("PCA8,Flat", "PCA8,HNSW4", "OPQ4_8,IVF16,PQ4x4", "IVF32_HNSW4,Flat"),
)
LITTLE = Effort(nprobe=1, ef_search=1, refine=1)


@pytest.fixture(scope="module")
def vectors():
    """Item vectors in 12 clusters, some of them twice."""
    generator = np.random.default_rng(1)
    centres = generator.normal(size=(12, DIMS))
    D = centres[generator.integers(0, 12, N_ITEMS)] + 0.5 * generator.normal(size=(N_ITEMS, DIMS))
    D[1100:1150] = D[:50]
    return D.astype(np.float32)


@pytest.fixture(scope="module", params=FACTORIES)
def index(request, vectors):
    return ItemIndex(vectors, factory=request.param, effort=LITTLE)


@pytest.fixture
def X(random_matrix):
    """70 histories of about 10 items, the first one empty."""
    X = random_matrix(70, N_ITEMS, 0.008, seed=4).tolil()
    X[0] = 0
    return sp.csr_array(X)


def exact_scores(vectors, X):
    return (X.toarray().astype(np.float64) @ vectors) @ vectors.T.astype(np.float64)


def found_share(found, exact):
    return np.mean([len(set(f) & set(e)) / len(e) for f, e in zip(found, exact, strict=True)])


@pytest.mark.parametrize("share", [1, 0.5, 0.1])
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_seen_items_candidates_and_lengths_are_exact(index, vectors, X, share, exclude_seen):
    generator = np.random.default_rng(5)
    count = int(share * N_ITEMS)
    candidates = None if share == 1 else generator.choice(N_ITEMS, count, replace=False)
    allowed = set(range(N_ITEMS) if candidates is None else candidates.tolist())
    for k in (1, 8, 90):
        items, scores = index.recommend(X, k, candidates, exclude_seen)
        for user in range(X.shape[0]):
            may = allowed - set(X[[user]].indices if exclude_seen else ())
            listed = items[user][items[user] >= 0]
            assert len(listed) == len(set(listed)) == min(k, len(may))
            assert set(listed) <= may
        assert (items[np.isneginf(scores)] == -1).all()
        assert np.isneginf(scores[items < 0]).all()


def test_scores_are_exact_and_equals_rank_by_the_hash(index, vectors, X):
    items, scores = index.recommend(X, 30)
    exact = np.take_along_axis(exact_scores(vectors, X), items, 1)
    # User vectors are float32 sums of n vectors, off by n · eps · |u| with |u| at most n · |v|.
    n = np.diff(X.indptr).max()
    size = n * np.linalg.norm(vectors, axis=1).max() ** 2
    np.testing.assert_allclose(scores, exact, rtol=1e-6, atol=n * np.finfo(np.float32).eps * size)
    assert (np.diff(scores, axis=1) <= 0).all()
    copies = (vectors[items[:, 1:]] == vectors[items[:, :-1]]).all(axis=2)
    assert copies.any()
    ties = tie_keys(history_keys(X)[:, None], items)
    assert (ties[:, 1:] > ties[:, :-1])[copies].all()


def test_batches_change_nothing(index, X):
    whole = index.recommend(X, 12)
    for size in (1, 9, 70):
        for ours, theirs in zip(index.recommend(X, 12, batch_size=size), whole, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    backwards = index.recommend(X[::-1], 12)
    np.testing.assert_array_equal(backwards[0][::-1], whole[0])


def test_more_effort_finds_more(index, vectors, X):
    exact, _ = ItemIndex(vectors).recommend(X, 10)
    index.effort = LITTLE
    little = found_share(index.recommend(X, 10)[0], exact)
    index.effort = Effort(nprobe=5, ef_search=140, refine=20)
    much = found_share(index.recommend(X, 10)[0], exact)
    index.effort = LITTLE
    assert much > 0.8
    assert much >= little
    if "SQ8" not in index.factory:  # 8 bits a number are nearly the number
        assert little < 0.98  # so it is the approximate index that answered


def test_pairs_stored_twice_and_out_of_order_are_seen_once(index):
    columns = np.array([900, 3, 900, 41, 3])
    twice = sp.csr_array((np.ones(5, np.float32), columns, [0, 5]), (1, N_ITEMS))
    summed = twice.copy()
    summed.sum_duplicates()
    items, _ = index.recommend(twice, 20)
    np.testing.assert_array_equal(items, index.recommend(summed, 20)[0])
    assert not set(items[0]) & {3, 41, 900, -1}
    np.testing.assert_array_equal(twice.indices, columns)


def test_users_of_whom_nothing_is_known_get_what_exact_search_gives(index, vectors, X):
    exact, _ = ItemIndex(vectors).recommend(X[:1], 6)
    ties = tie_keys(np.zeros(1, np.uint64), np.arange(N_ITEMS))
    np.testing.assert_array_equal(exact, [np.argsort(ties)[:6]])
    np.testing.assert_array_equal(index.recommend(X[:1], 6)[0], exact)


@pytest.mark.parametrize("factory", ["IVF16,Flat", "HNSW4", "PCA12,IVF16,Flat"])
def test_candidates_out_of_reach_are_found_by_exact_search(factory):
    # Users on one side of the origin, candidates on the other, where their search never gets.
    generator = np.random.default_rng(2)
    D = generator.normal(size=(N_ITEMS, DIMS)).astype(np.float32)
    D[:, 0] = np.where(np.arange(N_ITEMS) < 600, 9, -9)
    candidates = np.arange(600, N_ITEMS)
    X = sp.csr_array((generator.random((20, N_ITEMS)) < 0.01).astype(np.float32)).tolil()
    X[:, 600:] = 0
    X = sp.csr_array(X)
    index, flat = ItemIndex(D, factory=factory, effort=LITTLE), ItemIndex(D)
    items, scores = index.recommend(X, 8, candidates)
    exact, exact_values = flat.recommend(X, 8, candidates)
    assert (items >= 600).all()
    if factory != "HNSW4":  # a graph's edges lead over to the other side
        np.testing.assert_array_equal(items, exact)
        np.testing.assert_array_equal(scores, exact_values)
    near = np.arange(600)
    here, there = (one.recommend(X, 8, near)[0] for one in (index, flat))
    assert found_share(here, there) < 1  # on this side the approximate index answers


def test_codes_propose_and_vectors_decide(vectors, X):
    index = ItemIndex(vectors, factory="PQ4x4", effort=Effort(refine=1))
    # Codes are few, so some users have a tie at the cut: others get what FAISS puts first.
    search = index._approximate
    scored, fetched = search.index.search(index.user_vectors(X[1:]), 16)
    clear = (scored[:, 6] > scored[:, 7]) & (scored[:, 7] > scored[:, 15])
    clear &= (search.copies.counts[fetched[:, :8]] == 1).all(axis=1)
    assert clear.sum() > 20
    fetched = search.copies.first[fetched[:, :7]]
    index.effort = Effort(refine=1)
    items, _ = index.recommend(X[1:], 7, exclude_seen=False)
    assert [set(row) for row in items[clear]] == [set(row) for row in fetched[clear]]
    assert (items[clear] != fetched[clear]).any()
    items, _ = index.recommend(X[1:], 8, exclude_seen=False)
    best = np.argsort(-exact_scores(vectors, X[1:]), axis=1, kind="stable")[:, :8]
    assert found_share(items, best) < 0.9  # refine has something to mend
    index.effort = Effort(refine=16)
    assert found_share(index.recommend(X[1:], 8, exclude_seen=False)[0], best) > 0.9


def test_the_last_candidates_do_not_answer_for_the_next(vectors, X):
    index = ItemIndex(vectors, factory="PQ4x4", effort=LITTLE)
    first = index.recommend(X, 5, np.arange(600))[0]
    second = index.recommend(X, 5, np.arange(600, 1200))[0]
    assert first.max() < 600 <= second.min()
    np.testing.assert_array_equal(index.recommend(X, 5, np.arange(600))[0], first)


def test_two_sides_and_similar_items(vectors):
    E = np.random.default_rng(3).normal(size=vectors.shape).astype(np.float32)
    X = sp.csr_array(([1.0], ([0], [7])), shape=(1, N_ITEMS))
    effort = Effort(nprobe=5)
    index = ItemIndex(vectors, user_side=E, factory="IVF16,Flat", effort=effort)
    exact = ItemIndex(vectors, user_side=E)
    np.testing.assert_array_equal(index.recommend(X, 5)[0], exact.recommend(X, 5)[0])
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near, _ = ItemIndex(units, factory="HNSW16").similar(np.array([0, 1100]), 3)
    assert not (near == [[0], [1100]]).any()
    # Each other's copies.
    assert near[0, 0] == 1100
    assert near[1, 0] == 0


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("nonsense", "could not parse"),
        ("", "could not parse"),
        ("flat", "could not parse"),
        ("IVF64", "could not parse"),
        ("PQ5x4", "multiple"),
        ("LSH", "METRIC_L2"),
        ("IVF0,Flat", "IndexIVFFlat"),
        ("HNSW4,PQ4x4", "by distance"),
        ("NSG8", "IndexNSGFlat"),
        ("PQ4x4fs", "IndexPQFastScan"),
        ("IVF4,PQ4x4,RFlat", "IndexRefineFlat"),
        ("IDMap,Flat", "IndexIDMap"),
    ],
)
def test_factories_that_cannot_serve_are_refused(vectors, factory, message):
    with pytest.raises(ConfigError, match=message) as caught:
        ItemIndex(vectors, factory=factory)
    assert repr(factory) in caught.value.found
    assert "IVF256,Flat" in caught.value.expected
    assert "/" not in caught.value.found  # nothing of FAISS's own sources


@pytest.mark.parametrize(
    ("factory", "items", "named"),
    [
        ("IVF256,Flat", 100, "IVF2,Flat"),
        ("PQ4", 100, "PQ4x6"),
        ("PQ4x8", 255, "PQ4x7"),
        ("IVF200,PQ4x8", 120, "IVF3,PQ4x6"),
        ("OPQ4,PQ4x8", 120, "OPQ4,PQ4x6"),
        ("IVF2,PQ4x4", 1, "Flat"),
    ],
)
def test_too_few_items_to_train_name_a_factory_that_works(vectors, factory, items, named):
    with pytest.raises(ConfigError, match=f"{items} items") as caught:
        ItemIndex(vectors[:items], factory=factory)
    assert repr(named) in caught.value.remedy
    assert smaller_factory(factory, items) == named
    assert len(ItemIndex(vectors[:items], factory=named)) == items
    if named != "Flat":
        assert trained(named, vectors[:items], Copies(np.arange(items))).ntotal == items


@pytest.mark.parametrize("effort", [{"nprobe": 0}, {"ef_search": -1}, {"refine": 1.5}])
def test_an_effort_of_nothing_is_refused(effort):
    with pytest.raises(ConfigError, match=next(iter(effort))):
        Effort(**effort)


def test_training_on_few_items_is_quiet(vectors, capfd):
    for factory in ("IVF16,PQ4x4", "PQ4x4", "OPQ2_8,IVF16,PQ2x4"):
        ItemIndex(vectors[:100], factory=factory)
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""
