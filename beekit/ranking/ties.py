"""How ties are broken: by a hash of the user's history and the item, as fair as a draw.

A rule such as "the lower item index first" would let the order of rows in a file speak: where items
are numbered by popularity, a model that knows nothing would look as if it knew that. By the hash
every user has an order of their own for items that score the same, so a model that scores all
candidates alike does as well as chance; and the same user gets the same list in any batch, on any
machine, at any time.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

TIES = "hash of user and item"
"""The rule, as results name it; results that name none ranked the lower item index first."""

# Keeps an item's part in a history apart from its part in a tie.
_IN_HISTORY = np.uint64(0x9E3779B97F4A7C15)
_IN_TIE = np.uint64(0xC2B2AE3D27D4EB4F)


def history_keys(X: sp.csr_array) -> np.ndarray:
    """(users,) uint64: a key of each row of X, the same for the same items in any order.

    The sum of the items' scrambled keys, modulo 2⁶⁴: an empty history has key 0, and two different
    ones share a key with a chance of 2⁻⁶⁴. X is CSR without explicit zeros.
    """
    if X.nnz < X.shape[1]:
        item_keys = scramble(X.indices.astype(np.uint64) ^ _IN_HISTORY)
    else:  # each item's key once
        item_keys = scramble(np.arange(X.shape[1], dtype=np.uint64) ^ _IN_HISTORY)[X.indices]
    prefix = np.concatenate([[np.uint64(0)], np.cumsum(item_keys, dtype=np.uint64)])
    return np.asarray(prefix[X.indptr[1:]] - prefix[X.indptr[:-1]])


def tie_keys(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """uint64 keys of pairs: of items that tie for a user, the one with the lowest key comes first.

    `users` are keys of histories, `items` indices of a shape that broadcasts with theirs.
    """
    return scramble(users ^ scramble(np.asarray(items).astype(np.uint64) ^ _IN_TIE))


def scramble(keys: np.ndarray) -> np.ndarray:
    """SplitMix64 (Steele et al. 2014): 64-bit keys to 64 well-mixed bits."""
    with np.errstate(over="ignore"):
        mixed = keys + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))
