"""Mult-VAE: its divergence against integration, its likelihood, and β as it rises."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from beekit.models import MultVAE
from beekit.models.autoencoders.histories import Histories, linear
from beekit.models.autoencoders.mult_vae import divergence, drawn


@pytest.fixture
def X(random_matrix):
    return random_matrix(40, 15, 0.3, seed=1)


def test_the_divergence_is_that_of_two_normals():
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn((2, 5, 3), dtype=torch.float64, generator=generator)
    theirs = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(divergence(mean, log_variance), theirs.sum(dim=1))


def test_draws_have_the_mean_and_variance_asked_for():
    mean = torch.tensor([1.0, -2.0]).expand(20_000, 2)
    log_variance = torch.tensor([0.25, 4.0]).log().expand(20_000, 2)
    draws = drawn(mean, log_variance, torch.Generator().manual_seed(0))
    # Five standard deviations of the mean, and of the variance, of 20,000 draws.
    torch.testing.assert_close(draws.mean(dim=0), mean[0], rtol=0, atol=0.071)
    torch.testing.assert_close(draws.var(dim=0), log_variance[0].exp(), rtol=0.05, atol=0)


def test_without_noise_it_is_an_autoencoder_with_the_multinomial_likelihood(X, monkeypatch):
    monkeypatch.setattr(
        "beekit.models.autoencoders.mult_vae.drawn", lambda mean, log_variance, generator: mean
    )
    model = MultVAE(
        embedding_dim=4, hidden_dim=6, dropout=0.0, beta=0.0, epochs=1, users_per_step=40
    )
    losses = []
    model.fit(X, after_epoch=lambda model, epoch, loss: losses.append(loss) and None)
    generator = torch.Generator().manual_seed(0)
    encoder, output = model._encoder(15, generator), linear(6, 15, generator)
    x = torch.from_numpy(X.toarray())
    at_length_one = x / x.norm(dim=1, keepdim=True).clamp(min=1)
    hidden = torch.tanh(at_length_one @ encoder.first.weight)
    mean = encoder.second(hidden)[:, :4]
    logits = output(torch.tanh(encoder.third(mean)))
    some = x.sum(dim=1) > 0
    expected = -(x * logits.log_softmax(dim=1)).sum(dim=1)[some].mean()
    assert losses == [pytest.approx(expected.item(), rel=1e-5)]


def test_recommending_is_without_noise(X):
    model = MultVAE(embedding_dim=4, hidden_dim=6, epochs=3).fit(X)
    first, second = model.user_vectors(X), model.user_vectors(X)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("anneal", "reached"), [(0, 0.2), (2, 0.2), (10, 0.2 * 11 / 40), (6, 0.2 * 11 / 24)]
)
def test_beta_rises_with_the_epochs_and_says_where_it_ended(X, caplog, anneal, reached):
    caplog.set_level(logging.INFO, "beekit")
    model = MultVAE(
        embedding_dim=4, hidden_dim=6, epochs=3, users_per_step=10, anneal_epochs=anneal
    ).fit(X)
    assert model.reached_beta == pytest.approx(reached)
    assert f"β reached {reached:.3g} of 0.2" in caplog.text


def test_beta_matters(X):
    small, large = (
        MultVAE(
            embedding_dim=4, hidden_dim=6, epochs=30, beta=beta, anneal_epochs=0, learning_rate=0.01
        ).fit(X)
        for beta in (0.0, 5.0)
    )
    spread = [
        model._encoder_of(model.encoder_weights).posterior(Histories.of(X))[0].std().item()
        for model in (small, large)
    ]
    assert spread[1] < spread[0] / 2, "a large β pulls codes to zero"
