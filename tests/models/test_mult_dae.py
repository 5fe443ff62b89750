"""Mult-DAE: its loss against loops, and what dropout leaves out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.models import MultDAE
from beekit.models.autoencoders.histories import Histories, linear, negative_log_likelihood


@pytest.fixture
def X(random_matrix):
    dense = random_matrix(25, 15, 0.3, seed=1).toarray()
    dense[4] = 0
    return sp.csr_array(dense)


def test_the_loss_is_the_multinomial_likelihood_of_loops(X):
    logits = torch.randn((25, 15), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = negative_log_likelihood(logits, Histories.of(X))
    dense = X.toarray()
    for user in range(25):
        share = np.exp(logits[user].numpy()) / np.exp(logits[user].numpy()).sum()
        expected = -sum(np.log(share[item]) for item in np.flatnonzero(dense[user]))
        assert found[user].item() == pytest.approx(expected, abs=1e-12)


def test_a_history_enters_at_length_one(X):
    vectors = torch.randn((15, 4), generator=torch.Generator().manual_seed(0))
    dense = torch.from_numpy(X.toarray())
    lengths = dense.norm(dim=1, keepdim=True).clamp(min=1)
    torch.testing.assert_close(Histories.of(X).summed(vectors), dense / lengths @ vectors)


def test_dropout_leaves_interactions_out_and_keeps_their_expectation(X):
    whole = Histories.of(X)
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([whole.dropped(0.4, generator).weights for _ in range(4000)])
    kept = draws / whole.weights
    assert sorted({round(value, 5) for value in kept.unique().tolist()}) == [0, round(1 / 0.6, 5)]
    # The standard deviation of a mean of 4,000 draws is 0.013.
    torch.testing.assert_close(kept.mean(dim=0), torch.ones(len(whole.items)), rtol=0, atol=0.06)


def test_the_served_scores_are_the_logits(X):
    model = MultDAE(embedding_dim=6, epochs=5, users_per_step=8).fit(X)
    encoder = model._encoder_of(model.encoder_weights)
    with torch.no_grad():
        hidden = encoder(Histories.of(X)).numpy()
    logits = hidden @ model.item_vectors[:, :-1].T + model.item_vectors[:, -1]
    items, scores = model.recommend(X, 15, exclude_seen=False)
    np.testing.assert_allclose(scores, np.take_along_axis(logits, items, 1), atol=1e-5)


def test_one_step_is_that_of_a_dense_autoencoder(X):
    """Adam's first step moves each weight by the learning rate, against the gradient's sign."""
    settings = {"embedding_dim": 4, "epochs": 1, "users_per_step": 25, "dropout": 0.0}
    rate, penalty = 1e-4, 0.05
    model = MultDAE(**settings, learning_rate=rate, regularization=penalty).fit(X)
    generator = torch.Generator().manual_seed(0)
    first = MultDAE(**settings)._encoder(15, generator)[0]
    last = linear(4, 15, generator)
    W, c, V, b = first.weight, first.bias, last.weight, last.bias
    x = torch.from_numpy(X.toarray()[np.diff(X.indptr) > 0])
    logits = torch.tanh(x / x.norm(dim=1, keepdim=True) @ W + c) @ V.T + b
    loss = -(x * logits.log_softmax(dim=1)).sum(dim=1).mean()
    loss = loss + penalty * (W.square().sum() + V.square().sum())
    loss.backward()
    moved = torch.from_numpy(model.item_vectors[:, :-1]) - V.detach()
    clear = V.grad.abs() > 1e-4
    assert clear.float().mean() > 0.9
    torch.testing.assert_close(
        moved[clear], -rate * V.grad.sign()[clear], rtol=1e-2, atol=rate * 1e-2
    )
