"""A split somebody else made, for reproducing the numbers published on it."""

from __future__ import annotations

import numpy as np

from beekit.data import Interactions, ids
from beekit.errors import SplitError
from beekit.split.entries import entries
from beekit.split.split import HeldOut, Split


def published_split(interactions: Interactions, test: Interactions) -> Split:
    """The split that holds out the given interactions; the candidates are all items.

    Args:
        interactions: training and test interactions together.
        test: those of them to find.

    Raises:
        SplitError: if a test interaction is not in `interactions`, or if no user has both a
            training and a test interaction.
    """
    rows = ids.positions(ids.as_ids(test.user_ids), interactions.user_ids)
    columns = ids.positions(ids.as_ids(test.item_ids), interactions.item_ids)
    n_items = interactions.n_items
    owners = np.repeat(rows, np.diff(test.matrix.indptr))
    hidden = owners * n_items + columns[test.matrix.indices]
    users = np.repeat(
        np.arange(interactions.n_users, dtype=np.int64), np.diff(interactions.matrix.indptr)
    )
    is_test = np.isin(users * n_items + interactions.matrix.indices, hidden)
    if rows.min(initial=0) < 0 or columns.min(initial=0) < 0 or is_test.sum() != len(hidden):
        raise SplitError(
            "test interactions that are not among the interactions",
            expected="training and test interactions together, and the test ones of them",
            remedy="Build the interactions from both files.",
        )
    train = entries(interactions, ~is_test)
    return Split(
        "published",
        {},
        interactions,
        train,
        test=HeldOut(train, entries(interactions, is_test), np.arange(n_items)),
    )
