"""A recommender that answers badly is refused by name, and never scored 0."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit import evaluate
from beekit.errors import DataError
from beekit.evaluation import compare
from beekit.split import HeldOut

USERS, ITEMS, K = 6, 9, 3


@pytest.fixture
def part() -> HeldOut:
    source, target = np.zeros((2, USERS, ITEMS), dtype=np.float32)
    source[1:, 0] = target[1:, 8] = 1  # the first user has nothing to ask with
    return HeldOut(sp.csr_array(source), sp.csr_array(target), np.arange(3, ITEMS))


class Outsider:
    """Recommends 3, 4, 5 to everybody, but for what a test changes for the second one asked."""

    scores_cold_items = True

    def __init__(self, change=lambda items, scores: (items, scores)) -> None:
        self.change = change

    def fit(self, X):
        return self

    def recommend(self, X, k, candidates=None, exclude_seen=True):
        users = X.shape[0]
        items = np.tile(np.arange(3, 3 + k), (users, 1))
        return self.change(items, np.zeros((users, k), dtype=np.float32))


def put(item=None, score=None):
    def change(items, scores):
        items, scores = items.copy(), scores.copy()
        if item is not None:
            items[1, 1] = item
        if score is not None:
            scores[1, 1] = score
        return items, scores

    return change


BAD = {
    "NaN": (put(score=np.nan), r"scores of outsider.*NaN; user index 2"),
    "+inf": (put(score=np.inf), r"scores of outsider.*infinite; user index 2"),
    "outside the catalog": (
        put(item=ITEMS),
        r"outsider's lists hold item index 9 for user index 2",
    ),
    "below -1": (put(item=-2), r"outsider's lists hold item index -2 for user index 2"),
    "no candidate": (
        put(item=1),
        r"outsider recommends item index 1, which is no candidate, to user index 2",
    ),
    "twice": (put(item=3), r"outsider lists item index 3 twice for user index 2"),
    "too short": (
        lambda items, scores: (items[:, :2], scores[:, :2]),
        r"\(5, 2\).*both of shape \(5, 4\)",
    ),
    "one list": (lambda items, scores: (items[0], scores[0]), r"outsider returns item indices"),
    "floats": (lambda items, scores: (items * 1.0, scores), "float64"),
    "no scores": (lambda items, scores: items, "outsider returns ndarray"),
    "None": (lambda items, scores: None, "outsider returns NoneType"),
    "scores of text": (lambda items, scores: (items, scores.astype(str)), "<U"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_answer_is_refused_and_named(part, case):
    change, said = BAD[case]
    with pytest.raises(DataError, match=said) as caught:
        evaluate(Outsider(change), part, metrics=["recall@3"], top_k=K, model="outsider")
    assert "\n" not in str(caught.value)


def test_without_a_name_the_class_is_named(part):
    with pytest.raises(DataError, match="scores of Outsider"):
        evaluate(Outsider(put(score=np.nan)), part, metrics=["recall@3"], top_k=K)


def test_padding_and_minus_infinity_are_answers(part):
    def pad(items, scores):
        items[:, 2], scores[:, 2] = -1, -np.inf
        return items, scores

    found = evaluate(Outsider(pad), part, metrics=["recall@3"], top_k=K)
    assert found.ranked[0].tolist() == [3, 4, -1]


def test_users_without_a_value_are_left_out_of_a_comparison_and_others_are_not():
    found = compare(np.array([1.0, np.nan, 0.5]), np.array([0.0, 1.0, 0.5]))
    assert found.users == 2
    with pytest.raises(DataError, match="none of them with a value for both"):
        compare(np.array([np.nan, 1.0]), np.array([1.0, np.nan]))
