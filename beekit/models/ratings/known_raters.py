"""User vectors by ratings: learnt ones for training users' rows, else by ridge regression."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from beekit.models.factors.fold_in import found_among
from beekit.models.ratings.least_squares import ridge_vectors
from beekit.ranking.ties import scramble


class KnownRaters(NamedTuple):
    """The vectors learnt for training users, by what they rated how."""

    keys: np.ndarray  # (users,) uint64, distinct and ascending
    vectors: np.ndarray  # (users, dims) float32
    average: np.ndarray  # (dims,) float32, of all users with ratings


def remember(ratings: sp.csr_array, vectors: np.ndarray) -> KnownRaters:
    """The `KnownRaters` of training ratings (users, items) and the vectors (users, dims)."""
    some = np.flatnonzero(np.diff(ratings.indptr))
    keys, first = np.unique(rating_keys(ratings)[some], return_index=True)
    average = vectors[some].mean(axis=0) if len(some) else vectors.mean(axis=0)
    return KnownRaters(keys, vectors[some[first]], average.astype(np.float32))


def recalled(
    ratings: sp.csr_array, known: KnownRaters, item_vectors: np.ndarray, regularization: float
) -> np.ndarray:
    """User vectors (users, dims) float32: learnt ones for rows that equal a training user's.

    The vector of any other row minimises Σ (r − p·q_i)² + λ |p − p̄|² over p, with p̄ the average of
    the learnt ones, which a row without ratings gets.
    """
    found, place = found_among(rating_keys(ratings), known.keys)
    found &= np.diff(ratings.indptr) > 0
    vectors = np.empty((len(found), len(known.average)), dtype=np.float32)
    vectors[found] = known.vectors[place[found]]
    others = np.flatnonzero(~found)
    sides, average = item_vectors.astype(np.float64), known.average.astype(np.float64)
    vectors[others] = ridge_vectors(ratings[others], sides, regularization, average)
    return vectors


def rating_keys(ratings: sp.csr_array) -> np.ndarray:
    """(users,) uint64: a key for each row; rows with the same ratings of the same items share it.

    Args:
        ratings: (users, items) float64 CSR; a stored zero is a rating.
    """
    bits = (ratings.data + 0.0).view(np.uint64)  # of which -0.0 has the same as 0.0
    keys = scramble(scramble(ratings.indices.astype(np.uint64)) ^ bits)
    sums = np.concatenate([[np.uint64(0)], np.cumsum(keys, dtype=np.uint64)])
    return np.asarray(sums[ratings.indptr[1:]] - sums[ratings.indptr[:-1]])
