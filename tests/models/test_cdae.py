"""CDAE: its loss against plain loops and draws, and the nodes of known and unknown users."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.errors import ConfigError
from beekit.models import CDAE
from beekit.models.autoencoders.cdae import counted, expected_loss, expected_slope
from beekit.models.autoencoders.histories import Histories
from beekit.models.factors.negatives import UnseenItems

LOSSES = ["cross_entropy", "squared"]
SMALL = {"embedding_dim": 4, "epochs": 6, "users_per_step": 10}


@pytest.fixture
def X(random_matrix):
    dense = random_matrix(30, 12, 0.3, seed=1).toarray()
    dense[3], dense[4] = 0, 1
    return sp.csr_array(dense)


def of_one(score, target, loss):
    if loss == "squared":
        return (target - score) ** 2 / 2
    chance = 1 / (1 + np.exp(-score))
    return -np.log(chance if target else 1 - chance)


def by_loops(scores, X, negatives, loss):
    """The expected loss of each user, item by item."""
    total = np.zeros(X.shape[0])
    for user, row in enumerate(X.toarray()):
        have, have_not = np.flatnonzero(row), np.flatnonzero(row == 0)
        total[user] = sum(of_one(scores[user, item], 1, loss) for item in have)
        for item in have_not:
            share = negatives * len(have) / len(have_not)
            total[user] += share * of_one(scores[user, item], 0, loss)
    return total


def scores_of(X, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(X.shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_is_that_of_plain_loops(X, loss):
    scores = scores_of(X)
    found = expected_loss(scores, Histories.of(X), 5.0, loss)
    np.testing.assert_allclose(found, by_loops(scores.numpy(), X, 5.0, loss), rtol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_its_derivative_is_the_slope(X, loss):
    scores, histories = scores_of(X).requires_grad_(), Histories.of(X)
    expected_loss(scores, histories, 5.0, loss).sum().backward()
    torch.testing.assert_close(expected_slope(scores.detach(), histories, 5.0, loss), scores.grad)
    step = 1e-6
    for user, item in ((0, 0), (4, 2), (7, 5), (11, 3)):
        there, back = scores.detach().clone().numpy(), scores.detach().clone().numpy()
        there[user, item] += step
        back[user, item] -= step
        rise = by_loops(there, X, 5.0, loss)[user] - by_loops(back, X, 5.0, loss)[user]
        assert scores.grad[user, item].item() == pytest.approx(rise / 2 / step, abs=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
def test_it_is_the_mean_over_drawn_negatives(X, loss):
    """Two negatives for each item that a user has, drawn again and again."""
    scores, unseen = scores_of(X), UnseenItems(X)
    histories, draws = Histories.of(X), 4000
    expected = expected_loss(scores, histories, 2.0, loss)
    generator = torch.Generator().manual_seed(3)
    for user in (0, 1, 2):
        have = X[[user]].indices
        at_own = sum(of_one(scores[user, item].item(), 1, loss) for item in have)
        owner = torch.full((draws * 2 * len(have),), user)
        drawn = unseen.draw(owner, generator)
        cost = np.array([of_one(s, 0, loss) for s in scores[user, drawn].tolist()])
        sums = cost.reshape(draws, -1).sum(axis=1)
        error = sums.std() / np.sqrt(draws)
        assert abs(at_own + sums.mean() - expected[user].item()) < 5 * error


def test_negatives_and_losses_matter(X):
    scores, histories = scores_of(X), Histories.of(X)
    found = [
        expected_loss(scores, histories, negatives, loss).sum().item()
        for negatives, loss in ((5.0, "squared"), (1.0, "squared"), (5.0, "cross_entropy"))
    ]
    assert len({round(value, 3) for value in found}) == 3


def test_the_first_step_has_the_loss_of_loops(X):
    """Node, both tables and the penalty, written out from the first weights."""
    losses = []
    model = CDAE(
        embedding_dim=4, epochs=1, users_per_step=30, dropout=0.0, regularization=0.1, patience=0
    )
    model.learning_rate = 1e-12
    model.fit(X, after_epoch=lambda model, epoch, loss: losses.append(loss) and None)
    some = X[np.diff(X.indptr) > 0]
    V, first = model.item_vectors.astype(np.float64), model._encoder_of(model.encoder_weights)
    W, bias = (part.detach().numpy() for part in first.parameters())
    place = np.searchsorted(model.known_keys, keys_of(some))
    nodes = model.known_nodes[place].astype(np.float64)
    z = 1 / (1 + np.exp(-(some.toarray() @ W + bias + nodes)))
    lost = by_loops(z @ V[:, :-1].T + V[:, -1], some, 5.0, "cross_entropy").mean()
    size = (W**2).sum() + (V[:, :-1] ** 2).sum() + (nodes**2).sum(axis=1).mean()
    assert losses == [pytest.approx(lost + 0.1 / 2 * size, rel=1e-5)]


def keys_of(X):
    from beekit.ranking.ties import history_keys

    return history_keys(X)


def test_what_is_left_out_is_made_up_for_by_the_rest(X):
    given = counted(X).dropped(0.75, torch.Generator().manual_seed(0))
    assert set(given.weights.tolist()) == {0.0, 4.0}
    assert set(counted(X).weights.tolist()) == {1.0}


def test_a_training_user_has_the_node_that_was_learnt(X):
    model = CDAE(**SMALL).fit(X)
    first = model._encoder_of(model.encoder_weights)
    order = np.flatnonzero(np.diff(X.indptr))[::-1]
    histories = sp.csr_array(X[order])
    nodes = model.known_nodes[np.searchsorted(model.known_keys, keys_of(histories))]
    with torch.no_grad():
        z = torch.sigmoid(first(counted(histories)) + torch.from_numpy(nodes).double())
    np.testing.assert_allclose(model.user_vectors(histories)[:, :-1], z, rtol=1e-6)


def test_the_node_of_an_unseen_user_lowers_that_users_loss(X, random_matrix):
    model = CDAE(**SMALL | {"epochs": 40}).fit(X)
    histories = random_matrix(12, 12, 0.3, seed=9)
    histories = sp.csr_array(histories[np.diff(histories.indptr) > 0])
    first = model._encoder_of(model.encoder_weights)
    V = model.item_vectors.astype(np.float64)

    def lost(z):
        found = expected_loss(torch.from_numpy(z @ V.T), Histories.of(histories), 5.0, model.loss)
        return found.numpy()

    with torch.no_grad():
        mean = torch.sigmoid(first(counted(histories)) + torch.from_numpy(model.mean_node))
    at_mean = np.hstack([mean.numpy(), np.ones((len(mean), 1))])
    folded = model.user_vectors(histories).astype(np.float64)
    assert (lost(folded) < lost(at_mean)).all()


def test_folding_in_is_gradient_descent_written_out(X):
    model = CDAE(**SMALL, regularization=0.05, loss="squared").fit(X)
    history = sp.csr_array(np.eye(1, 12, 5, dtype=np.float32) + np.eye(1, 12, 7, dtype=np.float32))
    first = model._encoder_of(model.encoder_weights)
    V = torch.from_numpy(model.item_vectors.astype(np.float64))
    node = torch.from_numpy(model.mean_node.astype(np.float64))[None].requires_grad_()
    optimizer = torch.optim.Adagrad([node], lr=0.1, initial_accumulator_value=1e-4)
    given = first(counted(history)).detach()

    def encoded():
        return torch.cat([torch.sigmoid(given + node), torch.ones(1, 1)], dim=1)

    for _ in range(20):
        optimizer.zero_grad()
        lost = expected_loss(encoded() @ V.T, Histories.of(history), 5.0, "squared").sum()
        (lost + 0.05 / 2 * node.square().sum()).backward()
        optimizer.step()
    np.testing.assert_allclose(model.user_vectors(history), encoded().detach(), rtol=1e-5)


def test_a_user_without_items_has_the_mean_node(X):
    model = CDAE(**SMALL).fit(X)
    first = model._encoder_of(model.encoder_weights)
    expected = torch.sigmoid(first.bias.detach() + torch.from_numpy(model.mean_node))
    found = model.user_vectors(X[[3]])
    np.testing.assert_allclose(found[0, :-1], expected, rtol=1e-6)


def test_a_loss_of_another_name_is_refused():
    with pytest.raises(ConfigError, match="cross_entropy, squared"):
        CDAE(loss="hinge")
