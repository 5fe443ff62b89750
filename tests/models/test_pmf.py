"""PMF: its step against automatic differentiation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.errors import ConfigError
from beekit.models import PMF
from beekit.models.factors.pmf import pointwise_step


def test_a_step_by_hand():
    users, items = torch.tensor([[2.0]]), torch.tensor([[0.0], [0.0]])
    pairs, target = torch.tensor([[0, 1]]), torch.tensor([1.0, 0.0])
    loss = pointwise_step(users, items, torch.tensor([0]), pairs, target, 1.0, 0.0)
    # σ(0) = 1/2 and σ′(0) = 1/4: errors ∓1/2, slopes ∓1/8, times p = 2.
    assert float(loss) == 0.25
    assert users.tolist() == [[2.0]]
    assert items.tolist() == [[0.25], [-0.25]]


def test_a_step_is_the_gradient_summed_over_the_batch():
    generator = torch.Generator().manual_seed(0)
    users, items = (
        torch.randn((rows, 3), dtype=torch.float64, generator=generator) for rows in (4, 6)
    )
    user = torch.tensor([1, 1, 3])
    pairs = torch.tensor([[2, 0, 5], [4, 2, 5], [2, 1, 1]])
    target = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    p, q = users.clone().requires_grad_(), items.clone().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    squares = 0.0
    for u, row in zip(user, pairs, strict=True):
        for i, x in zip(row, target, strict=True):
            error = x - torch.sigmoid(p[u] @ q[i])
            squares += float(error.detach()) ** 2
            total = total + error**2 / 2 + 0.03 / 2 * ((p[u] ** 2).sum() + (q[i] ** 2).sum())
    total.backward()
    loss = pointwise_step(users, items, user, pairs, target, 0.1, 0.03)
    torch.testing.assert_close(users, (p - 0.1 * p.grad).detach())
    torch.testing.assert_close(items, (q - 0.1 * q.grad).detach())
    assert float(loss) == pytest.approx(squares / 9)


def test_what_users_have_is_predicted_higher(random_matrix):
    X = random_matrix(60, 40, 0.15, seed=2)
    model = PMF(embedding_dim=16, learning_rate=0.5, epochs=150, batch_size=64).fit(X)
    predicted = 1 / (1 + np.exp(-model.user_vectors(X) @ model.item_vectors.T))
    has = X.toarray() > 0
    assert predicted[has].mean() > predicted[~has].mean() + 0.5


def test_one_item_more_moves_a_training_user_a_little(random_matrix):
    X = random_matrix(300, 40, 0.25, seed=3)
    grown = X.toarray()
    grown[np.arange(300), grown.argmin(axis=1)] = 1
    model = PMF(embedding_dim=8, epochs=10).fit(X)
    before, after = model.user_vectors(X), model.user_vectors(sp.csr_array(grown))
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    assert np.median((before * after).sum(axis=1) / lengths) > 0.8


def test_negatives_and_seeds_matter(random_matrix):
    X = random_matrix(60, 40, 0.15, seed=2)
    first, again, more, other = (
        PMF(embedding_dim=4, epochs=3, negatives=negatives, seed=seed).fit(X).item_vectors
        for negatives, seed in ((4, 0), (4, 0), (5, 0), (4, 1))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != more).all()
    assert (first != other).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"embedding_dim": 0},
        {"learning_rate": 0.0},
        {"regularization": -1.0},
        {"negatives": 0},
        {"epochs": 0},
        {"batch_size": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        PMF(**wrong)
