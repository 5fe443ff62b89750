"""Checks of what recommenders and metrics return, before anything is computed from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from beekit.errors import DataError
from beekit.finite import require_finite, require_lists


def require_answer(
    answer: Any, k: int, n_items: int, candidates: np.ndarray, users: np.ndarray, model: str
) -> np.ndarray:
    """The lists (users, k) that `recommend` returned, after checking them.

    Raises:
        DataError: if `answer` is not two arrays (users, k), if a list holds an item that is not a
            candidate or holds an item twice, or if the score of a listed item is NaN or +inf.
    """
    try:
        ranked, scores = (np.asarray(part) for part in answer)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{model} returns {type(answer).__name__} from `recommend`",
            expected="item indices and scores",
            remedy="Let `recommend` return two arrays (users, k).",
        ) from error
    wanted = (len(users), k)
    fits = ranked.shape == scores.shape == wanted
    if not fits or ranked.dtype.kind not in "iu" or scores.dtype.kind not in "fiub":
        raise DataError(
            f"{model} returns item indices of shape {ranked.shape} and type {ranked.dtype}, and "
            f"scores of shape {scores.shape} and type {scores.dtype}",
            expected=f"integers and numbers, both of shape {wanted}",
            remedy="Fill lists that are too short with -1, and their scores with -inf.",
        )
    require_lists(ranked, n_items, f"{model}'s lists", users)
    outside = np.ones(n_items + 1, dtype=bool)
    outside[candidates] = outside[-1] = False  # index -1 is padding
    outside = outside[ranked]
    if outside.any():
        user, place = np.argwhere(outside)[0]
        raise DataError(
            f"{model} recommends item index {ranked[user, place]}, which is no candidate, to user "
            f"index {users[user]}",
            expected=f"items among the {len(candidates):,} candidates",
            remedy="Let `recommend` return only items of `candidates`.",
        )
    ascending = np.sort(ranked, axis=1)
    repeated = (ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] >= 0)
    if repeated.any():
        user, place = np.argwhere(repeated)[0]
        raise DataError(
            f"{model} lists item index {ascending[user, place]} twice for user index {users[user]}",
            expected="each item once",
            remedy="Let `recommend` return distinct items for a user.",
        )
    unusable = np.where((ranked >= 0) & ~(scores < np.inf), scores, 0)
    require_finite(
        np.asarray(unusable, dtype=np.float64),
        f"scores of {model}",
        users,
        row="user index",
        remedy="Fit the model again, or find out why its numbers overflow.",
    )
    return ranked


def require_paired(first: Any, second: Any) -> tuple[np.ndarray, np.ndarray]:
    """The values (users,) of a metric for two models, as float64; NaN where a user has no value.

    Raises:
        DataError: if they are not numbers, if their lengths differ, if a value is infinite, or if
            no user has a value for both models.
    """
    one, two = np.asarray(first), np.asarray(second)
    numbers = all(each.ndim == 1 and each.dtype.kind in "fiub" for each in (one, two))
    if not numbers or one.shape != two.shape:
        raise DataError(
            f"values of shapes {one.shape} and {two.shape}, types {one.dtype} and {two.dtype}",
            expected="one number for each user, for the same users in both",
            remedy="Give the values of one metric, evaluated on the same split.",
        )
    one, two = one.astype(np.float64), two.astype(np.float64)
    for each in (one, two):
        known = np.where(np.isnan(each), 0, each)
        require_finite(known, "values of a metric", row="user", remedy="Evaluate again.")
    if (np.isnan(one) | np.isnan(two)).all():
        raise DataError(
            f"{len(one):,} users, none of them with a value for both models",
            expected="at least one such user",
            remedy="Compare models that were evaluated on the same users.",
        )
    return one, two
