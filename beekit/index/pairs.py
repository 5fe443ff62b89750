"""Inner products of single pairs in float64, and how many pairs are held at once."""

from __future__ import annotations

import numpy as np

FETCHED = 2**21
"""Pairs of user and item fetched or drawn at once: 16 MB of indices, 200 MB to rank them."""

# Pairs multiplied at once: a few MB, so that they stay in the cache.
_MULTIPLIED = 2**11


def pair_products(
    left: np.ndarray, right: np.ndarray, left_rows: np.ndarray, right_rows: np.ndarray
) -> np.ndarray:
    """(pairs,) inner products in float64, each computed alike whichever other pairs are computed.

    Args:
        left, right: (rows, dims) vectors.
        left_rows, right_rows: (pairs,) the rows of each pair.
    """
    products = np.empty(len(left_rows))
    for begin in range(0, len(left_rows), _MULTIPLIED):
        part = slice(begin, begin + _MULTIPLIED)
        rows = left[left_rows[part]].astype(np.float64)
        products[part] = np.multiply(rows, right[right_rows[part]], out=rows).sum(axis=1)
    return products
