"""SVAE: against Mult-VAE on one item, users one at a time and plain loops, and what order does."""

from __future__ import annotations

import itertools
import logging

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.errors import DataError
from beekit.models import SVAE, MultVAE
from beekit.models.autoencoders.histories import Histories, linear, negative_log_likelihood
from beekit.models.autoencoders.mult_vae import divergence
from beekit.models.autoencoders.sequences import AlikeInLength, Steps, in_order
from beekit.models.autoencoders.svae import SequentialEncoder

ITEMS = 15
SMALL = {"item_dim": 5, "state_dim": 6, "hidden_dim": 7, "embedding_dim": 3}


@pytest.fixture
def X(random_matrix):
    """40 users whose items stand in a random order, some of them tied."""
    X = random_matrix(40, ITEMS, 0.3, seed=1).astype(np.float64)
    X.data = np.random.default_rng(2).integers(1, 9, X.nnz).astype(np.float64)
    return X


def encoder(seed: int = 0) -> SequentialEncoder:
    generator = torch.Generator().manual_seed(seed)
    return SequentialEncoder(ITEMS, 5, 6, 7, 3, generator).double()


def rows_of(ordered: sp.csr_array) -> list[list[int]]:
    return [part.tolist() for part in np.split(ordered.indices, ordered.indptr[1:-1])]


def test_items_stand_in_the_order_of_their_numbers():
    X = sp.csr_array(np.array([[3.0, 0, -2.5, 9], [0, 0, 0, 0], [0, 4, 0, 1e9]]))
    assert rows_of(in_order(X)) == [[2, 0, 3], [], [1, 3]]
    assert rows_of(in_order(X, 2)) == [[0, 3], [], [1, 3]]


def test_items_with_equal_numbers_stand_in_no_order_that_ids_or_rows_say():
    X = sp.csr_array(np.vstack([np.ones((1, 40)), np.tile([1.0, 2.0], 20)[None]]))
    tied, halves = rows_of(in_order(X))
    assert sorted(tied) == list(range(40))
    assert tied not in (list(range(40)), list(range(40))[::-1])
    assert sorted(halves[:20]) == list(range(0, 40, 2))
    assert rows_of(in_order(X[::-1][[0, 1]])) == [halves, tied], "another user's place"


def test_a_number_of_zero_is_a_place_too():
    X = sp.csr_array((np.array([0.0, -1.0]), np.array([0, 1]), np.array([0, 2])), shape=(1, 3))
    assert rows_of(in_order(X)) == [[1, 0]]


@pytest.mark.parametrize("next_items", [1, 2, 4, 50])
def test_steps_and_targets_are_those_of_plain_loops(X, next_items):
    ordered = in_order(X)
    steps, targets = Steps.predicting(ordered, next_items)
    flat = steps.items.flatten()[steps.places].tolist()
    expected = targets.items.split(targets.lengths.tolist())
    number = 0
    for user, items in enumerate(rows_of(ordered)):
        for place, item in enumerate(items[:-1]):
            assert flat[number] == item == steps.items[place, user]
            assert expected[number].tolist() == items[place + 1 : place + 1 + next_items]
            number += 1
    assert number == len(steps.places) == len(targets.lengths)


def test_users_beside_others_are_in_the_states_that_they_are_in_alone(X):
    network, ordered = encoder(), in_order(X)
    with torch.no_grad():
        steps = Steps.of(ordered)
        beside = network.states(steps).flatten(0, 1)[steps.places]
        alone = [
            network.states(Steps.of(ordered[[u]])).flatten(0, 1) for u in range(len(X.indptr) - 1)
        ]
    torch.testing.assert_close(beside, torch.cat(alone))


