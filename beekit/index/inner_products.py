"""Inner products of single pairs in float64, how far float32's are off, and how many pairs are held
at once."""

from __future__ import annotations

from typing import Any

import faiss as faiss_module
import numpy as np

faiss: Any = faiss_module  # a build without GPUs has no StandardGpuResources

FETCHED = 2**21
"""Pairs of user and item fetched or drawn at once: 16 MB of indices, 200 MB to rank them."""

GPU_LIMIT = 2048
"""FAISS on a GPU finds at most so many neighbours, in at most so many cells."""

# Pairs multiplied at once: a few MB, so that they stay in the cache.
_MULTIPLIED = 2**11


def pair_products(
    left: np.ndarray, right: np.ndarray, left_rows: np.ndarray, right_rows: np.ndarray
) -> np.ndarray:
    """(pairs,) inner products of rows of two matrices in float64, each computed alike whichever
    other pairs are computed."""
    products = np.empty(len(left_rows))
    for begin in range(0, len(left_rows), _MULTIPLIED):
        part = slice(begin, begin + _MULTIPLIED)
        rows = left[left_rows[part]].astype(np.float64)
        products[part] = np.multiply(rows, right[right_rows[part]], out=rows).sum(axis=1)
    return products


def longest(vectors: np.ndarray) -> float:
    """The largest length of vectors (rows, dims)."""
    return float(np.sqrt(np.einsum("id,id->i", vectors, vectors, dtype=float).max()))


def tie_width(lengths: np.ndarray, length: float, dims: int) -> np.ndarray:
    """(users,) how far apart inner products in float32 may be though the exact ones are equal.

    The error of a float32 dot product grows like a random walk, eps/2 · √dims · |u| |v| at most;
    this is seven standard deviations of it on both sides of a gap.

    Args:
        lengths: (users,) of their vectors.
        length: of the longest vector they are multiplied by.
    """
    return np.asarray(4 * np.sqrt(dims) * np.finfo(np.float32).eps * lengths * length)


def on_gpu(index: Any) -> Any:
    """A copy of a FAISS index on the first GPU; it keeps the GPU's resources.

    Raises:
        RuntimeError: if the index has no form for it.
    """
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
