"""Recommendations that say nothing, of a model that cannot know: refused, or said."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.errors import ConfigError
from beekit.models import EASE, Popularity
from beekit.run.known_items import KnownItems
from beekit.run.serve import Server

# Items 4 and 5 were in no training.
X = sp.csr_array(
    np.array([[1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0]], dtype=np.float32)
)


@pytest.fixture
def server():
    def of(model):
        cold = np.array([False] * 4 + [True] * 2)
        return Server(model.fit(X), KnownItems(np.arange(6), list("abcdef"), cold))

    return of


@pytest.mark.parametrize("model", [EASE(regularization=1.0), Popularity()])
def test_cold_candidates_of_a_model_that_knows_none_are_refused(server, model):
    name = type(model).__name__
    with pytest.raises(ConfigError, match=f"candidates cold, and {name}, which knows items by"):
        server(model).recommend(X, 2, "cold")


@pytest.mark.parametrize("k", [1, 3])
def test_a_history_that_the_model_knows_nothing_of_is_said(server, k, caplog):
    asked = server(EASE(regularization=1.0))
    items, _ = asked.recommend(asked.histories([[4], [0]]), k)
    assert items.shape == (2, k)
    assert "1 of 2 lists give every item the same score" in caplog.text


def test_cold_items_in_a_list_are_said_and_a_list_of_known_ones_is_not(server, caplog):
    asked = server(EASE(regularization=1.0))
    history = asked.histories([[0]])
    asked.recommend(history, 2)
    assert not caplog.records
    asked.recommend(history, 6)
    assert "1 of 1 lists name cold items, which EASE cannot know" in caplog.text
