"""Checks of the pairs of users and items whose ratings are to be predicted."""

from __future__ import annotations

import numpy as np

from beekit.errors import DataError


def require_pairs(
    users: np.ndarray, items: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of users and items as int64 arrays of one length.

    Args:
        users, items: row and column indices of a matrix, one pair at each place.
        shape: the matrix's rows and columns.

    Raises:
        DataError: if they are not integers in one dimension, if they differ in length, or if one of
            them is beyond the matrix.
    """
    given = {"users": np.asarray(users), "items": np.asarray(items)}
    if len({array.shape for array in given.values()}) > 1:
        raise DataError(
            f"users of shape {given['users'].shape} and items of shape {given['items'].shape}",
            expected="a user and an item for each rating to predict",
            remedy="Give arrays of one length.",
        )
    for (what, array), count in zip(given.items(), shape, strict=True):
        integers = array.ndim == 1 and (array.dtype.kind in "iu" or not array.size)
        if not integers or (array.size and (array.min() < 0 or array.max() >= count)):
            raise DataError(
                f"{what} of shape {array.shape} and type {array.dtype}"
                + (f", from {array.min()} to {array.max()}" if integers else ""),
                expected=f"indices from 0 to {count - 1:,} in one dimension",
                remedy="Give each by its place in X.",
            )
    return given["users"].astype(np.int64), given["items"].astype(np.int64)