def test_the_states_are_those_of_a_gated_recurrent_unit_by_hand():
    network = encoder()
    weights = [p.detach().numpy() for p in network.recurrent.parameters()]
    of_input, of_state, input_bias, state_bias = weights
    items, state = [3, 1, 14], np.zeros(6)
    for item in items:
        x = of_input @ network.items.detach().numpy()[item] + input_bias
        h = of_state @ state + state_bias
        reset, update = (1 / (1 + np.exp(-(x + h)[at])) for at in (slice(6), slice(6, 12)))
        candidate = np.tanh(x[12:] + reset * h[12:])
        state = (1 - update) * candidate + update * state
    with torch.no_grad():
        found = network.states(Steps(torch.tensor(items)[:, None], torch.arange(3)))[-1, 0]
    np.testing.assert_allclose(found.numpy(), state, rtol=1e-12)


def test_one_step_is_mult_vae_on_one_item():
    """With the weights that say the same of one item, both have the same loss and the same μ."""
    network = encoder()
    generator = torch.Generator().manual_seed(1)
    output = linear(7, ITEMS, generator).double()
    theirs = MultVAE(hidden_dim=7, embedding_dim=3)._encoder(ITEMS, generator).double()
    each = Steps(torch.arange(ITEMS)[None], torch.arange(ITEMS))
    with torch.no_grad():
        hidden = torch.tanh(network.first(network.states(each)[0]))
        theirs.first.weight.copy_(torch.atanh(hidden))
        for name in ("second", "third"):
            getattr(theirs, name).load_state_dict(getattr(network, name).state_dict())
    of_one = Histories.of(sp.csr_array(np.eye(ITEMS, dtype=np.float32)))

    def loss(mean: torch.Tensor, log_variance: torch.Tensor, decode) -> torch.Tensor:
        likely = negative_log_likelihood(output(decode(mean)), of_one)
        return likely + 0.3 * divergence(mean, log_variance)

    ours = loss(*network.posterior(network.states(each)[0]), network.decode)
    torch.testing.assert_close(ours, loss(*theirs.posterior(of_one), theirs.decode))
    lengths = torch.ones(ITEMS, dtype=torch.int64)
    torch.testing.assert_close(network(each, lengths), theirs(of_one))


def test_the_loss_is_the_mean_over_steps_of_plain_loops(X, monkeypatch):
    monkeypatch.setattr("beekit.models.autoencoders.svae.drawn", lambda mean, _, generator: mean)
    model = SVAE(**SMALL, next_items=2, beta=0.5, epochs=1, users_per_step=40, patience=0)
    losses = []
    model.fit(X, after_epoch=lambda model, epoch, loss: losses.append(loss) and None)
    generator = torch.Generator().manual_seed(0)
    network = model._encoder(ITEMS, generator)
    output = linear(7, ITEMS, generator)
    each = []
    for items in rows_of(in_order(X)):
        for place in range(len(items) - 1):
            steps = Steps(torch.tensor(items[: place + 1])[:, None], torch.arange(place + 1))
            mean, log_variance = network.posterior(network.states(steps)[-1])
            logs = output(network.decode(mean))[0].log_softmax(dim=0)
            variance = log_variance.exp()
            kl = (variance + mean**2 - 1 - log_variance).sum() / 2
            each.append(-logs[items[place + 1 : place + 3]].sum() + 0.5 * kl)
    assert losses == [pytest.approx(torch.stack(each).mean().item(), rel=1e-5)]


