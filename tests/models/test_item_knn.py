"""Item-based neighbours against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.errors import ConfigError
from beekit.models import ItemKNN
from beekit.models.linear import nearest as nearest_module
from beekit.models.linear.item_knn import WEIGHTINGS
from beekit.ranking.ties import scramble, tie_keys


def weights_by_loops(dense, weighting):
    users, items = dense.shape
    activity = [sum(dense[u]) for u in range(users)]
    support = [sum(dense[:, i]) for i in range(items)]
    average = sum(support) / items
    weighted = np.zeros((users, items))
    for u in range(users):
        for i in range(items):
            if not dense[u, i]:
                continue
            if weighting == "none":
                weighted[u, i] = 1
            elif weighting == "unit":
                weighted[u, i] = 1 / math.sqrt(activity[u])
            elif weighting == "tf-idf":
                weighted[u, i] = math.log((1 + items) / activity[u])
            else:
                rarity = math.log(1 + (items - activity[u] + 0.5) / (activity[u] + 0.5))
                length = 1 - 0.75 + 0.75 * support[i] / average
                weighted[u, i] = rarity * (1.2 + 1) / (1 + 1.2 * length)
    return weighted


def similarity_by_hand(model, c, known, target):
    h = model.shrinkage
    a, b = model.alpha, model.beta
    return {
        "cosine": lambda: c / (math.sqrt(known * target) + h),
        "asymmetric": lambda: c / (known ** (1 - a) * target**a + h),
        "conditional": lambda: c / (known * target**a + h),
        "jaccard": lambda: c / (known + target - c + h),
        "tversky": lambda: c / (c + a * (known - c) + b * (target - c) + h),
    }[model.similarity]()


def item_item_by_loops(model, dense):
    weighted = weights_by_loops(dense, model.weighting)
    items = dense.shape[1]
    B = np.zeros((items, items))
    for j in range(items):
        similar = {}
        for i in range(items):
            c = float(weighted[:, i] @ weighted[:, j])
            if i != j and c > 0:
                known, target = weighted[:, i] @ weighted[:, i], weighted[:, j] @ weighted[:, j]
                similar[i] = similarity_by_hand(model, c, known, target) ** model.power
        ties = tie_keys(scramble(np.array([j], np.uint64)), np.arange(items))
        kept = sorted(similar, key=lambda i: (-np.float32(similar[i]), ties[i]))[: model.neighbours]
        for i in kept:
            B[i, j] = similar[i]
    if model.normalize:
        for i in range(items):
            if B[i].sum() > 0:
                B[i] /= B[i].sum()
    return B


def test_cosine_by_hand():
    X = sp.csr_array(np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 0]]))
    B = ItemKNN(neighbours=1).fit(X).item_item.toarray()
    # Item 0 has four users, two of them with item 1 and one with item 2.
    expected = np.array([[0, 2 / math.sqrt(4 * 2), 1 / 2], [2 / math.sqrt(8), 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(B, expected, rtol=1e-7)


@pytest.mark.parametrize(
    "similarity", ["cosine", "asymmetric", "conditional", "jaccard", "tversky"]
)
@pytest.mark.parametrize("weighting", ["none", "unit", "tf-idf", "bm25"])
@pytest.mark.parametrize(
    "further",
    [{}, {"shrinkage": 2.5, "power": 1.7}, {"alpha": 0.3, "beta": 0.9, "normalize": True}],
    ids=["plain", "shrunk", "normalised"],
)
def test_weights_are_those_of_a_loop(random_matrix, similarity, weighting, further):
    X = random_matrix(40, 15, 0.25, seed=7)
    model = ItemKNN(neighbours=5, similarity=similarity, weighting=weighting, **further).fit(X)
    expected = item_item_by_loops(model, X.toarray().astype(np.float64))
    np.testing.assert_array_equal(model.item_item.toarray() > 0, expected > 0)
    # Rounded to float32 once, and once more where rows are scaled by a rounded factor.
    np.testing.assert_allclose(model.item_item.toarray(), expected, rtol=2.5 * 2**-23)


def test_blocks_change_nothing(monkeypatch, random_matrix):
    X = random_matrix(50, 30, 0.2, seed=1)
    whole = ItemKNN(neighbours=4).fit(X).item_item
    blocks = nearest_module.row_blocks
    monkeypatch.setattr(nearest_module, "row_blocks", lambda a, b: blocks(a, b, 40))
    assert len(list(blocks(sp.csr_array(X.T), X, 40))) > 5
    np.testing.assert_array_equal(ItemKNN(neighbours=4).fit(X).item_item.toarray(), whole.toarray())


def test_fewer_neighbours_are_the_first_of_more(random_matrix):
    X = random_matrix(80, 30, 0.15, seed=3)
    few, more, every = (
        ItemKNN(neighbours=n).fit(X).item_item.toarray() for n in (3, 8, X.shape[1])
    )
    assert ((few > 0).sum(axis=0) <= 3).all()
    np.testing.assert_array_equal(more[few > 0], few[few > 0])
    left_out = np.where(few > 0, 0, more).max(axis=0)
    assert (left_out <= np.where(few > 0, few, np.inf).min(axis=0)).all()
    np.testing.assert_array_equal(every, every.T)
    assert not every.diagonal().any()


def test_asymmetric_at_one_half_is_cosine_and_elsewhere_is_not(random_matrix):
    X = random_matrix(60, 20, 0.2, seed=5)
    cosine = ItemKNN(neighbours=20).fit(X).item_item.toarray()
    half = ItemKNN(neighbours=20, similarity="asymmetric", alpha=0.5).fit(X).item_item.toarray()
    np.testing.assert_allclose(half, cosine, rtol=1e-6)
    towards_popular = ItemKNN(neighbours=20, similarity="asymmetric", alpha=0.1).fit(X).item_item
    support = X.sum(axis=0)
    more, fewer = int(support.argmax()), int(support.argmin())
    assert towards_popular[fewer, more] > cosine[fewer, more]
    assert towards_popular[more, fewer] < cosine[more, fewer]


def test_busy_users_count_less_when_weighted():
    # Items 1 and 2 each share one user with item 0; that of item 2 has everything.
    X = sp.csr_array(np.array([[1, 1, 0, 0, 0, 0], [1, 0, 1, 1, 1, 1], [0, 1, 0, 0, 0, 1]]))
    plain = ItemKNN(similarity="conditional", alpha=0).fit(X).item_item
    assert plain[0, 1] == plain[0, 2]
    for weighting in ("unit", "tf-idf", "bm25"):
        model = ItemKNN(similarity="conditional", alpha=0, weighting=weighting).fit(X)
        assert model.item_item[0, 1] > model.item_item[0, 2]


@pytest.mark.parametrize(
    "setting",
    [
        {"neighbours": 0},
        {"similarity": "euclid"},
        {"weighting": "idf"},
        {"shrinkage": -1.0},
        {"alpha": -0.1},
        {"beta": -0.1},
        {"power": 0.0},
    ],
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        ItemKNN(**setting)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_how_many_items_are_held_out_does_not_matter(random_matrix, weighting):
    X = random_matrix(60, 20, 0.3, seed=2)
    held_out = sp.csr_array(sp.hstack([X, sp.csr_array((60, 300))], format="csr"))
    narrow = ItemKNN(weighting=weighting).fit(X).item_item
    wide = ItemKNN(weighting=weighting).fit(held_out).item_item
    np.testing.assert_array_equal(wide[:20, :20].toarray(), narrow.toarray())
