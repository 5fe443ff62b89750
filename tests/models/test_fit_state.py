"""An interrupted fit goes on after its last epoch, to the same model; of another fit nothing."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from contracts.models import MODELS, as_read
from contracts.test_models import vectors_of
from test_finite_models import LEARNT_BY_STEPS

from beekit.errors import ConfigError
from beekit.models import MultDAE, fit_state
from beekit.models.early_stopping import Watch
from beekit.run.cost import Cost
from beekit.run.fit_record import record_fit


class Interrupted(BaseException):
    pass


def raising(*_):
    raise Interrupted


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    """The epochs of these tests take less time than keeping one."""
    monkeypatch.setattr(fit_state, "_SHARE", np.inf)


@pytest.fixture
def X(random_matrix):
    return random_matrix(60, 40, 0.15, seed=2)


@pytest.fixture
def many(random_matrix):
    return random_matrix(500, 40, 0.15, seed=3)


def interrupt(model, X, folder, after):
    """Fit a model until an epoch is kept, and the next one trained but not kept."""

    def stop(model, epoch, loss):
        if epoch > after:
            raise Interrupted

    with pytest.raises(Interrupted):
        model.fit(X, after_epoch=stop, keep_in=folder)
    assert folder.is_dir()


def assert_same(one, other, X):
    for ours, theirs in zip(one.recommend(X, 9), other.recommend(X, 9), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", LEARNT_BY_STEPS)
def test_it_goes_on_to_the_model_of_an_undisturbed_fit(name, X, tmp_path, caplog):
    X = as_read(name, X)
    caplog.set_level(logging.INFO, "beekit")
    undisturbed, interrupted, resumed = (MODELS[name](vectors_of(X)) for _ in range(3))
    for model in (undisturbed, interrupted, resumed):
        model.epochs = 4
    undisturbed.fit(X)
    interrupt(interrupted, X, tmp_path / "fit", after=2)
    seen = []
    resumed.fit(X, after_epoch=lambda m, epoch, loss: seen.append(epoch), keep_in=tmp_path / "fit")
    assert seen[:2] == [3, 4]
    assert "training goes on after epoch 2" in caplog.text
    assert_same(resumed, undisturbed, X)
    assert not (tmp_path / "fit").exists()


@pytest.mark.parametrize("after", [1, 3])
def test_the_best_epoch_and_the_curve_are_kept_too(many, tmp_path, after):
    settings = {"embedding_dim": 4, "epochs": 12, "patience": 3, "users_per_step": 50}
    undisturbed = MultDAE(**settings).fit(many)
    interrupt(MultDAE(**settings), many, tmp_path / "fit", after)
    resumed = MultDAE(**settings).fit(many, keep_in=tmp_path / "fit")
    assert resumed.learning.curve == undisturbed.learning.curve
    assert resumed.learning.best_epoch == undisturbed.learning.best_epoch
    assert resumed.learning.seconds >= resumed.learning.seconds_to_best > 0
    assert_same(resumed, undisturbed, many)


@pytest.mark.parametrize("other", ["settings", "data", "versions"])
def test_of_another_fit_nothing_is_taken(X, random_matrix, tmp_path, other, monkeypatch):
    settings = {"embedding_dim": 4, "epochs": 3}
    interrupt(MultDAE(**settings), X, tmp_path / "fit", after=1)
    data = random_matrix(60, 40, 0.15, seed=4) if other == "data" else X
    settings |= {"seed": 1} if other == "settings" else {}
    if other == "versions":
        monkeypatch.setattr(fit_state.torch, "__version__", "0.1")
    resumed = MultDAE(**settings).fit(data, keep_in=tmp_path / "fit")
    assert_same(resumed, MultDAE(**settings).fit(data), data)


@pytest.mark.parametrize("name", ["state.pt", "about.json"])
def test_what_is_damaged_is_said_and_training_starts_anew(X, tmp_path, name, caplog):
    interrupt(MultDAE(epochs=3), X, tmp_path / "fit", after=1)
    path = tmp_path / "fit" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    resumed = MultDAE(epochs=3).fit(X, keep_in=tmp_path / "fit")
    assert "starts anew: what was kept of it is damaged" in caplog.text
    assert_same(resumed, MultDAE(epochs=3).fit(X), X)


def test_interrupted_after_its_last_epoch_it_trains_no_further(many, tmp_path, monkeypatch):
    settings = {"embedding_dim": 4, "epochs": 30, "patience": 2, "users_per_step": 50}
    undisturbed = MultDAE(**settings).fit(many)
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "finish", raising)
        with pytest.raises(Interrupted):
            MultDAE(**settings).fit(many, keep_in=tmp_path / "fit")
    resumed = MultDAE(**settings).fit(many, after_epoch=raising, keep_in=tmp_path / "fit")
    assert resumed.learning.curve == undisturbed.learning.curve
    assert_same(resumed, undisturbed, many)


def test_keeping_takes_a_twentieth_of_the_time_at_most(X, tmp_path, monkeypatch):
    monkeypatch.setattr(fit_state, "_SHARE", 0.05)
    clock = iter(np.arange(100.0))
    monkeypatch.setattr(fit_state.time, "perf_counter", lambda: next(clock))
    state = fit_state.FitState(tmp_path / "fit", "this")
    saved = []
    monkeypatch.setattr(fit_state.torch, "save", lambda *_: saved.append(1))
    for epoch in range(1, 40):
        state.save(
            fit_state.Reached(epoch, 1.0, 1.0, False), {"part": np.random.default_rng()}, None
        )
    assert len(saved) == 2  # the first took a second; the next is kept 20 seconds later


def test_a_folder_with_other_files_is_not_touched(X, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="which holds other files"):
        MultDAE(epochs=1).fit(X, keep_in=tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    MultDAE(epochs=1).fit(X, keep_in=tmp_path / "empty")


def test_an_ended_fit_that_is_still_there_gives_its_model(X, tmp_path, monkeypatch):
    monkeypatch.setattr(fit_state.FitState, "remove", lambda self: None)  # as if killed before

    def second(model, epoch, loss):
        return epoch == 2

    ended = MultDAE(epochs=5).fit(X, after_epoch=second, keep_in=tmp_path / "fit")
    again = MultDAE(epochs=5).fit(X, after_epoch=second, keep_in=tmp_path / "fit")
    assert_same(again, ended, X)


def test_seconds_of_interrupted_runs_are_known(X, tmp_path):
    interrupt(MultDAE(epochs=3), X, tmp_path / "fit", after=2)
    about = json.loads((tmp_path / "fit" / "about.json").read_text())
    about["reached"]["seconds"] = 1000.0
    (tmp_path / "fit" / "about.json").write_text(json.dumps(about))
    model = MultDAE(epochs=3).fit(X, keep_in=tmp_path / "fit")
    record_fit(model, cost := Cost(seconds=2.0))
    assert cost.seconds == 1002.0
    record_fit(model.fit(X), cost := Cost(seconds=2.0))
    assert cost.seconds == 2.0


def test_a_part_of_another_shape_leaves_training_as_it_was(X, tmp_path, caplog):
    interrupt(MultDAE(epochs=3), X, tmp_path / "fit", after=1)
    path = tmp_path / "fit" / "state.pt"
    state = fit_state.torch.load(path, weights_only=True)
    state["output"]["weight"] = state["output"]["weight"][:3]
    fit_state.torch.save(state, path)
    resumed = MultDAE(epochs=3).fit(X, keep_in=tmp_path / "fit")
    assert "starts anew" in caplog.text
    assert_same(resumed, MultDAE(epochs=3).fit(X), X)
