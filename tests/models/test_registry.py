"""Models by name and by import path, made and kept, also those from outside."""

from __future__ import annotations

import json

import numpy as np
import pytest
from foreign_models import KeepsItself, MostUsed, Unkept

from beekit.errors import ConfigError, DataError, RunError
from beekit.evaluation import evaluate
from beekit.models import EASE, by_name, load_model, model_names, save_model
from beekit.split import user_split


@pytest.fixture
def X(random_matrix):
    return random_matrix(60, 40, 0.15, seed=2)


def test_a_name_is_known_in_any_spelling():
    assert by_name("EASE") is by_name("ease") is EASE
    assert by_name("item-knn") is by_name("Item KNN") is by_name("ItemKNN")
    assert all(by_name(name).__name__ == name for name in model_names())


def test_a_path_is_imported():
    assert by_name("foreign_models:MostUsed") is MostUsed


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Eaze", r"models\.x\.model='Eaze'.* Did you mean EASE\?"),
        ("nothing like it", r"expected one of ALS, .* or package\.module:Class"),
        ("no_such_package.at_all:Model", r"cannot be imported \(ModuleNotFoundError"),
        ("foreign_models:Missing", r"cannot be imported \(AttributeError"),
        (":Model", r"cannot be imported \(ValueError"),
        ("foreign_models:no_class", "without fit and recommend"),
        ("foreign_models:NoModel", "NoModel' without recommend"),
    ],
)
def test_what_is_no_model_is_one_line(name, found):
    with pytest.raises(ConfigError, match=found) as caught:
        by_name(name, "models.x.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [MostUsed, KeepsItself])
def test_a_model_from_outside_is_kept_and_asks_for_trust(kind, X, tmp_path):
    model = kind(power=0.5).fit(X)
    save_model(model, tmp_path / "model")
    described = json.loads((tmp_path / "model" / "model.json").read_text())
    assert described["kind"] == f"foreign_models:{kind.__name__}"
    with pytest.raises(RunError, match=r"from outside beekit, foreign_models:.*trust_foreign_code"):
        load_model(tmp_path / "model")
    loaded = load_model(tmp_path / "model", trust_foreign_code=True)
    assert type(loaded) is kind
    assert loaded.power == 0.5
    for ours, theirs in zip(model.recommend(X, 5), loaded.recommend(X, 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_code_that_is_gone_is_one_line(X, tmp_path):
    save_model(MostUsed().fit(X), tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    path.write_text(path.read_text().replace("foreign_models:", "models_gone:"))
    with pytest.raises(ConfigError, match="models_gone:MostUsed' that cannot be imported"):
        load_model(tmp_path / "model", trust_foreign_code=True)


def test_what_cannot_be_kept_says_why(X, tmp_path):
    with pytest.raises(ConfigError, match="Unkept without save and load"):
        save_model(Unkept(), tmp_path / "model")
    model = MostUsed().fit(X)
    model.power = object()
    with pytest.raises(DataError, match="MostUsed with fields that cannot be saved"):
        save_model(model, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_model_of_beekit_is_kept_as_before_and_asks_for_nothing(X, tmp_path):
    save_model(EASE(regularization=3.0).fit(X), tmp_path / "model")
    assert "kind" not in json.loads((tmp_path / "model" / "model.json").read_text())
    assert load_model(tmp_path / "model").regularization == 3.0


def test_it_is_evaluated_like_any_other(shop_dataset):
    split = user_split(shop_dataset.interactions, fraction=0.3)
    result = evaluate(MostUsed().fit(split.train), split.test, metrics=["ndcg@20"], top_k=20)
    assert result.metrics["ndcg@20"]["value"] > 0