def test_order_matters_to_the_list(X):
    model = SVAE(**SMALL, epochs=20, users_per_step=10, learning_rate=0.02).fit(X)
    backwards = X.copy()
    backwards.data = -X.data
    same = X.copy()
    same.data = np.exp(X.data / 3) - 50
    items, scores = model.recommend(X, 5)
    for ours, theirs in zip((items, scores), model.recommend(same, 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (model.recommend(backwards, 5)[0] != items).any()
    np.testing.assert_array_equal(model.user_vectors(same), model.user_vectors(X))


def test_what_comes_next_is_recommended():
    """Users walk along a ring of items; from where they stand, the next one is the answer."""
    generator = np.random.default_rng(0)
    dense = np.zeros((200, 12))
    for user in range(200):
        start, length = generator.integers(12), generator.integers(3, 8)
        dense[user, (start + np.arange(length)) % 12] = 1 + np.arange(length)
    model = SVAE(
        **{**SMALL, "state_dim": 16, "hidden_dim": 16, "item_dim": 8, "embedding_dim": 8},
        **{"next_items": 1, "beta": 0.01, "epochs": 40, "users_per_step": 20},
        learning_rate=0.01,
    ).fit(sp.csr_array(dense))
    histories = np.zeros((2, 12))
    histories[0, [4, 5, 6]] = [1, 2, 3]
    histories[1, [4, 5, 6]] = [3, 2, 1]
    items, _ = model.recommend(sp.csr_array(histories), 1)
    assert items[0] == 7
    assert model.recommend(sp.csr_array(histories), 3)[0].shape == (2, 3)


def test_only_the_last_items_count(X):
    X.data = np.arange(X.nnz, dtype=np.float64)[::-1].copy()
    model = SVAE(**SMALL, max_length=3, epochs=2).fit(X)
    cut = X.copy()
    for begin, end in itertools.pairwise(cut.indptr):
        cut.data[begin + 3 : end] = np.nan
    last = ~np.isnan(cut.data)
    starts = np.concatenate([[0], np.cumsum(last)])[cut.indptr]
    cut = sp.csr_array((cut.data[last], cut.indices[last], starts), shape=cut.shape)
    assert cut.nnz < X.nnz
    np.testing.assert_array_equal(model.user_vectors(X), model.user_vectors(cut))


@pytest.mark.parametrize(
    "X",
    [
        sp.csr_array(np.ones((3, 4))),
        sp.csr_array(np.array([[5.0, 5, 0], [0, 0, 7], [2, 2, 2]])),
    ],
)
def test_histories_without_order_are_refused_in_one_line(X):
    with pytest.raises(DataError, match="without order for SVAE") as caught:
        SVAE(**SMALL).fit(X)
    assert "\n" not in str(caught.value)


def test_a_history_without_order_is_said_when_recommending(X, caplog):
    model = SVAE(**SMALL, epochs=1).fit(X)
    model.recommend(X, 3)
    assert "by chance" not in caplog.text
    model.recommend(sp.csr_array(np.ones((1, ITEMS))), 3, exclude_seen=False)
    assert "in an order by chance" in caplog.text


def test_users_with_one_item_each_have_no_order_to_say():
    model = SVAE(**SMALL, epochs=1).fit(sp.csr_array(np.eye(4)))
    assert model.recommend(sp.csr_array(np.eye(4)), 3)[0].shape == (4, 3)


@pytest.mark.parametrize(("epochs", "reached"), [(1, 0.2), (4, 0.2)])
def test_beta_rises_over_all_of_training_and_says_where_it_ended(X, caplog, epochs, reached):
    caplog.set_level(logging.INFO, "beekit")
    model = SVAE(**SMALL, epochs=epochs, users_per_step=10, patience=0)
    on_the_way = []
    model.fit(X, after_epoch=lambda model, *_: on_the_way.append(model.reached_beta) and None)
    assert on_the_way == pytest.approx(model.beta * np.arange(1, epochs + 1) / epochs)
    assert model.reached_beta == pytest.approx(model.beta)
    assert f"β reached {model.beta:.3g} of {model.beta:.3g}" in caplog.text


def test_recommending_is_without_noise_and_does_not_depend_on_who_else_is_asked(X):
    model = SVAE(**SMALL, epochs=3).fit(X)
    together = model.user_vectors(X)
    np.testing.assert_array_equal(together, model.user_vectors(X))
    alone = np.concatenate([model.user_vectors(X[[user]]) for user in range(X.shape[0])])
    np.testing.assert_array_equal(together, alone)


def test_batches_are_of_like_lengths_and_hold_everybody_once():
    lengths = np.random.default_rng(0).integers(2, 300, 1000)
    batches = AlikeInLength(lengths, 8, torch.Generator().manual_seed(0))
    first, second = list(batches), list(batches)
    assert len(first) == len(batches)
    assert sorted(torch.cat(first).tolist()) == list(range(1000))
    assert torch.cat(first).tolist() != torch.cat(second).tolist()
    steps = sum(int(lengths[batch].max()) * len(batch) for batch in first)
    assert steps < 1.15 * lengths.sum()
