"""RaCT: the critic's truth against our metric, whom each gradient reaches, and its phases."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.errors import ConfigError
from beekit.evaluation.metrics import ndcg
from beekit.models import MultVAE, RaCT
from beekit.models.autoencoders.critic import Critic, features, ndcg_of_left_out, squared_error
from beekit.models.autoencoders.histories import Histories
from beekit.models.autoencoders.ract import act, displeasure, judgement_error
from beekit.split import HeldOut

SMALL = {
    "embedding_dim": 4,
    "hidden_dim": 6,
    "epochs": 3,
    "critic_epochs": 2,
    "actor_critic_epochs": 2,
    "users_per_step": 20,
    "patience": 0,
}


@pytest.fixture
def X(random_matrix):
    return random_matrix(40, 15, 0.4, seed=1)


@pytest.fixture
def held_out(random_matrix):
    X = random_matrix(25, 15, 0.5, seed=2)
    known = np.random.default_rng(0).random(X.nnz) < 0.6
    source, target = X.copy(), X.copy()
    source.data, target.data = source.data * known, target.data * ~known
    for part in (source, target):
        part.eliminate_zeros()
    return HeldOut(source, target, np.arange(15))


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("items", [15, 150])
def test_the_truth_is_our_own_ndcg_without_the_items_kept(random_matrix, items):
    X = random_matrix(30, items, 0.3, seed=4)
    logits = numbers(30, items)
    kept = torch.rand(X.nnz, generator=torch.Generator().manual_seed(5)) < 0.5
    kept[X.indptr[2] : X.indptr[3]] = True  # a user of whom nothing is left out
    kept[X.indptr[5] : X.indptr[6]] = False
    found = ndcg_of_left_out(logits, Histories.of(X), kept)
    for user, row in enumerate(X.toarray()):
        mine = kept[X.indptr[user] : X.indptr[user + 1]].numpy()
        seen = np.flatnonzero(row)[mine]
        target = np.zeros((1, items))
        target[0, np.setdiff1d(np.flatnonzero(row), seen)] = 1
        order = np.argsort(-logits[user].numpy())
        ranked = order[~np.isin(order, seen)][None, :100]
        expected = ndcg(ranked, sp.csr_array(target), 100)[0]
        assert found[user].item() == pytest.approx(expected, nan_ok=True)
    assert torch.isnan(found[2])
    assert found[5] > 0


def test_kept_items_matter_to_the_truth(random_matrix):
    X = random_matrix(30, 40, 0.3, seed=4)
    kept = torch.arange(X.nnz) % 2 == 0
    found = ndcg_of_left_out(numbers(30, 40), Histories.of(X), kept)
    none_kept = ndcg_of_left_out(numbers(30, 40), Histories.of(X), torch.zeros_like(kept))
    assert not torch.allclose(found, none_kept)


def test_features_are_counts_and_the_loss():
    found = features(torch.tensor([3.5, 8.0]), torch.tensor([4, 7]), torch.tensor([1, 7]))
    assert found.tolist() == [[1, 3, 3.5], [7, 0, 8]]


def test_the_critic_is_normalised_by_all_batches_together():
    critic, batches = Critic(torch.Generator().manual_seed(0)), numbers(6, 7, 3)
    batches[:, :, 1] = 4  # without a spread
    critic.normalise_by(list(batches))
    together = batches.reshape(-1, 3)
    torch.testing.assert_close(critic.mean, together.mean(dim=0))
    torch.testing.assert_close(critic.deviation[::2], together.std(dim=0, correction=0)[::2])
    assert critic.deviation[1] == 1
    assert [layer.out_features for layer in critic.layers[::2]] == [100, 100, 10, 1]
    x = (together - critic.mean) / critic.deviation
    for layer in critic.layers[:-2:2]:
        x = torch.relu(x @ layer.weight.T + layer.bias)
    last = critic.layers[-2]
    expected = torch.sigmoid(x @ last.weight.T + last.bias)[:, 0]
    torch.testing.assert_close(critic(together), expected)


def test_users_without_a_truth_count_for_nothing():
    predicted = torch.tensor([0.5, 0.2, 0.9], requires_grad=True)
    error = squared_error(predicted, torch.tensor([0.1, torch.nan, 1.0]))
    assert error.item() == pytest.approx((0.4**2 + 0.1**2) / 2)
    error.backward()
    torch.testing.assert_close(predicted.grad, torch.tensor([0.4, 0.0, -0.1]))
    assert squared_error(predicted.detach(), torch.full((3,), torch.nan)) == 0


def acted_by(X):
    actor, critic = RaCT(**SMALL)._network(X), Critic(torch.Generator().manual_seed(1))
    return actor, critic, act(actor, torch.arange(20))


def test_the_critic_s_step_reaches_no_actor_and_the_actor_s_no_critic(X):
    actor, critic, acted = acted_by(X)
    judgement_error(critic)(acted).backward()
    assert all(part.grad is None for part in actor.parameters())
    assert any(part.grad.abs().sum() > 0 for part in critic.parameters())
    critic.zero_grad()
    displeasure(critic)(acted).backward()
    assert all(part.grad is None for part in critic.parameters())
    assert all(part.grad is not None for part in actor.parameters())
    assert any(part.grad.abs().sum() > 0 for part in actor.parameters())


def test_the_actor_s_gradient_is_that_of_its_loss_weighted_by_the_critic(X):
    actor, critic, acted = acted_by(X)
    lost, known = acted.features[:, 2], acted.features.detach().requires_grad_()
    weights = torch.autograd.grad(critic(known).sum(), known)[0][:, 2]
    assert (weights != 0).any()
    expected = torch.autograd.grad(-(weights * lost).mean(), actor.parameters(), retain_graph=True)
    found = torch.autograd.grad(displeasure(critic)(acted), actor.parameters())
    torch.testing.assert_close(found, expected)


def test_what_the_critic_knows_is_of_the_whole_history(X):
    actor, _, acted = acted_by(X)
    lengths = torch.from_numpy(np.diff(actor.X.indptr)[:20])
    torch.testing.assert_close(acted.features[:, :2].sum(dim=1), lengths.float())
    again = RaCT(**SMALL)._network(X)
    torch.testing.assert_close(again.reconstructed(torch.arange(20)).lost, acted.features[:, 2])


def test_the_first_phase_is_mult_vae(X):
    settings = {name: SMALL[name] for name in ("embedding_dim", "hidden_dim", "users_per_step")}
    losses = {MultVAE: [], RaCT: []}
    for kind, heard in losses.items():
        kind(**settings, epochs=1, patience=0, dropout=1e-9, beta=0.0).fit(
            X, after_epoch=lambda model, epoch, loss, heard=heard: heard.append(loss) or True
        )
    # They draw other codes, because the critic's first weights come from the same generator.
    assert losses[RaCT] == pytest.approx(losses[MultVAE], rel=0.05)


def curve_of(model, X, **more):
    phases, weights = [], []

    def after(model, epoch, loss):
        phases.append(model.reached_phase)
        weights.append(model.encoder_weights)

    model.fit(X, after, **more)
    return phases, weights


def test_the_actor_rests_while_the_critic_learns(X):
    phases, weights = curve_of(RaCT(**SMALL, actor_learning_rate=0.01), X)
    assert phases == ["actor"] * 3 + ["critic"] * 2 + ["actor-critic"] * 2
    moved = [not np.array_equal(a, b) for a, b in pairwise(weights)]
    assert moved == [True, True, False, False, True, True]


def test_patience_ends_phases_and_the_best_epoch_of_all_is_kept(X, held_out, monkeypatch):
    values = iter([0.1, 0.5, 0.4, 0.3, *[0.5] * 4, 0.2, 0.6, 0.3, 0.2])
    monkeypatch.setattr(RaCT, "_validated", lambda model, held_out: next(values))
    longer = {"epochs": 9, "critic_epochs": 4, "actor_critic_epochs": 9, "patience": 2}
    model = RaCT(**SMALL | longer, actor_learning_rate=0.01)
    phases, weights = curve_of(model, X, validation=held_out)
    assert phases == ["actor"] * 4 + ["critic"] * 4 + ["actor-critic"] * 4
    # The critic's phase has the actor of epoch 2, the best one of the first phase.
    for epoch in (5, 6, 7, 8):
        np.testing.assert_array_equal(weights[epoch - 1], weights[1])
    assert model.learning.best_epoch == 10
    assert model.reached_phase == "actor-critic"
    np.testing.assert_array_equal(model.encoder_weights, weights[9])


def test_without_a_better_epoch_the_actor_is_kept(X, held_out, monkeypatch):
    values = iter([0.1, 0.5, 0.4, 0.5, 0.5, 0.2, 0.1])
    monkeypatch.setattr(RaCT, "_validated", lambda model, held_out: next(values))
    model = RaCT(**SMALL | {"patience": 4}, actor_learning_rate=0.01)
    _, weights = curve_of(model, X, validation=held_out)
    assert (model.learning.best_epoch, model.learning.of) == (2, 7)
    assert model.reached_phase == "actor"
    np.testing.assert_array_equal(model.encoder_weights, weights[1])


@pytest.mark.parametrize("stop", [2, 4, 6])
def test_an_interrupted_fit_goes_on_in_its_phase(X, held_out, stop, tmp_path, monkeypatch):
    monkeypatch.setattr("beekit.models.fit_state._SHARE", 1e9)  # keep every epoch
    settings = SMALL | {"patience": 9, "actor_learning_rate": 0.01}

    class Interrupted(Exception):
        pass

    def interrupt(model, epoch, loss):
        if epoch == stop + 1:
            raise Interrupted

    whole = RaCT(**settings).fit(X, validation=held_out)
    with pytest.raises(Interrupted):
        RaCT(**settings).fit(X, interrupt, validation=held_out, keep_in=tmp_path / "fit")
    gone_on = RaCT(**settings).fit(X, validation=held_out, keep_in=tmp_path / "fit")
    np.testing.assert_array_equal(gone_on.encoder_weights, whole.encoder_weights)
    np.testing.assert_array_equal(gone_on.item_vectors, whole.item_vectors)
    assert gone_on.learning.curve == whole.learning.curve
    assert gone_on.reached_phase == whole.reached_phase


def test_one_user_and_users_without_items_are_no_error(X):
    RaCT(**SMALL).fit(X[:1])
    RaCT(**SMALL).fit(sp.csr_array((3, 4), dtype=np.float32))


def test_without_dropout_there_is_nothing_to_judge():
    with pytest.raises(ConfigError, match="dropout=0; expected a number above 0"):
        RaCT(dropout=0)
