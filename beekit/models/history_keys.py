"""Telling histories apart by 64-bit keys."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def history_keys(X: sp.csr_array) -> np.ndarray:
    """(users,) uint64: a key of each row of X, the same for the same items in any order.

    The sum of the items' scrambled keys, modulo 2⁶⁴: an empty history has key 0, and two different
    ones share a key with a chance of 2⁻⁶⁴.

    Args:
        X: (users, items) CSR without explicit zeros.
    """
    item_keys = scramble(np.arange(X.shape[1], dtype=np.uint64) ^ np.uint64(0x9E3779B97F4A7C15))
    prefix = np.concatenate([[np.uint64(0)], np.cumsum(item_keys[X.indices], dtype=np.uint64)])
    return np.asarray(prefix[X.indptr[1:]] - prefix[X.indptr[:-1]])


def scramble(keys: np.ndarray) -> np.ndarray:
    """SplitMix64 (Steele et al. 2014): 64-bit keys to 64 well-mixed bits."""
    with np.errstate(over="ignore"):
        mixed = keys + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))
