"""Heater: transformed content against known answers and loops."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from cold_worlds import (
    GROUPS,
    finds_the_group,
    joins_as_from_the_start,
    misleading_world,
    with_some_left_out,
)

from beekit.errors import BeekitError
from beekit.models import Heater
from beekit.models.cold.heater import HeaterNetwork, rating_loss, scores_as_if_new
from beekit.models.cold.samples import Samples

EPS64 = np.finfo(np.float64).eps
QUICK = {"embedding_dim": GROUPS, "epochs": 30, "learning_rate": 0.01, "users_per_step": 64}
BRIEF = {**QUICK, "epochs": 3}


@pytest.fixture(scope="module")
def world():
    return misleading_world()


@pytest.fixture(scope="module")
def model(world):
    return Heater(world.content, **QUICK).fit(world.X)


def test_it_learns_what_content_matters_for_cold_items(model, world):
    assert finds_the_group(model, world)


def test_without_any_training_it_would_not():
    world = misleading_world()
    untrained = Heater(world.content, **{**QUICK, "learning_rate": 1e-9}).fit(world.X)
    assert not finds_the_group(untrained, world)


def test_warm_and_cold_items_are_ranked_together(model, world):
    history = sp.csr_array(world.X[:1])
    found, _ = model.recommend(history, 12)
    # A user has six of their group's eighteen items; user 0 is of group 0.
    assert set(found[0]) == set(np.flatnonzero(world.group == 0)) - set(history.indices)


def test_cold_content_never_reaches_training(model, world):
    content = world.content.copy()
    content[world.cold] = np.random.default_rng(9).normal(size=content[world.cold].shape)
    other = Heater(content, **QUICK).fit(world.X)
    np.testing.assert_array_equal(other.user_side, model.user_side)
    np.testing.assert_array_equal(other.item_vectors[~world.cold], model.item_vectors[~world.cold])
    assert not np.allclose(other.item_vectors[world.cold], model.item_vectors[world.cold])


def test_cold_items_of_equal_content_are_equal(world):
    content = world.content.copy()
    first, second = np.flatnonzero(world.cold)[[0, 5]]
    content[second] = content[first]
    vectors = Heater(content, **QUICK).fit(world.X).item_vectors
    np.testing.assert_allclose(vectors[first], vectors[second], rtol=1e-5, atol=1e-6)


def test_scores_leave_the_item_out_of_the_history():
    generator = torch.Generator().manual_seed(0)
    X = (torch.rand(6, 9, generator=generator) < 0.4).double()
    own, vectors = torch.randn(2, 9, 4, generator=generator, dtype=torch.float64)
    scores = scores_as_if_new(X @ own, own, vectors, X)
    for user in range(6):
        for item in range(9):
            others = [i for i in range(9) if X[user, i] and i != item]
            expected = sum(float(own[i] @ vectors[item]) for i in others)
            assert float(scores[user, item]) == pytest.approx(expected, abs=200 * EPS64)


def test_rating_loss_by_loops():
    generator = torch.Generator().manual_seed(0)
    X = (torch.rand(5, 7, generator=generator) < 0.4).double()
    scores = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    held, others = [], []
    for score, x in zip(scores.flatten().tolist(), X.flatten().tolist(), strict=True):
        chance = 1 / (1 + np.exp(-score))
        if x:
            held.append(-np.log(chance))
        else:
            others.append(-np.log(1 - chance))
    # Three negatives to an interaction: they make up three quarters of what is drawn.
    expected = 0.25 * np.mean(held) + 0.75 * np.mean(others)
    assert float(rating_loss(scores, X, 3.0)) == pytest.approx(expected, rel=100 * EPS64)


def network(world, exchange):
    generator = torch.Generator().manual_seed(0)
    content = torch.from_numpy(world.content)
    E, D = torch.randn(2, len(content), 4, generator=generator)
    made = HeaterNetwork(content, E, D, 3, 0, 0.5, generator)
    sample = next(iter(Samples(world.X, 20, 30, np.random.default_rng(0))))
    return made, made(sample, exchange), sample


def test_exchanged_items_score_by_their_factors(world):
    made, step, sample = network(world, exchange=1.0)
    p = torch.from_numpy(sample.histories @ made.encoder.numpy())
    expected = scores_as_if_new(p, made.encoder[sample.items], step.factors, sample.interactions)
    expected = expected / p.norm(dim=1, keepdim=True)
    torch.testing.assert_close(step.scores, expected)
    made, step, _ = network(world, exchange=0.0)
    assert not torch.allclose(step.scores, expected, atol=0.1)


def test_about_a_share_of_items_is_exchanged(world):
    made, step, sample = network(world, exchange=0.3)
    p = torch.from_numpy(sample.histories @ made.encoder.numpy())
    by_factors = scores_as_if_new(p, made.encoder[sample.items], step.factors, sample.interactions)
    by_factors = by_factors / p.norm(dim=1, keepdim=True)
    exchanged = torch.isclose(step.scores, by_factors, atol=1e-5).all(dim=0).float().mean()
    # Binomial of 30 items with p = 0.3: four standard deviations.
    assert abs(float(exchanged) - 0.3) < 4 * (0.3 * 0.7 / 30) ** 0.5


def test_similarity_draws_transformed_content_to_the_factors(world):
    content = world.content.copy()
    cold = np.flatnonzero(world.cold)
    # Series count 0, 1, 2 and every third item is cold: the one before each is warm.
    content[cold] = content[cold - 1]
    distances = []
    for similarity in (0.0, 0.1, 10.0):
        v = Heater(content, **QUICK, similarity=similarity).fit(world.X).item_vectors
        apart = np.linalg.norm(v[cold] - v[cold - 1], axis=1)
        distances.append(np.mean(apart / np.linalg.norm(v[cold - 1], axis=1)))
    assert distances[0] > distances[1] > distances[2]


def test_given_factors_take_the_place_of_the_svd(world):
    side = np.random.default_rng(0).normal(size=(len(world.group), 5)).astype(np.float32)
    model = Heater(world.content, **QUICK, cf_user_side=side, cf_item_factors=side).fit(world.X)
    assert model.item_vectors.shape == (len(side), 5)
    with pytest.raises(BeekitError, match="one of"):
        Heater(world.content, cf_user_side=side).fit(world.X)


def test_nothing_global_is_touched(world):
    state, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    Heater(world.content, **{**QUICK, "epochs": 1}).fit(world.X)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numbers)  # noqa: NPY002


@pytest.mark.parametrize("hidden_dim", [0, 6])
def test_added_items_are_as_if_in_the_catalog_from_the_start(world, hidden_dim, tmp_path):
    model = Heater(world.content, **BRIEF, hidden_dim=hidden_dim).fit(world.X)
    joins_as_from_the_start(model, world, tmp_path / "model")


def test_a_fit_without_some_cold_items_grows_into_one_with_them(world):
    kept, out = with_some_left_out(world)
    side = np.random.default_rng(0).normal(size=(len(world.group), 5)).astype(np.float32)

    def fit(items):
        factors = {"cf_user_side": side[items], "cf_item_factors": side[items]}
        return Heater(world.content[items], **BRIEF, **factors).fit(world.X[:, items])

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
    first, second = (Heater(world.content, **QUICK, seed=s).fit(world.X) for s in (0, 1))
    assert not np.allclose(first.item_vectors, second.item_vectors)


@pytest.mark.parametrize(
    "setting",
    [
        {"embedding_dim": 0},
        {"experts": 0},
        {"hidden_dim": -1},
        {"exchange": 1.5},
        {"similarity": -1},
        {"negatives": 0},
        {"dropout": 1.0},
        {"learning_rate": 0},
        {"epochs": 0},
        {"items_per_step": 1},
    ],
)
def test_settings_outside_their_range_are_refused(setting):
    name = next(iter(setting))
    with pytest.raises(BeekitError, match=name):
        Heater(np.ones((3, 2)), **setting)
