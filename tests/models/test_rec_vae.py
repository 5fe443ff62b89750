"""RecVAE: its prior against closed forms, whom its gradients reach, and its turns."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal
from torch.nn import functional

from beekit.models import RecVAE
from beekit.models.autoencoders.histories import Histories
from beekit.models.autoencoders.mult_vae import divergence, drawn
from beekit.models.autoencoders.rec_vae import WEIGHTS, DenseEncoder, Turns, log_normal, log_prior
from beekit.models.training_loop import Shuffled


def numbers(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_with_the_standard_normal_alone_the_divergence_is_the_closed_form_in_expectation():
    mean, log_variance = numbers(2, 4, 3)
    draws = 40_000
    many = [part.repeat(draws, 1) for part in (mean, log_variance)]
    codes = drawn(*many, torch.Generator().manual_seed(1))
    prior = log_prior(codes, *many, weights=(1.0, 0.0, 0.0))
    each = (log_normal(codes, *many).sum(dim=1) - prior).view(draws, 4)
    error = each.std(dim=0) / draws**0.5
    assert ((each.mean(dim=0) - divergence(mean, log_variance)).abs() < 5 * error).all()


def test_the_prior_is_a_mixture_in_each_dimension():
    code, mean, log_variance = numbers(3, 5, 4)
    parts = [
        torch.stack([torch.zeros_like(mean), mean, torch.zeros_like(mean)], dim=-1),
        torch.stack(
            [torch.ones_like(mean), (log_variance / 2).exp(), torch.full_like(mean, np.exp(5))],
            dim=-1,
        ),
    ]
    weights = Categorical(torch.tensor(WEIGHTS, dtype=torch.float64))
    mixture = MixtureSameFamily(
        Categorical(weights.probs.expand(5, 4, 3)), Normal(*parts), validate_args=False
    )
    torch.testing.assert_close(
        log_prior(code, mean, log_variance), mixture.log_prob(code).sum(dim=1)
    )


def test_an_empty_history_is_a_number(random_matrix):
    X = random_matrix(30, 12, 0.3, seed=2)
    model = RecVAE(embedding_dim=3, hidden_dim=5, epochs=1).fit(X)
    assert np.isfinite(model.user_vectors(X[:1] * 0)).all()


def test_the_encoder_is_densely_connected(random_matrix):
    X = random_matrix(6, 12, 0.4, seed=2)
    encoder = DenseEncoder(12, 5, 3, torch.Generator().manual_seed(0))
    x = torch.from_numpy(X.toarray())
    x = x / x.norm(dim=1, keepdim=True).clamp(min=1)

    def normalised(values):
        centred = values - values.mean(dim=1, keepdim=True)
        return centred / (values.var(dim=1, keepdim=True, correction=0) + 0.1).sqrt()

    outputs = [normalised(functional.silu(x @ encoder.first.weight))]
    for layer in encoder.layers:
        outputs.append(normalised(functional.silu(layer(outputs[-1]) + sum(outputs))))
    torch.testing.assert_close(encoder(Histories.of(X)), encoder.last(outputs[-1])[:, :3])


def test_turns_are_passes_of_the_encoder_and_one_of_the_decoder():
    turns = list(Turns(Shuffled(5, 2, torch.Generator().manual_seed(0)), encoder_passes=2))
    assert len(turns) == len(Turns(Shuffled(5, 2, torch.Generator()), 2)) == 9
    assert [turn.of_decoder for turn in turns] == [False] * 6 + [True] * 3
    assert [turn.first_of_decoder for turn in turns] == [False] * 6 + [True, False, False]
    for begin in (0, 3, 6):
        seen = torch.cat([turn.users for turn in turns[begin : begin + 3]])
        assert sorted(seen.tolist()) == list(range(5))


def test_each_half_learns_in_its_own_turn_and_the_old_posterior_never(random_matrix, monkeypatch):
    """Weights as each turn found them: only those of its half have moved by the next one."""
    X = random_matrix(20, 12, 0.3, seed=2)
    modules, found = [], []
    kept = RecVAE._training

    def noting(self, encoder, output, batches, step, state):
        modules.extend([encoder, output])

        def noted(turn):
            found.append((turn, [flat(module) for module in modules]))
            return step(turn)

        return kept(self, encoder, output, batches, noted, state)

    def flat(module):
        return torch.nn.utils.parameters_to_vector(module.parameters()).detach().clone()

    monkeypatch.setattr(RecVAE, "_training", noting)
    olds = []
    monkeypatch.setattr(
        "beekit.models.autoencoders.rec_vae.log_prior",
        lambda code, mean, log_variance: (
            olds.append((mean.requires_grad, log_variance.requires_grad))
            or log_prior(code, mean, log_variance)
        ),
    )
    RecVAE(embedding_dim=3, hidden_dim=5, epochs=2, users_per_step=10, learning_rate=0.01).fit(X)
    assert set(olds) == {(False, False)}
    for (turn, before), (_, after) in pairwise(found):
        moved = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
        assert moved == [not turn.of_decoder, turn.of_decoder]


@pytest.mark.parametrize("gamma", [0.0, 0.05])
def test_gamma_weighs_the_prior_by_the_length_of_the_history(random_matrix, gamma, monkeypatch):
    X = random_matrix(20, 12, 0.3, seed=2)
    losses = []
    monkeypatch.setattr(
        "beekit.models.autoencoders.rec_vae.drawn", lambda mean, log_variance, generator: mean
    )
    settings = {"embedding_dim": 3, "hidden_dim": 5, "dropout": 0.0, "encoder_passes": 1}
    model = RecVAE(**settings, gamma=gamma, epochs=1, users_per_step=20, learning_rate=1e-12)
    model.fit(X, after_epoch=lambda model, epoch, loss: losses.append(loss) and None)
    encoder = model._encoder_of(model.encoder_weights)
    histories = Histories.of(X[np.diff(X.indptr) > 0])
    with torch.no_grad():
        mean, log_variance = encoder.posterior(histories)
        D = torch.from_numpy(model.item_vectors.astype(np.float64))
        likely = (mean @ D[:, :-1].T + D[:, -1]).log_softmax(dim=1)
        dense = torch.from_numpy(X[np.diff(X.indptr) > 0].toarray())
        likely = -(dense * likely).sum(dim=1)
        gap = log_normal(mean, mean, log_variance).sum(1) - log_prior(mean, mean, log_variance)
        of_encoder = (likely + gamma * dense.sum(dim=1) * gap).mean()
    # The mean of a turn of the encoder and of one of the decoder, which sees the likelihood alone.
    assert losses == [pytest.approx((of_encoder + likely.mean()).item() / 2, rel=1e-4)]
