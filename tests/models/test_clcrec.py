"""CLCRec: contrastive terms against loops, and known answers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from cold_worlds import finds_the_group, joins_as_from_the_start, misleading_world

from beekit.errors import BeekitError
from beekit.models import CLCRec
from beekit.models.cold.clcrec import CLCRecNetwork, item_contrast, user_contrast

EPS64 = np.finfo(np.float64).eps
# Without dropout: of content's 12 dimensions none stands in for another. At 0.6 it adds noise of
# variance 0.6/0.4 · mean of c² = 1.5 · (0.75 + 4.5)/12 = 0.66 to a unit direction, more than the
# 0.25 that groups vary in each of theirs, so that items could be told apart by format alone (4.5).
QUICK = {
    "embedding_dim": 8,
    "epochs": 20,
    "learning_rate": 0.02,
    "users_per_step": 64,
    "dropout": 0.0,
}


@pytest.fixture(scope="module")
def world():
    return misleading_world()


@pytest.fixture(scope="module")
def model(world):
    return CLCRec(world.content, **QUICK).fit(world.X)


def test_it_learns_what_content_matters_for_cold_items(model, world):
    assert finds_the_group(model, world)


def test_without_any_training_it_would_not(world):
    untrained = CLCRec(world.content, **{**QUICK, "learning_rate": 1e-9}).fit(world.X)
    assert not finds_the_group(untrained, world)


def test_telling_items_apart_by_content_is_not_enough(world):
    alone = CLCRec(world.content, **QUICK, content_weight=1.0).fit(world.X)
    assert not finds_the_group(alone, world)


def test_cold_content_never_reaches_training(model, world):
    content = world.content.copy()
    content[world.cold] = np.random.default_rng(9).normal(size=content[world.cold].shape)
    other = CLCRec(content, **QUICK).fit(world.X)
    np.testing.assert_array_equal(other.user_side, model.user_side)
    np.testing.assert_array_equal(other.item_vectors[~world.cold], model.item_vectors[~world.cold])
    assert not np.allclose(other.item_vectors[world.cold], model.item_vectors[world.cold])


def test_cold_items_have_no_embedding_and_add_nothing_to_users(model, world):
    assert not model.user_side[world.cold].any()
    np.testing.assert_array_equal(model.user_side[~world.cold], model.item_vectors[~world.cold])


def test_item_contrast_by_loops():
    generator = torch.Generator().manual_seed(0)
    z, g = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    losses = []
    for item in range(5):
        anchor = z[item].numpy()
        shares = [
            np.exp(
                anchor
                @ other.numpy()
                / (np.linalg.norm(anchor) * np.linalg.norm(other.numpy()) * 0.3)
            )
            for other in g
        ]
        losses.append(-np.log(shares[item] / sum(shares)))
    assert float(item_contrast(z, g, 0.3)) == pytest.approx(np.mean(losses), rel=200 * EPS64)


def test_user_contrast_by_loops():
    generator = torch.Generator().manual_seed(0)
    all_z = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    x = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    histories = (torch.rand(7, 9, generator=generator) < 0.5).double()
    histories[:, 7:] = 1  # everybody has two items more than the six of the step
    lengths = histories.sum(dim=1, keepdim=True)
    losses = []
    for user in range(7):
        theirs = [i for i in range(9) if histories[user, i]]
        mean = np.mean([all_z[i].numpy() for i in theirs], axis=0)
        against = [np.exp(mean @ x[j].numpy() / 0.5) for j in range(6) if not histories[user, j]]
        for item in theirs:
            if item < 6:
                others = [all_z[i].numpy() for i in theirs if i != item]
                own = np.exp(np.mean(others, axis=0) @ x[item].numpy() / 0.5)
                losses.append(-np.log(own / (own + sum(against))))
    found = user_contrast(histories @ all_z, lengths, all_z[:6], x, histories[:, :6], 0.5)
    assert float(found) == pytest.approx(np.mean(losses), rel=500 * EPS64)


def test_a_user_with_all_items_of_a_step_gives_a_finite_gradient():
    z = torch.ones(3, 2, requires_grad=True)
    held = torch.ones(2, 3)
    loss = user_contrast(held @ z, torch.full((2, 1), 3.0), z, z, held, 0.5)
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(z.grad).all()


def test_sums_are_over_whole_histories():
    generator = torch.Generator().manual_seed(0)
    warm = torch.tensor([True, True, False, True, True])
    made = CLCRecNetwork(torch.randn(5, 4, generator=generator), warm, 3, (), 0.5, generator)
    X = sp.csr_array(np.array([[1, 1, 0, 0, 1], [0, 0, 0, 1, 0]], dtype=np.float32))
    sums, lengths = made.sums(X)
    z = made.embeddings
    torch.testing.assert_close(sums, torch.stack([z[0] + z[1] + z[4], z[3]]))
    assert lengths.tolist() == [[3], [1]]


def test_content_is_drawn_to_embeddings_by_its_term(world):
    content = world.content.copy()
    cold = np.flatnonzero(world.cold)
    content[cold] = content[cold - 1]
    cosines = []
    for weight in (0.0, 0.5, 1.0):
        settings = {**QUICK, "content_weight": weight, "exchange": 0.0}
        x = CLCRec(content, **settings).fit(world.X).item_vectors
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        cosines.append(np.mean((x[cold] * x[cold - 1]).sum(axis=1)))
    # With neither term on content g stays as drawn, and a linear g turns the two formats, which
    # are opposed around their mean, to opposed vectors: their cosines with a group's cancel.
    assert abs(cosines[0]) < 0.4
    assert cosines[0] < cosines[1] < cosines[2]


@pytest.mark.parametrize("hidden_dims", [(), (6,)])
def test_added_items_are_as_if_in_the_catalog_from_the_start(world, hidden_dims, tmp_path):
    model = CLCRec(world.content, **{**QUICK, "epochs": 3}, hidden_dims=hidden_dims).fit(world.X)
    joins_as_from_the_start(model, world, tmp_path / "model")


def test_another_seed_is_another_model(world):
    first, second = (CLCRec(world.content, **QUICK, seed=s).fit(world.X) for s in (0, 1))
    assert not np.allclose(first.item_vectors, second.item_vectors)


@pytest.mark.parametrize(
    "setting", [{"temperature": 0}, {"content_weight": 1.1}, {"exchange": -1}, {"dropout": 1}]
)
def test_settings_outside_their_range_are_refused(setting):
    name = next(iter(setting))
    with pytest.raises(BeekitError, match=name):
        CLCRec(np.ones((3, 2)), **setting)
