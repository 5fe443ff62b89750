"""DropoutNet: one network with and without collaborative factors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from cold_worlds import (
    finds_the_group,
    joins_as_from_the_start,
    misleading_world,
    with_some_left_out,
)

from beekit.errors import BeekitError
from beekit.models import DropoutNet
from beekit.models.cold.dropout_net import DropoutNetwork, score_error

EPS64 = np.finfo(np.float64).eps
QUICK = {"embedding_dim": 8, "epochs": 40, "learning_rate": 0.01, "users_per_step": 64}
BRIEF = {**QUICK, "epochs": 3}


@pytest.fixture(scope="module")
def world():
    return misleading_world()


@pytest.fixture(scope="module")
def model(world):
    return DropoutNet(world.content, **QUICK).fit(world.X)


def test_it_learns_what_content_matters_for_cold_items(model, world):
    assert finds_the_group(model, world)


def test_without_any_training_it_would_not(world):
    untrained = DropoutNet(world.content, **{**QUICK, "learning_rate": 1e-9}).fit(world.X)
    assert not finds_the_group(untrained, world)


def test_cold_content_never_reaches_training(model, world):
    content = world.content.copy()
    content[world.cold] = np.random.default_rng(9).normal(size=content[world.cold].shape)
    other = DropoutNet(content, **QUICK).fit(world.X)
    np.testing.assert_array_equal(other.item_vectors[~world.cold], model.item_vectors[~world.cold])
    assert not np.allclose(other.item_vectors[world.cold], model.item_vectors[world.cold])


def test_score_error_by_loops():
    generator = torch.Generator().manual_seed(0)
    users, vectors, factors = (
        torch.randn(n, 3, generator=generator, dtype=torch.float64) for n in (4, 5, 5)
    )
    weights = torch.rand(4, 5, generator=generator, dtype=torch.float64)
    expected = 0.0
    for user in range(4):
        p = users[user].numpy() / np.linalg.norm(users[user].numpy())
        for item in range(5):
            gap = p @ vectors[item].numpy() - p @ factors[item].numpy()
            expected += float(weights[user, item]) * gap**2
    found = float(score_error(users, vectors, factors, weights).detach())
    assert found == pytest.approx(expected, rel=200 * EPS64)


def network(items=40, hidden_dims=()):
    generator = torch.Generator().manual_seed(0)
    content = torch.randn(items, 5, generator=generator)
    factors = torch.randn(items, 3, generator=generator)
    return DropoutNetwork(content, factors, hidden_dims, 0.5, generator)


def test_without_factors_items_of_equal_content_are_equal():
    made = network(hidden_dims=(6,)).eval()
    made.content[7] = made.content[3]
    items = torch.tensor([3, 7])
    missing = torch.tensor([[True], [True]])
    first, second = made.vectors(items, missing)
    torch.testing.assert_close(first, second)
    first, second = made.vectors(items, ~missing)
    assert not torch.allclose(first, second)


def test_factors_are_dropped_with_the_probability():
    made = network(items=400).eval()
    items = torch.arange(400)
    without = made.vectors(items, torch.ones(400, 1, dtype=torch.bool))
    dropped = torch.isclose(made(items, 0.3), without).all(dim=1).float().mean()
    # Binomial with p = 0.3: four standard deviations.
    assert abs(float(dropped) - 0.3) < 4 * (0.3 * 0.7 / 400) ** 0.5
    torch.testing.assert_close(made(items, 1.0), without)


def test_warm_items_enter_with_factors_and_cold_ones_without():
    made = network().eval()
    warm = torch.arange(40) % 3 > 0
    found = torch.from_numpy(made.learnt(warm))
    with torch.no_grad():
        torch.testing.assert_close(found, made.vectors(torch.arange(40), ~warm[:, None]))


def test_with_factors_at_hand_it_gives_their_scores_back(random_matrix):
    X = random_matrix(80, 30, 0.3, seed=1)
    # Content says nothing. Factors are drawn, as the first column of an SVD's is nearly constant,
    # which takes a descent beside a bias many steps; these are learnt in a few hundred.
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(30, 3))
    E, D = generator.normal(size=(2, 30, 4)).astype(np.float32)
    settings = {**QUICK, "learning_rate": 0.03, "epochs": 100, "weight_decay": 0.0}
    factors = {"cf_user_side": E, "cf_item_factors": D}
    alike = []
    for cf_dropout in (0.0, 1.0):
        model = DropoutNet(noise, **settings, **factors, cf_dropout=cf_dropout).fit(X)
        scores = (X @ model.user_side) @ model.item_vectors.T
        # Up to scale: the network works with factors of size one.
        alike.append(np.corrcoef(scores.ravel(), (X @ E @ D.T).ravel())[0, 1])
    # Zero loss is within reach, f([q, c]) = q; less than a fifth of a percent of variance is off.
    assert alike[0] > 0.999
    # Three columns of noise cannot stand for four of factors.
    assert alike[1] < 0.9


@pytest.mark.parametrize("hidden_dims", [(), (6,)])
def test_added_items_are_as_if_in_the_catalog_from_the_start(world, hidden_dims, tmp_path):
    model = DropoutNet(world.content, **BRIEF, hidden_dims=hidden_dims).fit(world.X)
    joins_as_from_the_start(model, world, tmp_path / "model")


def test_a_fit_without_some_cold_items_grows_into_one_with_them(world):
    kept, out = with_some_left_out(world)
    side = np.random.default_rng(0).normal(size=(len(world.group), 5)).astype(np.float32)

    def fit(items):
        factors = {"cf_user_side": side[items], "cf_item_factors": side[items]}
        return DropoutNet(world.content[items], **BRIEF, **factors).fit(world.X[:, items])

    everything = np.concatenate([kept, out])
    whole, grown = fit(everything), fit(kept).add_items(world.content[out])
    # Training is the same to the last bit, the new items to the rounding of some thirty products.
    np.testing.assert_array_equal(
        grown.item_vectors[: len(kept)][~world.cold[kept]],
        whole.item_vectors[: len(kept)][~world.cold[kept]],
    )
    rounding = 100 * np.finfo(np.float32).eps * np.abs(whole.item_vectors).max()
    np.testing.assert_allclose(grown.item_vectors, whole.item_vectors, rtol=0, atol=rounding)


def test_another_seed_is_another_model(world):
    first, second = (DropoutNet(world.content, **QUICK, seed=s).fit(world.X) for s in (0, 1))
    assert not np.allclose(first.item_vectors, second.item_vectors)


def test_warm_and_cold_items_are_ranked_together(model, world):
    history = sp.csr_array(world.X[:1])
    found, _ = model.recommend(history, 12)
    assert set(found[0]) == set(np.flatnonzero(world.group == 0)) - set(history.indices)


@pytest.mark.parametrize(
    "setting", [{"cf_dropout": -0.1}, {"hidden_dims": (0,)}, {"users_per_step": 0}]
)
def test_settings_outside_their_range_are_refused(setting):
    name = next(iter(setting))
    with pytest.raises(BeekitError, match=name):
        DropoutNet(np.ones((3, 2)), **setting)
