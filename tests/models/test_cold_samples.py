"""What a training step of a cold-start model sees, and the parts its losses share."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.errors import BeekitError
from beekit.models import ELSA, DropoutNet
from beekit.models.cold.content_network import unit_scale
from beekit.models.cold.networks import MixtureOfExperts, Perceptron
from beekit.models.cold.samples import Samples, dropped, pair_weights
from beekit.models.content_vectors import standardised

EPS32, EPS64 = (float(np.finfo(kind).eps) for kind in (np.float32, np.float64))


def samples(X, users_per_step=7, items_per_step=20, seed=0):
    return Samples(X, users_per_step, items_per_step, np.random.default_rng(seed))


def test_every_user_with_two_interactions_comes_once_an_epoch(random_matrix):
    X = random_matrix(40, 50, 0.06, seed=1)
    part = samples(X)
    for _ in range(2):
        steps = list(part)
        assert len(steps) == len(part)
        seen = np.sort(np.concatenate([step.users for step in steps]))
        np.testing.assert_array_equal(seen, np.flatnonzero(np.diff(X.indptr) >= 2))


def test_a_step_holds_the_interactions_between_its_users_and_items(random_matrix):
    X = random_matrix(40, 50, 0.2, seed=1)
    warm = np.flatnonzero(X.sum(axis=0))
    for step in samples(X):
        assert len(set(step.items)) == len(step.items) <= 20
        assert set(step.items) <= set(warm)
        np.testing.assert_array_equal(step.interactions, X[step.users][:, step.items].toarray())
        np.testing.assert_array_equal(step.histories.toarray(), X[step.users].toarray())


def test_cold_items_are_in_no_step(random_matrix):
    dense = random_matrix(60, 30, 0.3, seed=1).toarray()
    dense[:, [3, 4, 20]] = 0
    for step in samples(sp.csr_array(dense), items_per_step=30):
        assert not set(step.items) & {3, 4, 20}


def test_pair_weights_are_chances_to_be_drawn():
    X = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 0]])
    weights = pair_weights(X, negatives=2.0)
    # Three interactions, each with two of five others: 1/9 each, and 6/9 shared by five.
    expected = torch.where(X > 0, 1 / 9, 6 / 9 / 5)
    torch.testing.assert_close(weights, expected)
    generator = np.random.default_rng(0)
    losses = generator.random((2, 4))
    held, others = losses[X > 0], losses[X == 0]
    drawn = (np.repeat(held, 20_000) + generator.choice(others, (60_000, 2)).sum(axis=1)) / 3
    # The mean of 60,000 draws of values in [0, 1]: five standard deviations of at most 0.5.
    assert (
        abs(np.mean(drawn) - float((weights * torch.from_numpy(losses)).sum())) < 2.5 / 60_000**0.5
    )


def test_without_interactions_there_is_nothing_to_weigh():
    assert not pair_weights(torch.zeros(2, 3), 5.0).any()
    assert torch.isfinite(pair_weights(torch.ones(2, 3), 5.0)).all()


def test_dropout_keeps_the_mean_and_the_global_generator():
    state = torch.get_rng_state()
    ones = torch.ones(300, 400)
    noisy = dropped(ones, 0.3, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), state)
    # Each is 0 or 1/0.7 with variance 0.3/0.7; five standard deviations of the mean.
    assert abs(float(noisy.mean()) - 1) < 5 * (0.3 / 0.7 / noisy.numel()) ** 0.5
    assert dropped(ones, 0.0, torch.Generator()) is ones


def test_standardised_content_has_size_one_around_the_mean_of_known_items():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(50, 4)) + 7
    known = generator.random(50) < 0.6
    scaled = standardised(vectors, known)
    np.testing.assert_allclose(scaled[known].mean(axis=0), 0, atol=8 * EPS32)
    assert np.mean(scaled[known] ** 2) == pytest.approx(1, abs=8 * EPS32)
    vectors[~known] *= 100  # what nobody used decides nothing
    np.testing.assert_array_equal(standardised(vectors, known)[known], scaled[known])
    assert not standardised(np.ones((3, 2)), np.array([True, True, True])).any()


def test_experts_are_summed_by_their_gates():
    generator = torch.Generator().manual_seed(0)
    content = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    for hidden in (0, 4):
        network = MixtureOfExperts(5, hidden, 3, 2, 0.5, generator).double().eval()
        with torch.no_grad():
            made = network(content).numpy()
        weight, bias = (p.detach().numpy() for p in network.first.parameters())
        gate_weight, gate_bias = (p.detach().numpy() for p in network.gate.parameters())
        for row in range(6):
            c = content[row].numpy()
            chances = np.exp(gate_weight @ c + gate_bias)
            chances /= chances.sum()
            expected = np.zeros(3)
            width = hidden or 3
            for expert in range(2):
                own = slice(expert * width, (expert + 1) * width)
                said = weight[own] @ c + bias[own]
                if hidden:
                    said = np.tanh(said) @ network.second[expert].detach().numpy()
                expected += chances[expert] * said
            np.testing.assert_allclose(made[row], expected, rtol=100 * EPS64, atol=100 * EPS64)


def test_a_perceptron_is_layers_with_tanh_between():
    generator = torch.Generator().manual_seed(0)
    network = Perceptron(5, (4,), 3, 0.5, generator, spared=2).double()
    values = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    first, second = network.layers
    expected = second(torch.tanh(first(values)))
    torch.testing.assert_close(network.eval()(values), expected)
    assert not torch.allclose(network.train()(values), expected)


def test_spared_inputs_are_never_dropped():
    generator = torch.Generator().manual_seed(0)
    network = Perceptron(5, (), 3, 0.9, generator, spared=2)
    values = torch.zeros(50, 5)
    values[:, :2] = 1
    torch.testing.assert_close(network.train()(values), network.eval()(values))


def test_factors_of_their_own_are_those_of_elsa(random_matrix):
    dense = random_matrix(50, 30, 0.3, seed=1).toarray()
    dense[:, 7] = 0
    user_side, item_factors = DropoutNet(np.eye(30), 5)._factors(sp.csr_array(dense))
    expected = ELSA(embedding_dim=5, seed=0).fit(sp.csr_array(dense)).item_vectors
    np.testing.assert_array_equal(user_side, expected)
    np.testing.assert_array_equal(item_factors, expected)
    assert not item_factors[7].any()


def test_given_factors_are_used_and_cold_items_have_none(random_matrix):
    dense = random_matrix(50, 30, 0.3, seed=1).toarray()
    dense[:, 7] = 0
    X = sp.csr_array(dense)
    generator = np.random.default_rng(0)
    E, D = generator.normal(size=(2, 30, 4))
    given = DropoutNet(np.eye(30), cf_user_side=E, cf_item_factors=D)
    found_side, found_factors = given._factors(X)
    np.testing.assert_allclose(found_side, E.astype(np.float32))
    assert not found_factors[7].any()
    np.testing.assert_allclose(found_factors[8:], D[8:].astype(np.float32))
    for user_side, item_factors in ((E, None), (None, D), (E, D[:, :2]), (E[:9], D[:9])):
        model = DropoutNet(np.eye(30), cf_user_side=user_side, cf_item_factors=item_factors)
        with pytest.raises(BeekitError):
            model._factors(X)


def test_unit_scale_leaves_rows_of_zeros_out():
    factors = torch.tensor([[3.0, 4.0], [0, 0]])
    torch.testing.assert_close(unit_scale(factors), factors / (12.5**0.5))
    assert not unit_scale(torch.zeros(3, 2)).any()
