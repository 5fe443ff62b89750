"""What every model that predicts ratings promises besides what all models do."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from contracts.models import RATING_MODELS

from beekit.errors import BeekitError, DataError
from beekit.models import load_model
from beekit.models.registry import HOMES, model_class

VECTORS = np.eye(2, dtype=np.float32)
# They know nothing of the user, of the item, or of either.
OF_NOBODY = {"GlobalMean", "ItemMean"}
OF_NOTHING = {"GlobalMean", "UserMean"}


@pytest.fixture(params=RATING_MODELS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def X():
    """60 users of two tastes rate about half of 30 items of two kinds, high where they fit."""
    generator = np.random.default_rng(3)
    rows, columns = np.nonzero(generator.random((60, 30)) < 0.5)
    fits = rows % 2 == columns % 2
    ratings = np.where(fits, 4.0, 2.0) + (rows % 3 == 0) - (columns % 5 == 0)
    ratings += generator.choice([-0.5, 0.0, 0.5], len(rows))
    dense = np.full((60, 30), np.nan)
    dense[rows, columns] = ratings
    dense[7], dense[:, 11] = np.nan, np.nan
    rows, columns = np.nonzero(np.isfinite(dense))
    return sp.csr_array((dense[rows, columns], (rows, columns)), shape=dense.shape)


@pytest.fixture
def model(name, X):
    return RATING_MODELS[name](VECTORS).fit(X)


@pytest.fixture(scope="module")
def pairs():
    rows, columns = np.indices((60, 30))
    return rows.ravel(), columns.ravel()


def test_every_rating_model_is_here():
    tested = {type(make(VECTORS)).__name__ for make in RATING_MODELS.values()}
    assert tested == {n for n in HOMES if hasattr(model_class(n), "predict")}


def test_predictions_are_one_number_for_each_pair(model, X, pairs):
    predicted = model.predict(X, *pairs)
    assert predicted.shape == (1800,)
    assert predicted.dtype == np.float32
    assert (predicted >= X.data.min() - 1e-6).all()
    assert (predicted <= X.data.max() + 1e-6).all()


def test_no_pairs_no_predictions(model, X):
    assert model.predict(X, np.array([], dtype=int), np.array([], dtype=int)).shape == (0,)
    assert model.predict(X, [], []).shape == (0,)


def test_a_prediction_depends_on_no_other_row_and_no_other_pair(model, X, pairs):
    whole = model.predict(X, *pairs).reshape(60, 30)
    order = np.random.default_rng(0).permutation(1800)
    shuffled = model.predict(X, pairs[0][order], pairs[1][order])
    np.testing.assert_array_equal(shuffled, whole.ravel()[order])
    for user in (0, 7, 31):
        alone = model.predict(X[[user]], np.zeros(30, dtype=int), np.arange(30))
        np.testing.assert_array_equal(alone, whole[user])


def test_in_any_sparse_format_ratings_are_the_same(model, X, pairs):
    expected = model.predict(X, *pairs)
    for other in (X.tocsc(), X.tocoo(), X.tolil(), sp.csr_matrix(X)):
        np.testing.assert_array_equal(model.predict(other, *pairs), expected)


def test_lists_are_ordered_by_what_is_predicted(model, X, pairs):
    predicted = model.predict(X, *pairs).reshape(60, 30)
    items, _ = model.recommend(X, 30, exclude_seen=False)
    along = np.take_along_axis(predicted, items, axis=1)
    assert (np.diff(along, axis=1) <= 1e-5).all()


def test_saved_and_loaded_it_predicts_the_same(model, X, pairs, tmp_path):
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(X, *pairs), model.predict(X, *pairs))


def test_it_learns_what_it_can_know(name, model, X):
    rows = np.repeat(np.arange(60), np.diff(X.indptr))
    error = np.sqrt(np.mean((model.predict(X, rows, X.indices) - X.data) ** 2))
    spread = X.data.std()
    assert error <= spread * (1 + 1e-6)
    if name not in OF_NOBODY | OF_NOTHING and "biases" not in name:
        assert error < 0.9 * spread


def test_who_and_what_was_never_rated_gets_a_rating_within_the_others(name, model, X):
    nobody, nothing = sp.csr_array((1, 30)), np.arange(30)
    for known, users in ((nobody, np.zeros(30, dtype=int)), (X, np.full(30, 7))):
        predicted = model.predict(known, users, nothing)
        assert np.isfinite(predicted).all()
        if name != "DeepRec":  # whose untrained items are what first weights say
            assert abs(predicted.mean() - X.data.mean()) < 0.7
    if name != "DeepRec":
        cold = model.predict(X, np.arange(60), np.full(60, 11))
        assert abs(cold.mean() - X.data.mean()) < 0.7


def test_a_rating_of_zero_is_a_rating(name, X, pairs):
    from_zero = X.copy()
    from_zero.data = X.data - X.data.min()
    model = RATING_MODELS[name](VECTORS).fit(from_zero)
    assert model.rating_range[0] == 0
    pruned = from_zero.copy()
    pruned.eliminate_zeros()
    assert pruned.nnz < from_zero.nnz
    other = RATING_MODELS[name](VECTORS).fit(pruned)
    assert (model.predict(from_zero, *pairs) != other.predict(pruned, *pairs)).any()


def test_another_rating_makes_another_prediction(name, model, X):
    if name in OF_NOBODY:
        pytest.skip("knows nothing of the user")
    other = X.copy()
    other.data[other.indptr[0] : other.indptr[1]] = 1.0
    where = np.zeros(30, dtype=int), np.arange(30)
    before, after = model.predict(X, *where), model.predict(other, *where)
    assert after.mean() < before.mean()


@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        ([0, 1], [0], "one length"),
        ([60], [0], "users of shape .* from 60 to 60; expected indices from 0 to 59"),
        ([0], [-1], "items of shape .* expected indices from 0 to 29"),
        ([0.5], [0], "type float64"),
        ([[0]], [[0]], "one dimension"),
    ],
)
def test_pairs_that_are_none_are_refused(model, X, users, items, message):
    with pytest.raises(DataError, match=message):
        model.predict(X, np.array(users), np.array(items))


def test_it_is_fitted_before_it_predicts(name, model, X):
    with pytest.raises(BeekitError, match="before fit"):
        RATING_MODELS[name](VECTORS).predict(X, [0], [0])
    with pytest.raises(BeekitError, match="29 items"):
        model.predict(X[:, :29], [0], [0])


def test_a_pair_that_is_rated_twice_is_refused(name, X):
    twice = sp.coo_array((np.ones(2), ([0, 0], [1, 1])), shape=(60, 30))
    with pytest.raises(DataError, match="more than once"):
        RATING_MODELS[name](VECTORS).fit(twice)
