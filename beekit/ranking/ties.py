"""How ties are broken: by a hash of the user's history and the item.

A rule such as "the lower item index first" would let the order of rows in a file change the
metrics: where items are numbered by popularity, a model that has learnt nothing would seem to know
which items are popular. With the hash, items that score the same come in a different order for each
history, as if drawn at random. So a model that gives all candidates the same score does as well as
chance, and the same user gets the same list in any batch and on any machine.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

TIES = "hash of user and item"
"""The rule's name in results. Results without a name are older: the lower item index came first."""

# Two constants, so that an item has one key in histories and another one in ties.
_IN_HISTORY = np.uint64(0x9E3779B97F4A7C15)
_IN_TIE = np.uint64(0xC2B2AE3D27D4EB4F)


def history_keys(X: sp.csr_array) -> np.ndarray:
    """(users,) uint64: a key for each row of X; rows with the same items have the same key.

    The key is the sum of the items' scrambled keys, modulo 2⁶⁴. An empty history has key 0, and two
    different histories share a key with probability 2⁻⁶⁴.

    Args:
        X: (users, items) CSR without explicit zeros.
    """
    if X.nnz < X.shape[1]:
        item_keys = scramble(X.indices.astype(np.uint64) ^ _IN_HISTORY)
    else:  # cheaper: compute each item's key once
        item_keys = scramble(np.arange(X.shape[1], dtype=np.uint64) ^ _IN_HISTORY)[X.indices]
    prefix = np.concatenate([[np.uint64(0)], np.cumsum(item_keys, dtype=np.uint64)])
    return np.asarray(prefix[X.indptr[1:]] - prefix[X.indptr[:-1]])


def tie_keys(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """uint64 keys of users and items: among items that tie for a user, the lowest key comes first.

    Args:
        users: `history_keys` of the users.
        items: item indices, of a shape that broadcasts with `users`.
    """
    return scramble(users ^ scramble(np.asarray(items).astype(np.uint64) ^ _IN_TIE))


def scramble(keys: np.ndarray) -> np.ndarray:
    """Mix the bits of uint64 keys well, by SplitMix64 (Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        mixed = keys + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))
