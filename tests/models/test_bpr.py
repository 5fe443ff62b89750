"""BPR: its step against automatic differentiation, and whom it knows."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.errors import ConfigError
from beekit.models import BPR
from beekit.models.factors.bpr import pairwise_step


def vectors(rows, dims=3, seed=0):
    return torch.randn(
        (rows, dims), dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def test_a_step_by_hand():
    users, items = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 0.0], [0.0, -1.0]])
    zero, two = torch.tensor([0]), torch.tensor([2])
    loss = pairwise_step(users, items, zero, zero, two, learning_rate=1.0, regularization=0.0)
    # p·q_i = p·q_j = 0, so σ = 1/2: p moves by (q_i − q_j) / 2, q_i and q_j by ±p / 2.
    torch.testing.assert_close(loss, torch.tensor(2.0).log())
    torch.testing.assert_close(users, torch.tensor([[1.0, 1.0]]))
    torch.testing.assert_close(items, torch.tensor([[0.5, 1.0], [0.0, 0.0], [-0.5, -1.0]]))


def test_a_step_is_the_gradient_summed_over_the_batch():
    users, items = vectors(4), vectors(6, seed=1)
    # User 1, item 2 and item 5 come repeatedly, and item 2 on both sides.
    user, item, other = torch.tensor([[1, 1, 3, 0], [2, 0, 2, 4], [5, 2, 5, 1]])
    p, q = users.clone().requires_grad_(), items.clone().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for u, i, j in zip(user, item, other, strict=True):
        total = total - torch.sigmoid(p[u] @ q[i] - p[u] @ q[j]).log()
    mean = total.item() / 4
    for u, i, j in zip(user, item, other, strict=True):
        total = total + 0.03 / 2 * ((p[u] ** 2).sum() + (q[i] ** 2).sum() + (q[j] ** 2).sum())
    total.backward()
    loss = pairwise_step(users, items, user, item, other, 0.1, 0.03)
    torch.testing.assert_close(users, (p - 0.1 * p.grad).detach())
    torch.testing.assert_close(items, (q - 0.1 * q.grad).detach())
    assert float(loss) == pytest.approx(mean)


@pytest.fixture
def X(random_matrix):
    return random_matrix(60, 40, 0.15, seed=2)


def test_what_users_have_ranks_above_what_they_do_not(X):
    model = BPR(embedding_dim=16, iterations=150, batch_size=64).fit(X)
    scores = model.user_vectors(X) @ model.item_vectors.T
    has = X.toarray() > 0
    right = [
        (scores[user][has[user], None] > scores[user][~has[user]]).mean()
        for user in range(60)
        if has[user].any()
    ]
    assert np.mean(right) > 0.95


def test_training_users_get_what_was_learnt_and_others_are_folded_in(X):
    model = BPR(embedding_dim=4, iterations=5).fit(X)
    np.testing.assert_array_equal(model.user_vectors(X[::-1]), model.user_vectors(X)[::-1])
    assert {tuple(v) for v in model.user_vectors(X)} - {(0,) * 4} == {
        tuple(v) for v in model.known_vectors
    }
    dense = X.toarray()
    dense[:, 0] = 1 - dense[:, 0]
    others = {tuple(v) for v in model.user_vectors(sp.csr_array(dense))}
    assert not others & {tuple(v) for v in model.known_vectors}


def test_seed_rate_and_regularization_matter(X):
    first = BPR(embedding_dim=4, iterations=5, batch_size=32).fit(X)
    again = BPR(embedding_dim=4, iterations=5, batch_size=32).fit(X)
    np.testing.assert_array_equal(first.item_vectors, again.item_vectors)
    for changed in ({"seed": 1}, {"learning_rate": 0.2}, {"regularization": 0.5}):
        other = BPR(embedding_dim=4, iterations=5, batch_size=32, **changed).fit(X)
        assert (other.item_vectors != first.item_vectors).all()


def test_divergence_is_said(X):
    with pytest.raises(ConfigError, match="smaller learning_rate"):
        BPR(learning_rate=1e3, regularization=1.0, iterations=60).fit(X)


@pytest.mark.parametrize(
    "wrong",
    [
        {"embedding_dim": 0},
        {"learning_rate": 0.0},
        {"regularization": -1.0},
        {"iterations": 0},
        {"batch_size": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        BPR(**wrong)
