"""Inner products in float64, the error of those in float32, and limits on memory."""

from __future__ import annotations

from typing import Any

import faiss as faiss_module
import numpy as np

faiss: Any = faiss_module  # a build for CPUs has no StandardGpuResources

FETCHED = 2**21
"""How many pairs of user and item are held at once: 16 MB of indices, 200 MB to rank them."""

GPU_LIMIT = 2048
"""FAISS on a GPU finds at most this many neighbours, and searches at most this many cells."""

# How many pairs are multiplied at once: a few MB, so that they stay in the processor's cache.
_MULTIPLIED = 2**11


def pair_products(
    left: np.ndarray, right: np.ndarray, left_rows: np.ndarray, right_rows: np.ndarray
) -> np.ndarray:
    """(pairs,) inner products in float64 of row `left_rows[i]` of `left` with row `right_rows[i]`
    of `right`. The value of a pair does not depend on which other pairs are computed with it."""
    products = np.empty(len(left_rows))
    for begin in range(0, len(left_rows), _MULTIPLIED):
        part = slice(begin, begin + _MULTIPLIED)
        rows = left[left_rows[part]].astype(np.float64)
        products[part] = np.multiply(rows, right[right_rows[part]], out=rows).sum(axis=1)
    return products


def longest(vectors: np.ndarray) -> float:
    """The length of the longest of vectors (rows, dims)."""
    return float(np.sqrt(np.einsum("id,id->i", vectors, vectors, dtype=float).max()))


def tie_width(lengths: np.ndarray, length: float, dims: int) -> np.ndarray:
    """(users,) how far apart two float32 inner products may be although the exact ones are equal.

    The rounding error of a float32 inner product grows like a random walk, with eps/2 · √dims ·
    |u| |v| at most; the result is seven standard deviations on both sides of a gap.

    Args:
        lengths: (users,) lengths of the user vectors.
        length: length of the longest item vector.
    """
    return np.asarray(4 * np.sqrt(dims) * np.finfo(np.float32).eps * lengths * length)


def on_gpu(index: Any) -> Any:
    """A copy of a FAISS index on the first GPU.

    Raises:
        RuntimeError: if FAISS has no GPU version of this kind of index.
    """
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
