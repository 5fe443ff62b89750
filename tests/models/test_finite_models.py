"""Fits that end with numbers nobody can rank by: said in one line, and forgotten."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import scipy.sparse as sp
from contracts.models import MODELS, as_read
from contracts.test_models import vectors_of

from beekit.errors import ConfigError, DataError
from beekit.models import EASE, ELSA, MRF, ContentBased, FixedSideELSA, model_class, model_names
from beekit.models import training_loop as fitting_module
from beekit.models.base import BaseRecommender
from beekit.models.finite_models import require_sound
from beekit.models.training_loop import Training, learn

LEARNT_BY_STEPS = [
    name for name in MODELS if hasattr(MODELS[name](np.eye(4, dtype=np.float32)), "learning_rate")
]


@pytest.fixture
def X(random_matrix):
    return random_matrix(60, 40, 0.15, seed=2)


@pytest.mark.parametrize("epochs", [1, None])
@pytest.mark.parametrize("name", LEARNT_BY_STEPS)
def test_a_rate_without_sense_is_said_after_one_epoch_or_many(name, epochs, X):
    X = as_read(name, X)
    model = MODELS[name](vectors_of(X))
    model.learning_rate = 1e30
    model.epochs = epochs or model.epochs
    with pytest.raises(ConfigError, match="smaller learning_rate"):
        model.fit(X)
    with pytest.raises(ConfigError, match="before fit"):
        model.recommend(X, 3)


def train(name, *plan):
    """Learn by steps a model of that name that keeps nothing."""
    learn(type(name, (), {})(), Training(*plan, keep=lambda: None))


@pytest.mark.parametrize("name", ["ELSA", "FixedSideELSA"])
def test_one_step_is_enough_to_be_found_out(name, X):
    model = MODELS[name](vectors_of(X))
    model.learning_rate, model.epochs, model.users_per_step = 1e30, 1, 1000
    with pytest.raises(ConfigError, match="smaller learning_rate than 1e"):
        model.fit(X)


def test_every_model_that_learns_is_guarded():
    for name in set(model_names()) - {"Random"}:  # which learns nothing
        assert model_class(name).fit is BaseRecommender.fit, name


def test_there_is_one_loop():
    for name in LEARNT_BY_STEPS:
        steps = inspect.getsource(inspect.getmodule(MODELS[name](np.eye(2, dtype=np.float32))))
        assert "for epoch" not in steps


def test_an_end_above_the_start_is_warned_of(caplog):
    losses = iter(np.linspace(1, 3, 12))
    train("Worse", 3, range(4), lambda _: fitting_module.torch.tensor(next(losses)))
    assert "Worse began with a loss of 1 and ended with" in caplog.text
    caplog.clear()
    losses = iter(np.linspace(3, 1, 12))
    train("Better", 3, range(4), lambda _: fitting_module.torch.tensor(next(losses)))
    assert not caplog.text


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_the_first_loss_that_is_none_ends_it(wrong):
    taken = []

    def step(batch):
        taken.append(batch)
        return fitting_module.torch.tensor(wrong if batch == 3 else 1.0)

    with pytest.raises(ConfigError, match="Some diverged in epoch 1"):
        train("Some", 5, range(200), step)
    assert len(taken) == 50


def test_equations_that_rounding_spoils_are_one_line(X):
    twins = sp.csr_array(np.repeat(X.toarray(), 2, axis=1))
    for model in (EASE(regularization=1e-12), MRF(regularization=1e-30, threshold=0.0, alpha=0.0)):
        with pytest.raises(ConfigError, match="Raise regularization above 1e-"):
            model.fit(twins)


def test_rows_are_named(X):
    model = ContentBased(vectors_of(X)).fit(X)
    model.item_vectors[[3, 17]] = np.nan
    with pytest.raises(ConfigError, match=r"item_vectors .* in 2 rows \(3, 17\)"):
        require_sound(model)


def test_vectors_whose_squares_overflow_are_refused(X):
    vectors = vectors_of(X)
    vectors[5] *= 1e30
    with pytest.raises(DataError, match=r"too large: 1 of 40 .*item index 5.* to length 1"):
        ContentBased(vectors, normalize=False).fit(X)


def test_a_fit_that_fails_leaves_the_model_as_it_was(X):
    model = ELSA(embedding_dim=4, users_per_step=20).fit(X)
    before = model.recommend(X, 3)
    model.learning_rate = 1e30
    with pytest.raises(ConfigError):
        model.fit(X)
    np.testing.assert_array_equal(model.recommend(X, 3), before)
    fresh = ELSA(embedding_dim=4, users_per_step=20, learning_rate=1e30)
    with pytest.raises(ConfigError):
        fresh.fit(X)
    assert fresh.item_vectors is None


def test_a_side_that_is_learnt_in_float32_range_is_kept(X):
    assert np.isfinite(FixedSideELSA(vectors_of(X), learning_rate=3.0).fit(X).encoder_side).all()


def test_an_end_far_above_the_start_is_no_model():
    losses = iter(np.linspace(1, 500, 12))
    with pytest.raises(ConfigError, match="its loss was 1 at the start and"):
        train("Wild", 3, range(4), lambda _: fitting_module.torch.tensor(next(losses)))


@pytest.mark.parametrize("name", LEARNT_BY_STEPS)
def test_a_first_draw_is_never_taken_for_a_model(name, caplog):
    nothing = sp.csr_array((5, 4), dtype=np.float32)
    model = MODELS[name](np.eye(4, dtype=np.float32)).fit(nothing)
    scores = model.recommend(nothing, 4)[1]
    assert "nothing to learn from" in caplog.text or (scores == scores[0, 0]).all()
