"""The search that a model keeps: made once, made anew where the vectors are others."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import scipy.sparse as sp
from contracts.models import MODELS, as_read
from contracts.test_models import vectors_of

from beekit.models.autoencoders.autoencoder import Autoencoder
from beekit.models.vectors import VectorRecommender

BY_VECTORS = [
    name
    for name in MODELS
    if isinstance(MODELS[name](np.eye(4, dtype=np.float32)), VectorRecommender)
]


@pytest.fixture
def X(random_matrix):
    return random_matrix(60, 40, 0.15, seed=2)


def briefly(name, X):
    model = MODELS[name](vectors_of(X))
    if hasattr(model, "epochs"):
        model.epochs = 2
    return model


@pytest.mark.parametrize("name", BY_VECTORS)
def test_one_search_serves_until_the_model_is_another(name, X, random_matrix, tmp_path):
    X = as_read(name, X)
    model = briefly(name, X).fit(X)
    index = model.index
    model.recommend(X[:1], 3)
    model.recommend(X, 3)
    assert model.index is index
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.recommend(X, 5)[0], model.recommend(X, 5)[0])
    if hasattr(model, "add_items"):
        model.add_items(vectors_of(X)[:2])
        assert model.index is not index
        assert len(model.index) == 42
    model = briefly(name, X).fit(X)
    before = model.index
    model.fit(as_read(name, random_matrix(60, 40, 0.15, seed=5)))
    assert model.index is not before


def test_vectors_put_in_by_hand_are_searched(X):
    model = briefly("ContentBased", X).fit(X)
    model.recommend(X, 3)
    model.item_vectors = np.ascontiguousarray(model.item_vectors[::-1])
    turned = briefly("ContentBased", X).fit(X)
    turned.item_vectors = model.item_vectors
    np.testing.assert_array_equal(model.recommend(X, 5)[0], turned.recommend(X, 5)[0])


def test_a_copy_takes_no_search_along(X):
    model = briefly("BPR", X).fit(X)
    model.recommend(X, 3)
    copied = copy.deepcopy(model)
    assert "_made" not in vars(copied)
    np.testing.assert_array_equal(copied.recommend(X, 3)[0], model.recommend(X, 3)[0])


@pytest.mark.parametrize("name", BY_VECTORS)
def test_user_vectors_and_item_vectors_make_the_scores(name, X):
    X = as_read(name, X)
    model = briefly(name, X).fit(X)
    items, scores = model.recommend(X, 5)
    products = model.user_vectors(X) @ model.index.item_vectors.T
    np.testing.assert_allclose(np.take_along_axis(products, items, 1), scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", BY_VECTORS)
def test_similar_items_are_nearest_by_cosine(name, X):
    X = as_read(name, X)
    model = briefly(name, X).fit(X)
    vectors = model.index.item_vectors.astype(np.float64)
    if name == "AsymmetricSVD" or isinstance(model, Autoencoder):
        vectors = vectors[:, :-1]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.where(lengths > 0, lengths, 1)
    items, cosines = model.similar(np.array([3, 8]), 4)
    assert not (items == np.array([[3], [8]])).any()
    expected = np.take_along_axis(directions[[3, 8]] @ directions.T, items, 1)
    np.testing.assert_allclose(cosines, expected, atol=1e-5)


def test_a_request_does_not_change_with_what_was_asked_before(X):
    model = briefly("PMF", X).fit(X)
    alone = model.recommend(X[:1], 4)
    model.recommend(X, 7, candidates=np.arange(0, 40, 2))
    model.recommend(sp.csr_array((1, 40), dtype=np.float32), 4)
    for ours, theirs in zip(model.recommend(X[:1], 4), alone, strict=True):
        np.testing.assert_array_equal(ours, theirs)
