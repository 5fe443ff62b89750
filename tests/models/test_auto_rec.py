"""AutoRec: its criterion against loops, gradients from what is rated alone, unseen users."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.errors import DataError
from beekit.models import AutoRec
from beekit.models.autoencoders.histories import linear
from beekit.models.ratings import networks
from beekit.models.ratings.auto_rec import LastLayer
from beekit.models.ratings.known_raters import rating_keys, recalled, remember
from beekit.models.ratings.networks import predicted_where_rated, rated, squared_error
from beekit.split import HeldOut


@pytest.fixture
def X():
    generator = np.random.default_rng(2)
    rows, columns = np.nonzero(generator.random((12, 8)) < 0.4)
    ratings = generator.integers(1, 6, len(rows)).astype(np.float64)
    return sp.csr_array((ratings, (rows, columns)), shape=(12, 8))


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def criterion(rows, V, c, W, b, regularization):
    """Plain loops over what is rated."""
    total = regularization / 2 * ((W**2).sum() + (V**2).sum())
    for row in range(rows.shape[0]):
        hidden = c.copy()
        for place in range(rows.indptr[row], rows.indptr[row + 1]):
            hidden += rows.data[place] * V[rows.indices[place]]
        hidden = sigmoid(hidden)
        for place in range(rows.indptr[row], rows.indptr[row + 1]):
            column = rows.indices[place]
            total += (rows.data[place] - hidden @ W[column] - b[column]) ** 2
    return total


@pytest.mark.parametrize("kind", ["items", "users"])
@pytest.mark.parametrize("regularization", [1e-9, 3.0])
def test_the_loss_is_the_criterion_of_the_paper(X, kind, regularization):
    losses = []
    settings = {"embedding_dim": 4, "epochs": 1, "patience": 0, "shared": False}
    model = AutoRec(kind=kind, regularization=regularization, **settings)
    model.fit(X, after_epoch=lambda model, epoch, loss: losses.append(loss) and None)
    rows = X if kind == "users" else sp.csr_array(X.T)
    generator = torch.Generator().manual_seed(0)
    encoder = model._encoder(rows.shape[1], generator)
    output = linear(4, rows.shape[1], generator)
    V, W = (part.weight.detach().double().numpy() for part in (encoder[0], output))
    b = np.full(rows.shape[1], X.data.mean())
    expected = criterion(rows, V, np.zeros(4), W, b, regularization) / X.nnz
    assert losses == [pytest.approx(expected, rel=1e-5)]


@pytest.mark.parametrize("shared", [False, True])
def test_what_columns_share_is_free_and_the_rest_is_penalised(X, shared):
    layer = LastLayer(4, 8, torch.Generator().manual_seed(0), shared)
    layer.start_at(3.5)
    with torch.no_grad():
        for parameter in layer.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))
    hidden = torch.rand(12, 4, generator=torch.Generator().manual_seed(1))
    W, b = layer.of_columns()[:, :-1], layer.of_columns()[:, -1]
    observed = torch.from_numpy(X.toarray() != 0)
    torch.testing.assert_close(layer(hidden, rated(X)), (hidden @ W.T + b)[observed])
    size = sum(weight.square().sum() for weight in layer.penalised)
    if shared:
        around = torch.cat([W, b[:, None]], dim=1) - layer.common
        torch.testing.assert_close(size, around.square().sum())
    else:
        assert not layer.common.any()
        torch.testing.assert_close(size, W.square().sum())


def test_with_a_strong_penalty_all_users_agree_on_what_items_are_good(X):
    model = AutoRec(embedding_dim=4, regularization=1e4, epochs=200, learning_rate=0.02).fit(X)
    rows = model.known_vectors
    assert np.abs(rows - rows.mean(axis=0)).max() < 0.05
    zero = AutoRec(
        embedding_dim=4, regularization=1e4, epochs=200, learning_rate=0.02, shared=False
    ).fit(X)
    assert np.abs(zero.known_vectors[:, :-1]).max() < 0.05


@pytest.mark.parametrize("dense", [True, False])
def test_what_is_not_rated_has_no_gradient_at_all(X, dense, monkeypatch):
    if not dense:
        monkeypatch.setattr(networks, "_DENSE_ELEMENTS", 0)
    generator = torch.Generator().manual_seed(1)
    output = linear(4, 8, generator)
    ratings = rated(X)
    hidden = torch.randn(12, 4, generator=generator, requires_grad=True)
    loss = squared_error(predicted_where_rated(hidden, output, ratings), ratings)
    loss.backward()
    # Of a row whose ratings are all predicted exactly nothing comes, so leave one out to see.
    asked = X.toarray() != 0
    for column in range(8):
        rows = hidden.detach()[asked[:, column]]
        errors = rows @ output.weight[column] + output.bias[column]
        errors = errors - torch.from_numpy(X.toarray()[asked[:, column], column]).float()
        by_hand = 2 * (errors[:, None] * rows).sum(dim=0)
        torch.testing.assert_close(output.weight.grad[column], by_hand, rtol=1e-4, atol=1e-5)
    unrated = np.flatnonzero(~asked.any(axis=0))
    assert (output.weight.grad[unrated] == 0).all()
    empty = np.flatnonzero(~asked.any(axis=1))
    assert (hidden.grad[empty] == 0).all()


def test_the_gradient_of_each_unobserved_prediction_is_exactly_zero(X):
    ratings = rated(X)
    predictions = torch.randn(12, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    identity = torch.nn.Linear(8, 8)
    with torch.no_grad():
        identity.weight.copy_(torch.eye(8))
        identity.bias.zero_()
    squared_error(predicted_where_rated(predictions, identity, ratings), ratings).backward()
    observed = X.toarray() != 0
    assert (predictions.grad.numpy()[~observed] == 0).all()
    assert (predictions.grad.numpy()[observed] != 0).all()


def test_the_quick_product_and_the_frugal_one_agree(X, monkeypatch):
    generator = torch.Generator().manual_seed(1)
    output, ratings = linear(4, 8, generator), rated(X)
    hidden = torch.randn(12, 4, generator=generator)
    dense = predicted_where_rated(hidden, output, ratings)
    monkeypatch.setattr(networks, "_DENSE_ELEMENTS", 0)
    torch.testing.assert_close(predicted_where_rated(hidden, output, ratings), dense)


@pytest.mark.parametrize("kind", ["items", "users"])
def test_predictions_are_those_of_the_network_by_hand(X, kind):
    model = AutoRec(kind=kind, embedding_dim=4, regularization=1.0, epochs=3, patience=0).fit(X)
    users, items = np.indices(X.shape).reshape(2, -1)
    predicted = model.predict(X, users, items)
    vectors = model.user_vectors(X).astype(np.float64)
    expected = (vectors @ model.item_vectors.T.astype(np.float64)).clip(*model.rating_range)
    np.testing.assert_allclose(predicted, expected[users, items], rtol=1e-6)
    if kind == "users":
        network = model._encoder_of(model.encoder_weights)
        V, c = (part.detach().numpy() for part in (network[0].weight, network[0].bias))
        np.testing.assert_allclose(vectors[:, :-1], sigmoid(X @ V + c), rtol=1e-5)


def test_a_training_user_has_the_learnt_weights_and_another_the_best_ones_for_the_items_codes(X):
    model = AutoRec(embedding_dim=4, regularization=2.0, epochs=5, patience=0).fit(X)
    vectors = model.user_vectors(X).astype(np.float64)
    keys = rating_keys(X)
    for user in np.flatnonzero(np.diff(X.indptr)):
        at = np.searchsorted(model.known_keys, keys[user])
        np.testing.assert_array_equal(vectors[user], model.known_vectors[at])
    unseen = X[[0]].copy()
    unseen.data[0] = 6 - unseen.data[0]
    found = model.user_vectors(unseen)[0].astype(np.float64)
    Q, average = model.item_vectors[unseen.indices].astype(np.float64), model.known_average
    # The normal equations of Σ (r − p·q)² + λ/2 |p − p̄|².
    slope = Q.T @ (Q @ found - unseen.data) + 1.0 * (found - average)
    np.testing.assert_allclose(slope, 0, atol=1e-4)


def test_a_user_without_ratings_is_the_average_one(X):
    model = AutoRec(embedding_dim=4, epochs=2, patience=0).fit(X)
    nobody = model.user_vectors(sp.csr_array((1, 8)))
    np.testing.assert_allclose(nobody[0], model.known_average)


def test_an_unseen_twin_of_a_training_user_is_expected_to_rate_alike():
    """Two tastes that are far apart: an unseen user of either is told by a few ratings."""
    generator = np.random.default_rng(0)
    truth = np.where(np.arange(60)[:, None] % 2 == np.arange(40) % 2, 4.5, 1.5)
    seen = generator.random(truth.shape) < 0.5
    X = sp.csr_array(np.where(seen, truth, 0.0))
    model = AutoRec(
        embedding_dim=20, regularization=5.0, epochs=60, learning_rate=0.01, rows_per_step=10
    ).fit(X)
    few = np.zeros((2, 40))
    few[:, :6] = truth[:2, :6]
    rest = np.arange(6, 40)
    for user in (0, 1):
        found = model.predict(sp.csr_array(few), np.full(34, user), rest)
        assert np.abs(found - truth[user, rest]).mean() < 0.5


def test_an_item_without_ratings_has_the_average_code():
    X = sp.csr_array(np.array([[1.0, 0, 5, 4], [2, 0, 4, 0]]))
    model = AutoRec(embedding_dim=3, epochs=2, patience=0).fit(X)
    rated_ones = model.item_vectors[[0, 2, 3]]
    np.testing.assert_allclose(model.item_vectors[1], rated_ones.mean(axis=0), rtol=1e-6)


def test_keys_tell_ratings_apart(X):
    other = X.copy()
    other.data[0] += 1
    changed = rating_keys(X) != rating_keys(other)
    assert changed.tolist() == [True] + [False] * 11
    zeros = sp.csr_array((np.array([0.0, -0.0]), ([0, 1], [3, 3])), shape=(2, 5))
    assert len(set(rating_keys(zeros).tolist())) == 1
    assert rating_keys(zeros)[0] != rating_keys(sp.csr_array((1, 5)))[0]


def test_of_two_users_with_the_same_ratings_the_first_is_remembered():
    X = sp.csr_array(np.array([[1.0, 2], [1, 2], [0, 3]]))
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    known = remember(X, vectors)
    found = recalled(X, known, np.eye(2, dtype=np.float32), 1.0)
    assert found.tolist() == [[0, 1], [0, 1], [4, 5]]


def test_it_stops_early_by_the_error_on_held_out_ratings(random_matrix):
    X = random_matrix(60, 50, 0.5, seed=1)
    X.data = np.random.default_rng(0).integers(1, 6, X.nnz).astype(np.float64)
    settings = {"embedding_dim": 8, "learning_rate": 0.05, "epochs": 40, "validation_share": 0.2}
    model = AutoRec(regularization=0.1, patience=3, **settings).fit(X)
    learning = model.learning
    assert learning.metric == "rmse"
    assert learning.epochs < 40
    assert learning.value == min(learning.curve) == learning.curve[learning.best_epoch - 1]
    assert learning.validated_on == f"{round(0.2 * X.nnz):,} training ratings held out"


def test_a_metric_of_lists_is_refused():
    with pytest.raises(Exception, match="validation_metric='ndcg@100'; expected one of rmse, mae"):
        AutoRec(validation_metric="ndcg@100")


def test_a_validation_part_without_ratings_is_refused():
    """Errors against ones would choose the epoch."""
    generator = np.random.default_rng(0)
    X = sp.csr_array(sp.random_array((60, 20), density=0.4, rng=generator))
    X.data = generator.integers(1, 6, X.nnz).astype(float)
    ones = sp.csr_array((np.ones(X.nnz), X.indices, X.indptr), shape=X.shape)
    with pytest.raises(DataError, match="whose targets are ones"):
        AutoRec(epochs=1, patience=2).fit(X, validation=HeldOut(X, ones, np.arange(20)))
