"""LightGCN against dense loops: propagation, loss and gradient; and the vectors of users."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from right_order import right_order

from beekit.errors import ConfigError
from beekit.models import LightGCN
from beekit.models.graph.light_gcn import propagated_loss
from beekit.models.graph.propagation import Propagation
from beekit.models.graph.spectral_start import smooth_start


@pytest.fixture
def X(random_matrix):
    """30 users and 20 items; one of each without interactions."""
    dense = random_matrix(30, 20, 0.25, seed=4).toarray()
    dense[:, 7] = 0
    dense[3] = 0
    return sp.csr_array(dense)


def vectors(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((rows, 5), dtype=torch.float64, generator=generator)


def layers_by_loops(X, users, items, layers):
    """Layers 0 to K of users and of items, by loops over neighbours."""
    dense = X.toarray()
    of_user, of_item = dense.sum(axis=1), dense.sum(axis=0)
    found = [(users, items)]
    for _ in range(layers):
        U, V = found[-1]
        next_users, next_items = [], []
        for u in range(len(users)):
            terms = [V[i] / np.sqrt(of_user[u] * of_item[i]) for i in np.flatnonzero(dense[u])]
            next_users.append(sum(terms, torch.zeros_like(V[0])))
        for i in range(len(items)):
            terms = [U[u] / np.sqrt(of_user[u] * of_item[i]) for u in np.flatnonzero(dense[:, i])]
            next_items.append(sum(terms, torch.zeros_like(U[0])))
        found.append((torch.stack(next_users), torch.stack(next_items)))
    return found


def mean_by_loops(X, users, items, layers):
    found = layers_by_loops(X, users, items, layers)
    return [torch.stack(side).mean(dim=0) for side in zip(*found, strict=True)]


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_propagation_is_the_mean_of_layers(X, layers):
    users, items = vectors(30, 0), vectors(20, 1)
    graph = Propagation(X, layers, dtype=torch.float64)
    for found, expected in zip(
        graph(users, items), mean_by_loops(X, users, items, layers), strict=True
    ):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_loss_and_gradient_are_those_of_loops(X, layers):
    user = torch.tensor([0, 5, 5, 9])
    item = torch.tensor([2, 3, 4, 2])
    others = torch.tensor([[6, 7], [2, 6], [6, 6], [19, 0]])
    ours = [vectors(30, 0).requires_grad_(), vectors(20, 1).requires_grad_()]
    graph = Propagation(X, layers, dtype=torch.float64)
    loss = propagated_loss(*ours, graph, user, item, others, regularization=0.3)
    loss.backward()
    users, items = vectors(30, 0).requires_grad_(), vectors(20, 1).requires_grad_()
    of_users, of_items = mean_by_loops(X, users, items, layers)
    expected = torch.zeros((), dtype=torch.float64)
    for u, i, against in zip(user, item, others, strict=True):
        for j in against:
            margin = of_users[u] @ of_items[i] - of_users[u] @ of_items[j]
            expected += -torch.sigmoid(margin).log() / 2 / 4
            sizes = (users[u] ** 2).sum() + (items[i] ** 2).sum() + (items[j] ** 2).sum()
            expected += 0.3 / 2 * sizes / 2 / 4
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours[0].grad, users.grad)
    torch.testing.assert_close(ours[1].grad, items.grad)


def test_a_new_user_gets_a_vector_near_that_of_a_training_user_with_one_item_less(random_matrix):
    X = random_matrix(300, 40, 0.25, seed=3)
    grown = X.toarray()
    grown[np.arange(300), grown.argmin(axis=1)] = 1
    model = LightGCN(embedding_dim=8, epochs=30).fit(X)
    before, after = model.user_vectors(X), model.user_vectors(sp.csr_array(grown))
    lengths = [np.linalg.norm(vectors, axis=1) for vectors in (before, after)]
    some = X.toarray().any(axis=1)
    cosines = (before * after).sum(axis=1)[some] / (lengths[0] * lengths[1])[some]
    assert np.median(cosines) > 0.8


def test_what_is_kept_is_propagated(X):
    start = smooth_start(X, 4, 0.2, seed=0)
    model = LightGCN(embedding_dim=4, layers=2, epochs=1, learning_rate=1e-9).fit(X)
    expected = mean_by_loops(X, *(torch.from_numpy(side).double() for side in start), 2)
    np.testing.assert_allclose(model.item_vectors, expected[1], atol=1e-5)
    some = X.toarray().any(axis=1)
    np.testing.assert_allclose(model.user_vectors(X)[some], expected[0][some], atol=1e-5)


def test_training_users_get_what_was_learnt(X):
    model = LightGCN(embedding_dim=4, epochs=2).fit(X)
    learnt = {tuple(vector) for vector in model.known_vectors}
    found = {tuple(vector) for vector in model.user_vectors(X[::-1])}
    assert found - {(0,) * 4} == learnt
    dense = X.toarray()
    dense[:, 0] = 1 - dense[:, 0]
    assert not learnt & {tuple(vector) for vector in model.user_vectors(sp.csr_array(dense))}


def test_nobody_depends_on_who_else_is_asked(X, random_matrix):
    histories = random_matrix(40, 20, 0.2, seed=8)
    model = LightGCN(embedding_dim=4, epochs=2).fit(X)
    whole = model.user_vectors(histories)
    parts = [model.user_vectors(histories[b : b + 7]) for b in range(0, 40, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_what_users_have_ranks_above_what_they_do_not(random_matrix):
    X = random_matrix(60, 40, 0.15, seed=2)
    model = LightGCN(embedding_dim=16, layers=1, epochs=60, learning_rate=0.03).fit(X)
    assert right_order(model, X) > 0.9


def test_every_setting_matters(X):
    first = LightGCN(embedding_dim=4, epochs=3, batch_size=32).fit(X)
    again = LightGCN(embedding_dim=4, epochs=3, batch_size=32).fit(X)
    np.testing.assert_array_equal(first.item_vectors, again.item_vectors)
    for changed in (
        {"seed": 1},
        {"layers": 1},
        {"learning_rate": 0.2},
        {"regularization": 0.5},
        {"negatives": 5},
    ):
        other = LightGCN(**{"embedding_dim": 4, "epochs": 3, "batch_size": 32, **changed}).fit(X)
        assert (other.item_vectors != first.item_vectors).any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"embedding_dim": 0},
        {"layers": -1},
        {"learning_rate": 0.0},
        {"regularization": -1.0},
        {"epochs": 0},
        {"batch_size": 0},
        {"negatives": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        LightGCN(**wrong)
