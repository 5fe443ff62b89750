"""ELSA with a fixed side: what is fixed stays, what is learnt is right for items never seen."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from cold_worlds import GROUPS, finds_the_group, misleading_world

from beekit.errors import BeekitError
from beekit.models import ContentBased, FixedSideELSA
from beekit.models.cold.fixed_side_elsa import decorrelation

QUICK = {"users_per_step": 60, "epochs": 5}


@pytest.fixture(scope="module")
def world():
    return misleading_world()


@pytest.fixture(scope="module")
def known(world):
    """The world before the cold items came: interactions, content and where they stand."""
    items = np.flatnonzero(~world.cold)
    return sp.csr_array(world.X[:, items]), world.content[items], items


def test_with_the_decoder_fixed_cold_items_are_found_where_content_alone_misleads(world):
    assert finds_the_group(FixedSideELSA(world.content, **QUICK).fit(world.X), world)
    assert not finds_the_group(ContentBased(world.content, centre=True).fit(world.X), world)


def test_items_added_to_a_decoder_are_recommended_as_if_they_had_been_there(world, known):
    X, content, items = known
    model = FixedSideELSA(content, **QUICK).fit(X)
    added = np.flatnonzero(world.cold)
    model.add_items(world.content[added])
    there = FixedSideELSA(world.content, **QUICK).fit(world.X)
    order = np.concatenate([items, added])
    histories = sp.csr_array(world.X[:20])
    new = np.arange(len(items), len(order))
    found, scores = model.recommend(sp.csr_array(histories[:, order]), 5, new)
    expected, expected_scores = there.recommend(histories, 5, added)
    np.testing.assert_array_equal(order[found], expected)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-4)


def test_items_added_to_an_encoder_speak_for_those_known(world, known):
    X, content, items = known
    model = FixedSideELSA(content, side="encoder", **QUICK).fit(X)
    added = np.flatnonzero(world.cold)
    model.add_items(world.content[added])
    group = np.concatenate([world.group[items], world.group[added]])
    for wanted in range(GROUPS):
        history = np.zeros((1, len(group)), dtype=np.float32)
        history[0, len(items) + np.flatnonzero(world.group[added] == wanted)[:2]] = 1
        # Two items of a history are a noisier word than the six of training: the first half.
        found, scores = model.recommend(sp.csr_array(history), 6)
        assert (found[0] < len(items)).all()
        assert (group[found[0]] == wanted).all()
        assert (scores > 0).all()


@pytest.mark.parametrize("side", ["decoder", "encoder"])
def test_the_fixed_side_is_what_was_given(world, side):
    model = FixedSideELSA(world.content, side=side, centre=False, normalize=False, **QUICK)
    model.fit(world.X)
    fixed, learnt = model.decoder_side, model.encoder_side
    if side == "encoder":
        fixed, learnt = learnt, fixed
    np.testing.assert_array_equal(fixed, world.content)
    assert not learnt[world.cold].any()
    assert learnt[~world.cold].any(axis=1).all()


@pytest.mark.parametrize("side", ["decoder", "encoder"])
def test_training_lowers_the_loss(world, side):
    def loss(model):
        scores = world.X @ (model.encoder_side @ model.decoder_side.T)
        own = (model.encoder_side * model.decoder_side).sum(axis=1)
        scores = np.maximum(scores - world.X.toarray() * own, 0)
        scores /= np.linalg.norm(scores, axis=1, keepdims=True)
        wanted = world.X.toarray() / np.sqrt(world.X.sum(axis=1))[:, None]
        return np.square(scores - wanted).sum(axis=1).mean()

    settings = {**QUICK, "side": side}
    start = FixedSideELSA(world.content, **{**settings, "learning_rate": 1e-9}).fit(world.X)
    trained = FixedSideELSA(world.content, **settings).fit(world.X)
    assert loss(trained) < 0.99 * loss(start)


def test_cold_content_never_reaches_training(world):
    content = world.content.copy()
    content[world.cold] = np.random.default_rng(9).normal(size=content[world.cold].shape)
    first, other = (FixedSideELSA(c, **QUICK).fit(world.X) for c in (world.content, content))
    np.testing.assert_array_equal(first.encoder_side, other.encoder_side)


def test_only_a_fixed_decoder_scores_cold_items():
    assert FixedSideELSA(np.eye(3)).scores_cold_items
    assert not FixedSideELSA(np.eye(3), side="encoder").scores_cold_items


def test_decorrelation_leaves_no_direction_larger_than_another():
    generator = torch.Generator().manual_seed(0)
    F = torch.randn(50, 6, generator=generator, dtype=torch.float64) * torch.arange(1.0, 7)
    W = decorrelation(F.T @ F / 50, 1e-12)
    torch.testing.assert_close(W @ (F.T @ F / 50) @ W, torch.eye(6).double(), atol=1e-9, rtol=0)
    assert not decorrelation(torch.zeros(3, 3), 0.1).any()


def test_embeddings_without_content_score_nothing():
    model = FixedSideELSA(np.zeros((4, 2)), **QUICK).fit(sp.csr_array(np.ones((5, 4))))
    assert not model.encoder_side.any()


def test_adding_items_needs_a_fitted_model_and_vectors_of_its_width(world):
    with pytest.raises(BeekitError, match="before fit"):
        FixedSideELSA(world.content).add_items(world.content)
    model = FixedSideELSA(world.content, **QUICK).fit(world.X)
    with pytest.raises(BeekitError, match="3 dimensions"):
        model.add_items(np.ones((2, 3)))


@pytest.mark.parametrize(
    "setting", [{"side": "both"}, {"ridge": 0}, {"learning_rate": 0}, {"items_per_step": 1}]
)
def test_settings_outside_their_range_are_refused(setting):
    with pytest.raises(BeekitError, match=next(iter(setting))):
        FixedSideELSA(np.ones((3, 2)), **setting)
