"""UltraGCN against loops: its weights, and the loss that it expects of sampled negatives."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from right_order import right_order
from torch.nn.functional import softplus

from beekit.errors import ConfigError
from beekit.models import UltraGCN
from beekit.models.graph.constraints import PairWeights, item_graph
from beekit.models.graph.ultra_gcn import set_gradients

USERS, ITEMS = 30, 20
# Positive and negative weights (w₁, w₂) and (w₃, w₄), λ and W.
POSITIVE, NEGATIVE, SIMILAR, WEIGHT = (0.1, 0.7), (0.2, 0.9), 0.4, 15.0


@pytest.fixture
def X(random_matrix):
    """One user and one item have no interactions."""
    dense = random_matrix(USERS, ITEMS, 0.25, seed=4).toarray()
    dense[:, 7] = 0
    dense[3] = 0
    return sp.csr_array(dense)


@pytest.fixture
def weights(X):
    return PairWeights(X, item_graph(X, 3), SIMILAR, POSITIVE, NEGATIVE, WEIGHT)


def tables():
    """Vectors (users, 5) and (items, 5) float64."""
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn((rows, 5), dtype=torch.float64, generator=generator) for rows in (USERS, ITEMS)
    ]


def beta(X, u, i):
    """β_ui = 1/d_u · √((d_u + 1)/(d_i + 1))."""
    of_user, of_item = X.toarray()[u].sum(), X.toarray()[:, i].sum()
    return 1 / of_user * np.sqrt((of_user + 1) / (of_item + 1))


def drawn_loss(X, similar, users, items, chosen, negatives):
    """The authors' loss of some users, without the penalty, if each interaction's negatives are
    `negatives`, by loops."""
    total = torch.zeros((), dtype=torch.float64)
    dense, similar = X.toarray(), similar.toarray()
    scores = users @ items.T
    for u in chosen:
        for i in np.flatnonzero(dense[u]):
            total += (POSITIVE[0] + POSITIVE[1] * beta(X, u, i)) * softplus(-scores[u, i])
            for j in negatives:
                weight = NEGATIVE[0] + NEGATIVE[1] * beta(X, u, j)
                total += WEIGHT * weight * softplus(scores[u, j]) / len(negatives)
            for k in np.flatnonzero(similar[i]):
                total += SIMILAR * similar[i, k] * softplus(-scores[u, k])
    return total


def test_the_item_graph_is_that_of_loops(X):
    G = (X.T @ X).toarray().astype(np.float64)
    sums = G.sum(axis=1)
    expected = np.zeros((ITEMS, ITEMS))
    for i in range(ITEMS):
        if not sums[i]:
            continue
        row = [
            G[i, k] / sums[i] * np.sqrt((sums[i] + 1) / (sums[k] + 1)) if G[i, k] else 0
            for k in range(ITEMS)
        ]
        for k in np.argsort(row)[-3:]:
            expected[i, k] = row[k]
    np.testing.assert_allclose(item_graph(X, 3).toarray(), expected, rtol=1e-6)
    assert (item_graph(X, 3).diagonal() > 0).sum() > 10, "an item is its own neighbour"


def test_the_expected_loss_is_the_mean_of_the_sampled_ones(X, weights):
    users, items = tables()
    chosen = np.array([0, 4, 9, 11])
    expected = np.mean(
        [drawn_loss(X, item_graph(X, 3), users, items, chosen, [j]).item() for j in range(ITEMS)]
    )
    pairs = weights.step(chosen, ITEMS, torch.Generator())
    found = set_gradients(users, items, chosen, pairs, penalty=0.0)
    # The weights are float32.
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_the_gradient_is_that_of_loops_with_the_penalty_of_whole_tables(X, weights):
    ours = tables()
    chosen = np.array([0, 4, 9, 11])
    found = set_gradients(*ours, chosen, weights.step(chosen, ITEMS, torch.Generator()), 0.3)
    users, items = (table.clone().requires_grad_() for table in tables())
    loss = drawn_loss(X, item_graph(X, 3), users, items, chosen, range(ITEMS))
    loss = loss + 0.3 / 2 * (users.square().sum() + items.square().sum())
    loss.backward()
    torch.testing.assert_close(found, loss, rtol=1e-6, atol=0)
    # Sums of a few hundred terms of about one, with weights in float32.
    torch.testing.assert_close(ours[0].grad, users.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours[1].grad, items.grad, rtol=1e-5, atol=1e-5)


def test_drawn_negatives_have_the_gradient_of_all_items_in_the_mean(X, weights, monkeypatch):
    chosen = np.array([0, 4])
    exact = tables()
    loss = set_gradients(*exact, chosen, weights.step(chosen, ITEMS, torch.Generator()), 0.1)
    near = set(weights.toward[chosen].indices)
    left = ITEMS - len(near)
    assert left > 4
    losses, gradients = [], []
    for first in range(left):
        order = torch.arange(left).roll(-first)
        monkeypatch.setattr(torch, "randperm", lambda n, generator, order=order: order)
        some = tables()
        pairs = weights.step(chosen, 2, torch.Generator())
        assert len(pairs.items) == len(near) + 2
        assert len(set(pairs.items)) == len(pairs.items)
        losses.append(set_gradients(*some, chosen, pairs, 0.1))
        gradients.append([table.grad for table in some])
    torch.testing.assert_close(torch.stack(losses).mean(), loss, rtol=1e-6, atol=0)
    for place, table in enumerate(exact):
        mean = torch.stack([pair[place] for pair in gradients]).mean(dim=0)
        torch.testing.assert_close(mean, table.grad, rtol=1e-5, atol=1e-5)
    assert (gradients[0][1] != gradients[1][1]).any()


def test_few_negatives_train_a_model_too(X):
    for negatives in (1, ITEMS - 1):
        model = UltraGCN(embedding_dim=4, epochs=3, users_per_step=8, negatives=negatives).fit(X)
        assert np.isfinite(model.item_vectors).all()


def test_what_users_have_ranks_above_what_they_do_not(random_matrix):
    X = random_matrix(60, 40, 0.15, seed=2)
    model = UltraGCN(embedding_dim=16, epochs=60, users_per_step=20, learning_rate=0.02).fit(X)
    assert right_order(model, X) > 0.9


def test_items_that_nobody_has_score_below_the_others(X):
    model = UltraGCN(embedding_dim=4, epochs=20, learning_rate=0.02).fit(X)
    scores = model.user_vectors(X) @ model.item_vectors.T
    some = X.toarray().any(axis=1)
    assert (scores[some, 7] <= np.median(scores[some], axis=1)).all()


def test_a_new_user_gets_a_vector_near_that_of_a_training_user_with_one_item_less(random_matrix):
    X = random_matrix(300, 40, 0.25, seed=3)
    grown = X.toarray()
    grown[np.arange(300), grown.argmin(axis=1)] = 1
    model = UltraGCN(embedding_dim=8, epochs=20, learning_rate=0.02).fit(X)
    before, after = model.user_vectors(X), model.user_vectors(sp.csr_array(grown))
    known = {tuple(vector) for vector in model.known_vectors}
    assert {tuple(vector) for vector in before} - {(0,) * 8} == known
    assert not {tuple(vector) for vector in after} & known
    lengths = [np.linalg.norm(vectors, axis=1) for vectors in (before, after)]
    some = X.toarray().any(axis=1)
    cosines = (before * after).sum(axis=1)[some] / (lengths[0] * lengths[1])[some]
    assert np.median(cosines) > 0.8


def test_every_setting_matters(X):
    usual = {"embedding_dim": 4, "epochs": 3, "users_per_step": 8, "item_weight": 0.1}
    first, again = UltraGCN(**usual).fit(X), UltraGCN(**usual).fit(X)
    np.testing.assert_array_equal(first.item_vectors, again.item_vectors)
    for changed in (
        {"seed": 1},
        {"positive_constant": 0.1},
        {"positive_by_degree": 0.5},
        {"negative_constant": 0.1},
        {"negative_by_degree": 0.5},
        {"negative_weight": 50.0},
        {"item_weight": 0.0},
        {"neighbours": 2},
        {"regularization": 0.1},
        {"learning_rate": 0.02},
        {"users_per_step": 4},
        {"negatives": 2},
    ):
        other = UltraGCN(**{**usual, **changed}).fit(X)
        assert (other.item_vectors != first.item_vectors).any(), changed


@pytest.mark.parametrize(
    "wrong",
    [
        {"embedding_dim": 0},
        {"positive_constant": -1.0},
        {"negative_weight": 0.0},
        {"item_weight": -1.0},
        {"neighbours": 0},
        {"regularization": -1.0},
        {"learning_rate": 0.0},
        {"epochs": 0},
        {"users_per_step": 0},
        {"negatives": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        UltraGCN(**wrong)
