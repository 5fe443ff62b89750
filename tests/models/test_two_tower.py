"""TwoTower: its loss against loops, its towers, and cold items known by features."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.errors import ConfigError, DataError
from beekit.models import TwoTower
from beekit.models.factors.towers import Towers, batch_histories, in_batch_softmax, tower

SMALL = {"embedding_dim": 6, "hidden_dim": 8, "learning_rate": 0.02, "batch_size": 64}


def test_the_loss_is_that_of_loops_and_leaves_other_occurrences_out():
    logits = torch.randn((4, 4), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    items = torch.tensor([5, 2, 5, 7])
    total = 0.0
    for row in range(4):
        columns = [j for j in range(4) if j == row or items[j] != items[row]]
        total -= (logits[row, row] - logits[row, columns].exp().sum().log()) / 4
    torch.testing.assert_close(in_batch_softmax(logits, items), total)


def test_a_tower_by_hand():
    identity = torch.eye(2)
    z = torch.tensor([[3.0, -4.0]])
    # z + relu(z) + (0, 2) = (6, −2), scaled to length one.
    found = tower(z, identity, torch.zeros(2), identity, torch.tensor([0.0, 2.0]))
    torch.testing.assert_close(found, torch.tensor([[6.0, -2.0]]) / 40**0.5)


def test_histories_are_pooled_without_the_item_to_predict():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn((5, 4), generator=generator)
    cpu = torch.device("cpu")
    towers = Towers(torch.ones(5, dtype=torch.bool), features, 3, 4, generator, cpu)
    histories = sp.csr_array(np.array([[1, 0, 1, 1, 0], [0, 1, 0, 0, 0]], dtype=np.float32))
    found = towers.user_vectors(*batch_histories(histories, cpu), torch.tensor([2, 1]))
    inputs = torch.from_numpy(towers.all_items()[0])
    expected = torch.stack([(inputs[0] + inputs[3]) / 2**0.5, torch.zeros(3)])
    torch.testing.assert_close(found, tower(expected, *towers.user_layers))


@pytest.fixture
def X(random_matrix):
    return random_matrix(60, 40, 0.15, seed=2)


def test_served_users_are_those_of_training_in_float64(X):
    model = TwoTower(**SMALL, epochs=3).fit(X)
    vectors = model.user_vectors(X)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    parts = [model.user_vectors(X[u : u + 1]) for u in range(60)]
    np.testing.assert_array_equal(np.concatenate(parts), vectors)


@pytest.fixture
def families():
    """X of 200 users of four families of ten items, two of each cold, and what family items are."""
    generator = np.random.default_rng(0)
    family = np.repeat(np.arange(4), 10)
    chance = np.where(family[None, :] == generator.integers(0, 4, 200)[:, None], 0.5, 0.02)
    dense = (generator.random((200, 40)) < chance).astype(np.float32)
    dense[:, ::5] = 0
    features = np.eye(4)[family] + 0.1 * generator.normal(size=(40, 4))
    return sp.csr_array(dense), family, features


def test_cold_items_are_recommended_by_their_features(families):
    X, family, features = families
    model = TwoTower(**SMALL, epochs=10, vectors=features).fit(X)
    assert model.scores_cold_items
    known = np.zeros((4, 40), dtype=np.float32)
    for which in range(4):
        known[which, 10 * which + np.array([1, 2, 4])] = 1
    items, _ = model.recommend(sp.csr_array(known), 2, np.arange(0, 40, 5))
    np.testing.assert_array_equal(family[items], [[which] * 2 for which in range(4)])


def test_without_features_cold_items_tie(families):
    X, _, _ = families
    model = TwoTower(**SMALL, epochs=2).fit(X)
    assert not model.scores_cold_items
    items, scores = model.recommend(X, 8, np.arange(0, 40, 5))
    assert (np.sort(items, axis=1) == np.arange(0, 40, 5)).all()
    assert len(np.unique(items[:, 0])) > 1  # each user has an order of their own
    assert (scores == scores[:, :1]).all()


def test_popularity_is_corrected_for():
    # Item 0 is in every history, and so in most of a batch: uncorrected, it is pushed away. Asked
    # for are histories without it: those are what it was predicted from.
    generator = np.random.default_rng(0)
    dense = (generator.random((300, 20)) < 0.1).astype(np.float32)
    dense[:, 0] = 1
    X = sp.csr_array(dense)
    model = TwoTower(**SMALL, epochs=20).fit(X)
    dense[:, 0] = 0
    items, _ = model.recommend(sp.csr_array(dense), 1)
    assert (items == 0).mean() > 0.9


def test_settings_matter(X):
    fit = {**SMALL, "epochs": 2}
    first, again, *others = (
        TwoTower(**{**fit, **changed}).fit(X).item_vectors
        for changed in ({}, {}, {"seed": 1}, {"temperature": 1.0}, {"hidden_dim": 4})
    )
    np.testing.assert_array_equal(first, again)
    assert all((other != first).mean() > 0.9 for other in others)


def test_vectors_of_other_items_or_not_finite_are_refused(X):
    with pytest.raises(DataError, match="40 items"):
        TwoTower(vectors=np.ones((39, 2))).fit(X)
    with pytest.raises(DataError, match="not finite"):
        TwoTower(vectors=np.full((40, 2), np.nan)).fit(X)


@pytest.mark.parametrize(
    "wrong",
    [
        {"embedding_dim": 0},
        {"hidden_dim": 0},
        {"temperature": 0.0},
        {"learning_rate": 0.0},
        {"id_dropout": 1.0},
        {"epochs": 0},
        {"batch_size": 1},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        TwoTower(**wrong)
