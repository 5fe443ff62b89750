"""The training loop as a caller sees it: the model after each pass, and an end before the last."""

from __future__ import annotations

import numpy as np
import pytest
from contracts.models import MODELS, as_read
from contracts.test_models import vectors_of
from test_finite_models import LEARNT_BY_STEPS

from beekit.models import EASE


@pytest.fixture
def X(random_matrix):
    return random_matrix(60, 40, 0.15, seed=2)


@pytest.mark.parametrize("name", LEARNT_BY_STEPS)
def test_a_look_after_each_epoch_changes_nothing(name, X):
    X = as_read(name, X)
    plain, watched = (MODELS[name](vectors_of(X)) for _ in range(2))
    plain.epochs = watched.epochs = 4
    seen = []

    def look(model, epoch, loss):
        assert model is watched
        seen.append((epoch, np.isfinite(loss), model.recommend(X, 5)[1]))

    plain.fit(X)
    watched.fit(X, after_epoch=look)
    assert [(epoch, finite) for epoch, finite, _ in seen] == [(n, True) for n in (1, 2, 3, 4)]
    assert (seen[0][2] != seen[-1][2]).any()
    for ours, theirs in zip(plain.recommend(X, 9), watched.recommend(X, 9), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["BPR", "PMF", "AsymmetricSVD", "TwoTower", "CLCRec"])
def test_stopped_it_is_the_model_of_that_epoch(name, X):
    stopped = MODELS[name](vectors_of(X))
    stopped.epochs, kept = 5, []

    def stop(model, epoch, loss):
        kept.append(model.item_vectors)
        return epoch == 2

    stopped.fit(X, after_epoch=stop)
    assert len(kept) == 2
    assert stopped.item_vectors is kept[-1]
    assert (kept[0] != kept[1]).any()


def test_an_error_of_the_callback_leaves_the_model_as_it_was(X):
    model = MODELS["BPR"](vectors_of(X)).fit(X)
    before = model.recommend(X, 3)

    def fails(model, epoch, loss):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        model.fit(X, after_epoch=fails)
    np.testing.assert_array_equal(model.recommend(X, 3), before)


def test_what_is_solved_for_calls_nobody(X):
    def never(model, epoch, loss):
        raise AssertionError

    EASE().fit(X, after_epoch=never)
