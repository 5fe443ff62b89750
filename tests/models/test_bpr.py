"""BPR: its loss against loops, and whom it knows."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from right_order import right_order

from beekit.errors import ConfigError
from beekit.models import BPR
from beekit.models.factors.bpr import pairwise_loss


def test_the_loss_by_hand():
    users, items = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 1.0], [0.0, 0.0], [0.0, 3.0]])
    zero = torch.tensor([[0]])
    theirs = torch.tensor([[[False, False]]])
    margins = torch.tensor([2.0, 2.0])
    found = pairwise_loss(
        users, items, zero, zero, torch.tensor([[1, 2]]), theirs, regularization=0.5
    )
    # Sizes: |p|² = 1, |q|² = 5, and 0 and 9 of what it is set against, which count half each.
    expected = -margins.sigmoid().log().mean() + 0.25 * (1 + 5 + 4.5)
    torch.testing.assert_close(found, expected)


def test_the_loss_is_that_of_loops():
    generator = torch.Generator().manual_seed(0)
    users, items = (
        torch.randn((rows, 3), dtype=torch.float64, generator=generator) for rows in (4, 6)
    )
    user, item = torch.tensor([[1, 1, 3], [0, 2, 1]]), torch.tensor([[2, 0, 2], [4, 5, 2]])
    others = torch.tensor([[5, 2, 1, 1], [0, 4, 3, 2]])
    # Interaction (1, 2) has everything it is set against.
    theirs = torch.rand((2, 3, 4), generator=generator) < 0.4
    theirs[1, 2] = True
    total = torch.zeros((), dtype=torch.float64)
    for group in range(2):
        for row in range(3):
            p, q = users[user[group, row]], items[item[group, row]]
            against = [
                -torch.sigmoid(p @ q - p @ items[j]).log()
                for j, own in zip(others[group], theirs[group, row], strict=True)
                if not own
            ]
            total += sum(against) / max(1, len(against)) / 6
            sizes = sum((items[j] ** 2).sum() for j in others[group]) / 4
            total += 0.03 / 2 * ((p**2).sum() + (q**2).sum() + sizes) / 6
    found = pairwise_loss(users, items, user, item, others, theirs, regularization=0.03)
    torch.testing.assert_close(found, total)


@pytest.fixture
def X(random_matrix):
    return random_matrix(60, 40, 0.15, seed=2)


def test_what_users_have_ranks_above_what_they_do_not(X):
    model = BPR(embedding_dim=16, learning_rate=0.03, epochs=40, batch_size=64).fit(X)
    assert right_order(model, X) > 0.95


def test_one_item_more_leaves_a_training_user_of_the_same_length_and_direction(random_matrix):
    X = random_matrix(300, 40, 0.25, seed=3)
    grown = X.toarray()
    grown[np.arange(300), grown.argmin(axis=1)] = 1
    model = BPR(embedding_dim=8, epochs=30, batch_size=256, learning_rate=0.01).fit(X)
    before, after = model.user_vectors(X), model.user_vectors(sp.csr_array(grown))
    lengths = [np.linalg.norm(vectors, axis=1) for vectors in (before, after)]
    assert np.median((before * after).sum(axis=1) / (lengths[0] * lengths[1])) > 0.8
    assert 0.8 < np.median(lengths[1] / lengths[0]) < 1.25


def test_training_users_get_what_was_learnt_and_others_are_folded_in(X):
    model = BPR(embedding_dim=4, epochs=5).fit(X)
    np.testing.assert_array_equal(model.user_vectors(X[::-1]), model.user_vectors(X)[::-1])
    assert {tuple(v) for v in model.user_vectors(X)} - {(0,) * 4} == {
        tuple(v) for v in model.known_vectors
    }
    dense = X.toarray()
    dense[:, 0] = 1 - dense[:, 0]
    others = {tuple(v) for v in model.user_vectors(sp.csr_array(dense))}
    assert not others & {tuple(v) for v in model.known_vectors}


def test_seed_rate_and_regularization_matter(X):
    first = BPR(embedding_dim=4, epochs=5, batch_size=32).fit(X)
    again = BPR(embedding_dim=4, epochs=5, batch_size=32).fit(X)
    np.testing.assert_array_equal(first.item_vectors, again.item_vectors)
    for changed in ({"seed": 1}, {"learning_rate": 0.2}, {"regularization": 0.5}, {"negatives": 5}):
        other = BPR(embedding_dim=4, epochs=5, batch_size=32, **changed).fit(X)
        assert (other.item_vectors != first.item_vectors).all()


def test_divergence_is_said(X):
    with pytest.raises(ConfigError, match="smaller learning_rate"):
        BPR(learning_rate=1e30, epochs=5).fit(X)


@pytest.mark.parametrize(
    "wrong",
    [
        {"embedding_dim": 0},
        {"learning_rate": 0.0},
        {"regularization": -1.0},
        {"epochs": 0},
        {"batch_size": 0},
        {"group_size": 0},
        {"negatives": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        BPR(**wrong)
