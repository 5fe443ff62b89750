"""AsymmetricSVD: its objective against loops, and users made of their histories."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.errors import ConfigError
from beekit.models import AsymmetricSVD
from beekit.models.factors.asymmetric_svd import squared_error


def test_the_objective_is_that_of_loops():
    generator = torch.Generator().manual_seed(0)
    q, y = (torch.randn((7, 3), dtype=torch.float64, generator=generator) for _ in range(2))
    b = torch.randn(7, dtype=torch.float64, generator=generator)
    histories = [[0, 3, 4], [2], [1, 2, 3, 6]]
    items = torch.tensor([i for history in histories for i in history])
    against = torch.randint(7, (8, 2), generator=generator)
    error, size, place = 0.0, 0.0, 0
    for history in histories:
        for i in history:
            rest = [j for j in history if j != i]
            p = (
                sum((y[j] for j in rest), torch.zeros(3, dtype=torch.float64))
                / max(1, len(rest)) ** 0.5
            )
            error += (1 - 1 / 3 - b[i] - p @ q[i]) ** 2
            size += (q[i] ** 2).sum() + (y[i] ** 2).sum() + b[i] ** 2
            whole = sum(y[j] for j in history) / len(history) ** 0.5
            for j in against[place]:
                error += (1 / 3 + b[j] + whole @ q[j]) ** 2
                size += (q[j] ** 2).sum() + b[j] ** 2
            place += 1
    found = squared_error(q, y, b, items, torch.tensor([3, 1, 4]), against, 0.05)
    torch.testing.assert_close(found, (error + 0.05 * size) / 24)


def test_an_item_is_not_predicted_from_itself():
    q, y, b = torch.ones(2, 1), torch.ones(2, 1, requires_grad=True), torch.zeros(2)
    alone = (torch.tensor([0]), torch.tensor([1]), torch.empty((1, 0), dtype=torch.long))
    squared_error(q, y, b, *alone, regularization=0.0).backward()
    assert not y.grad.any()


@pytest.fixture
def X(random_matrix):
    return random_matrix(60, 40, 0.15, seed=2)


def test_users_are_their_histories(X):
    model = AsymmetricSVD(embedding_dim=3, epochs=2).fit(X)
    y = model.history_vectors.astype(np.float64)
    items = np.flatnonzero(X.toarray()[5])
    (user,) = model.user_vectors(X[[5]])
    expected = y[items].sum(axis=0) / len(items) ** 0.5
    # A sum of a few float32 numbers below one.
    np.testing.assert_allclose(user[:3], expected, atol=10 * np.finfo(np.float32).eps)
    assert user[3] == 1


def test_without_a_history_bias_ranks(X):
    model = AsymmetricSVD(embedding_dim=3, epochs=3).fit(X)
    items, scores = model.recommend(sp.csr_array((1, 40)), 40)
    order = np.argsort(-model.item_vectors[:, -1], kind="stable")
    np.testing.assert_array_equal(items[0], order)
    np.testing.assert_allclose(scores[0], model.item_vectors[order, -1], atol=1e-6)


def test_bias_follows_popularity():
    generator = np.random.default_rng(0)
    X = sp.csr_array((generator.random((400, 20)) < np.linspace(0.02, 0.6, 20)).astype(np.float32))
    model = AsymmetricSVD(embedding_dim=2, epochs=20, learning_rate=0.02).fit(X)
    support = np.asarray(X.sum(axis=0))
    assert np.corrcoef(support, model.item_vectors[:, -1])[0, 1] > 0.9


def test_training_lowers_the_error_and_settings_matter(X):
    first, again, *others = (
        AsymmetricSVD(embedding_dim=4, epochs=2, users_per_step=16, **changed).fit(X).item_vectors
        for changed in ({}, {}, {"seed": 1}, {"regularization": 0.5}, {"negatives": 2})
    )
    np.testing.assert_array_equal(first, again)
    assert all((other != first).mean() > 0.9 for other in others)


@pytest.mark.parametrize(
    "wrong",
    [
        {"embedding_dim": 0},
        {"learning_rate": 0.0},
        {"regularization": -1.0},
        {"negatives": 0},
        {"epochs": 0},
        {"users_per_step": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        AsymmetricSVD(**wrong)
