"""The k best of scores, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beekit.ranking import top_k as module
from beekit.ranking.ties import history_keys, tie_keys
from beekit.ranking.top_k import recommend_by_scores, sparse_top_k, top_k

# Of some users' histories.
KEYS = np.random.default_rng(0).integers(0, 2**63, 6).astype(np.uint64)


def by_loops(scores, k, candidates, excluded, users):
    """Lists of each user; scores (users, items) and excluded over all items, keys of users."""
    items = np.full((len(scores), k), -1)
    values = np.full((len(scores), k), -np.inf, dtype=np.float32)
    for user, row in enumerate(scores):
        allowed = [c for c in sorted(set(candidates)) if not excluded[user, c]]
        ties = {c: int(tie_keys(users[[user]], np.array([c]))[0]) for c in allowed}
        best = sorted(allowed, key=lambda c: (-row[c], ties[c]))[:k]
        items[user, : len(best)] = best
        values[user, : len(best)] = row[best]
    return items, values


@st.composite
def problems(draw):
    """Few levels of scores, so that ties, zeros and negative scores are everywhere."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 9)))
    levels = st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.0, 2.0, -0.5, -1.0])
    scores = draw(hnp.arrays(np.float32, shape, elements=levels))
    seen = draw(hnp.arrays(bool, shape))
    candidates = draw(st.sets(st.integers(0, shape[1] - 1)))
    return scores, seen, np.array(sorted(candidates), dtype=np.int64), draw(st.integers(1, 11))


def as_sparse(scores, with_zeros: bool):
    """CSR of the scores; with every zero stored, and columns of a row backwards."""
    if not with_zeros:
        return sp.csr_array(scores)
    users, items = scores.shape
    indptr = np.arange(users + 1) * items
    columns = np.tile(np.arange(items)[::-1], users)
    return sp.csr_array((scores[:, ::-1].ravel(), columns, indptr), shape=scores.shape)


@settings(deadline=None, max_examples=150)
@given(problems(), st.booleans(), st.booleans())
def test_sparse_selection_is_the_loops(problem, exclude, with_zeros):
    scores, seen, candidates, k = problem
    excluded = seen if exclude else np.zeros_like(seen)
    items, values = sparse_top_k(
        as_sparse(scores[:, candidates], with_zeros),
        k,
        candidates,
        KEYS[: len(scores)],
        sp.csr_array(seen[:, candidates]) if exclude else None,
    )
    expected, best = by_loops(scores, k, candidates, excluded, KEYS)
    np.testing.assert_array_equal(items, expected)
    np.testing.assert_array_equal(values, best)
    assert items.dtype == np.int64
    assert values.dtype == np.float32


@settings(deadline=None, max_examples=150)
@given(problems())
def test_dense_selection_is_the_loops(problem):
    scores, seen, candidates, k = problem
    items, values = top_k(
        scores[:, candidates], k, candidates, KEYS[: len(scores)], seen[:, candidates]
    )
    expected, best = by_loops(scores, k, candidates, seen, KEYS)
    np.testing.assert_array_equal(items, expected)
    np.testing.assert_array_equal(values, best)


@settings(deadline=None, max_examples=100)
@given(problems(), st.booleans())
def test_recommending_by_scores_is_the_loops(problem, exclude_seen):
    scores, seen, candidates, k = problem
    # A user's scores are looked up by their number, which the first columns of the history spell.
    users, items = scores.shape
    number = (np.arange(users)[:, None] >> np.arange(3)) & 1
    width = max(items, 3)
    known = np.zeros((users, width), dtype=bool)
    known[:, :3] = number
    known[:, 3:items] |= seen[:, 3:]
    wide = np.zeros((users, width), dtype=np.float32)
    wide[:, :items] = scores

    def scorer(allowed):
        def score(histories):
            bits = histories[:, [0, 1, 2]].toarray().astype(int)
            return wide[bits @ [1, 2, 4]][:, allowed]

        return score

    X = sp.csr_array(known.astype(np.int8) * 3)
    ranked, best = recommend_by_scores(scorer, X, k, candidates[::-1], exclude_seen)
    excluded = known if exclude_seen else np.zeros_like(known)
    expected, values = by_loops(wide, k, candidates, excluded, history_keys(module.ones(X)))
    np.testing.assert_array_equal(ranked, expected)
    np.testing.assert_array_equal(best, values)


def test_candidates_without_a_score_follow_the_positive_ones():
    scores = sp.csr_array(np.array([[0, 3, -1, 0, 3, 0.5]], dtype=np.float32))
    items, values = sparse_top_k(scores, 6, np.arange(6), KEYS[:1])
    assert [set(items[0][part]) for part in (slice(0, 2), slice(3, 5))] == [{1, 4}, {0, 3}]
    assert items[0, [2, 5]].tolist() == [5, 2]
    assert values.tolist() == [[3, 3, 0.5, 0, 0, -1]]


def test_a_stored_zero_is_no_better_than_one_not_stored():
    stored = as_sparse(np.array([[0, 0, 1, 0]], dtype=np.float32), with_zeros=True)
    assert stored.nnz == 4
    absent = sp.csr_array(stored.toarray())
    for k in range(1, 5):
        lists = [sparse_top_k(s, k, np.arange(4), KEYS[:1])[0].tolist() for s in (stored, absent)]
        assert lists[0] == lists[1]
        assert lists[0][0][0] == 2


def test_without_candidates_lists_are_padding():
    scores = sp.csr_array(np.ones((2, 0), dtype=np.float32))
    items, values = sparse_top_k(scores, 2, np.empty(0, dtype=np.int64), KEYS[:2])
    assert (items == -1).all()
    assert np.isneginf(values).all()


@pytest.mark.parametrize("elements", [1, 7, 2**23])
def test_blocks_change_nothing(monkeypatch, random_matrix, elements):
    generator = np.random.default_rng(0)
    X = random_matrix(30, 25, 0.2)
    side = generator.integers(-2, 3, (25, 25)).astype(np.float32)
    side[generator.random(side.shape) < 0.7] = 0
    scores = X.toarray() @ side
    allowed = np.array([3, 4, 9, 20, 21, 24])
    keys = history_keys(X)
    expected, values = by_loops(scores, 5, allowed, X.toarray() != 0, keys)
    monkeypatch.setattr(module, "BLOCK_ELEMENTS", elements)
    found = sparse_top_k(X @ sp.csr_array(side[:, allowed]), 5, allowed, keys, X[:, allowed])
    np.testing.assert_array_equal(found[0], expected)
    found = recommend_by_scores(lambda a: lambda h: h @ side[:, a], X, 5, allowed)
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(found[1], values)
