"""Items set against what a user has: never theirs, all others with equal chance."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit.models.factors.negatives import SharedNegatives, Triples, UnseenItems


@given(users=st.integers(1, 10), items=st.integers(2, 30), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_what_is_drawn_is_never_theirs(users, items, seed):
    generator = np.random.default_rng(seed)
    dense = (generator.random((users, items)) < generator.random()).astype(np.float32)
    dense[np.arange(users), generator.integers(0, items, users)] = 0
    unseen = UnseenItems(sp.csr_array(dense))
    np.testing.assert_array_equal(unseen.counts, (dense == 0).sum(axis=1))
    who = torch.from_numpy(generator.integers(0, users, 200))
    drawn = unseen.draw(who, torch.Generator().manual_seed(seed))
    assert (dense[who, drawn] == 0).all()


def test_all_others_come_with_equal_chance():
    dense = np.zeros((3, 20), dtype=np.float32)
    dense[0, [0, 1, 5, 18]] = 1
    dense[2, 3:] = 1
    unseen = UnseenItems(sp.csr_array(dense))
    for user in range(3):
        others = np.flatnonzero(dense[user] == 0)
        draws = 1000 * len(others)
        drawn = unseen.draw(torch.full((draws,), user), torch.Generator().manual_seed(user))
        counts = np.bincount(drawn, minlength=20)[others]
        # Binomial: five standard deviations.
        chance = 1 / len(others)
        assert np.abs(counts - 1000).max() < 5 * np.sqrt(draws * chance * (1 - chance))


def test_an_epoch_has_every_interaction_once_and_fresh_draws(random_matrix):
    X = random_matrix(30, 40, 0.2, seed=1)
    triples = Triples(X, 3, 50, torch.Generator().manual_seed(0))
    first, second = (list(triples) for _ in range(2))
    for epoch in (first, second):
        users, items, others = (torch.cat(part).numpy() for part in zip(*epoch, strict=True))
        assert [len(batch[0]) for batch in epoch[:-1]] == [50] * (len(epoch) - 1)
        assert others.shape == (X.nnz, 3)
        assert set(zip(users, items, strict=True)) == set(zip(*X.nonzero(), strict=True))
        assert (X.toarray()[users[:, None], others] == 0).all()
    assert not torch.equal(first[0][0], second[0][0])


def test_who_has_everything_is_left_out():
    X = sp.csr_array(np.array([[1, 1, 1], [0, 1, 0]], dtype=np.float32))
    triples = Triples(X, 1, 10, torch.Generator().manual_seed(0))
    ((users, items, others),) = triples
    assert (users.tolist(), items.tolist()) == ([1], [1])
    assert others[0, 0] in (0, 2)
    assert list(Triples(X[:1], 1, 10, torch.Generator())) == []


@given(
    users=st.integers(1, 10),
    items=st.integers(1, 20),
    groups=st.integers(1, 4),
    size=st.integers(1, 6),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60, deadline=None)
def test_shared_draws_say_who_has_them(users, items, groups, size, seed):
    generator = np.random.default_rng(seed)
    dense = (generator.random((users, items)) < 0.3).astype(np.float32)
    who = torch.from_numpy(generator.integers(0, users, (groups, size)))
    shared = SharedNegatives(sp.csr_array(dense))
    drawn, theirs = shared.draw(who, 7, torch.Generator().manual_seed(seed))
    expected = dense[who.numpy()[:, :, None], drawn.numpy()[:, None, :]] > 0
    np.testing.assert_array_equal(theirs, expected)


def test_shared_draws_are_uniform():
    shared = SharedNegatives(sp.csr_array((3, 20)))
    drawn, _ = shared.draw(
        torch.zeros((4, 1), dtype=torch.int64), 5000, torch.Generator().manual_seed(0)
    )
    # Binomial with p = 0.05: five standard deviations.
    assert np.abs(np.bincount(drawn.flatten()) - 1000).max() < 5 * np.sqrt(20000 * 0.05 * 0.95)
