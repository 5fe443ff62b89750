"""DeepRec: both of its steps written out in float64."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.errors import ConfigError
from beekit.models import DeepRec
from beekit.models.autoencoders.histories import linear

SCALE, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


@pytest.fixture
def X():
    generator = np.random.default_rng(4)
    dense = generator.integers(1, 6, (6, 5)) * (generator.random((6, 5)) < 0.6)
    dense[:, 0] = 3
    return sp.csr_array(dense.astype(np.float64))


def selu(x):
    return SCALE * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0)))


def slope(x):
    return SCALE * np.where(x > 0, 1.0, ALPHA * np.exp(np.minimum(x, 0)))


class ByHand:
    """Layers of SELU with gradient steps of momentum, in float64 without any library."""

    def __init__(self, weights, rate):
        self.weights, self.rate = [w.copy() for w in weights], rate
        self.speed = [np.zeros_like(w) for w in weights]

    def forward(self, x):
        self.inputs, self.sums = [], []
        for W, b in zip(self.weights[::2], self.weights[1::2], strict=True):
            self.inputs.append(x)
            self.sums.append(x @ W.T + b)
            x = selu(self.sums[-1])
        return x

    def step(self, toward):
        """Follow the gradient, given that of the output."""
        gradients = []
        for W, x, s in zip(
            self.weights[::2][::-1], self.inputs[::-1], self.sums[::-1], strict=True
        ):
            toward = toward * slope(s)
            gradients = [toward.T @ x, toward.sum(axis=0), *gradients]
            toward = toward @ W
        for place, gradient in enumerate(gradients):
            self.speed[place] = 0.9 * self.speed[place] + gradient
            self.weights[place] -= self.rate * self.speed[place]


def first_weights(model, items):
    """Weights and biases, layer by layer."""
    generator = torch.Generator().manual_seed(0)
    encoder = model._encoder(items, generator)
    output = linear(encoder.width, items, generator)
    return layers(encoder, output)


def layers(encoder, output):
    found = [(encoder.first.weight.T, encoder.first.bias)]
    found += [(one.weight, one.bias) for one in (*encoder.down, *encoder.up, output)]
    return [part.detach().double().numpy().copy() for pair in found for part in pair]


@pytest.mark.parametrize("refeeds", [0, 1, 2])
def test_both_steps_are_those_written_out_by_hand(X, refeeds):
    settings = {"hidden_dims": (4, 3), "dropout": 0.0, "learning_rate": 0.02, "patience": 0}
    model = DeepRec(**settings, refeeds=refeeds, epochs=2, rows_per_step=6)
    by_hand = ByHand(first_weights(model, 5), 0.02)
    losses = []
    model.fit(X, after_epoch=lambda model, epoch, loss: losses.append(loss) and None)
    x, observed = X.toarray(), X.toarray() != 0
    for loss in losses:
        y = by_hand.forward(x)
        error = np.where(observed, y - x, 0)
        assert loss == pytest.approx((error**2).sum() / X.nnz, rel=1e-5)
        by_hand.step(2 * error / X.nnz)
        for _ in range(refeeds):
            again = by_hand.forward(y)  # y is input and target, and no ratings are
            by_hand.step(2 * (again - y) / y.size)
            y = again
    expected = by_hand.forward(x)
    users, items = np.indices(x.shape).reshape(2, -1)
    predicted = model.predict(X, users, items)
    np.testing.assert_allclose(
        predicted, expected.clip(*model.rating_range)[users, items], rtol=1e-4
    )
    np.testing.assert_allclose(
        model.item_vectors, np.column_stack(by_hand.weights[-2:]), rtol=1e-4, atol=1e-5
    )


def test_refeeding_with_the_ratings_as_targets_would_be_another_model(X):
    """A frequent mistake, which the test above would find."""
    settings = {"hidden_dims": (4, 3), "dropout": 0.0, "learning_rate": 0.02, "patience": 0}
    model = DeepRec(**settings, epochs=1, rows_per_step=6).fit(X)
    by_hand = ByHand(first_weights(model, 5), 0.02)
    x, observed = X.toarray(), X.toarray() != 0
    y = by_hand.forward(x)
    by_hand.step(2 * np.where(observed, y - x, 0) / X.nnz)
    again = by_hand.forward(y)
    by_hand.step(2 * np.where(observed, again - x, 0) / X.nnz)
    wrong = np.column_stack(by_hand.weights[-2:])
    assert np.abs(model.item_vectors - wrong).max() > 1e-3


def test_dropout_is_on_the_code_alone_and_in_training_alone(X, monkeypatch):
    model = DeepRec(hidden_dims=(40, 30), dropout=0.8, epochs=3, patience=0)
    seen = []
    rand = torch.rand

    def noted(shape, **given):
        seen.append(tuple(shape))
        return rand(shape, **given)

    monkeypatch.setattr(torch, "rand", noted)
    model.fit(X)
    assert seen == [(6, 30)] * 6  # a step on ratings, and one on what they give
    model.predict(X, [0], [1])
    assert len(seen) == 6


def test_selu_is_after_the_last_layer_too(X):
    model = DeepRec(hidden_dims=(4,), epochs=1, patience=0).fit(X)
    products = np.array([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(model._predicted(products), selu(products), rtol=1e-6)


def test_any_number_of_layers_is_mirrored(X):
    model = DeepRec(hidden_dims=(7, 6, 5), epochs=1, patience=0).fit(X)
    shapes = [w.shape for w in first_weights(model, 5)[::2]]
    assert shapes == [(7, 5), (6, 7), (5, 6), (6, 5), (7, 6), (5, 7)]


def test_it_has_a_layer_at_least():
    with pytest.raises(ConfigError, match="one at least"):
        DeepRec(hidden_dims=())
