"""Ridge regressions of many users at once: the vectors that fit their ratings best."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from beekit.blas_threads import one_blas_thread

# How many numbers are held at once: 32 MB in float64.
_BLOCK_ELEMENTS = 2**22


def ridge_vectors(
    ratings: sp.csr_array, sides: np.ndarray, regularization: float, towards: np.ndarray
) -> np.ndarray:
    """For each row u the vector p (dims,) float64 that minimises

        Σ_{i rated by u} (r_ui − p·q_i)² + λ |p − c|²

    with c the vector drawn `towards`, which a row without ratings gets. A row's vector does not
    depend on the other rows: only rows with as many ratings are solved for together.

    Args:
        ratings: (rows, columns) float64 CSR; a stored zero is a rating.
        sides: Q (columns, dims) float64.
        regularization: λ > 0.
        towards: c (dims,) float64.
    """
    dims = sides.shape[1]
    solved = np.tile(towards, (ratings.shape[0], 1))
    offsets = sides @ towards
    with one_blas_thread():
        for members, places in _of_one_length(ratings, dims):
            Q = sides[ratings.indices[places]]  # (members, length, dims)
            left = (ratings.data[places] - offsets[ratings.indices[places]])[:, :, None]
            turned = Q.transpose(0, 2, 1)
            # Of the two forms of the solution, the one with the smaller system.
            if Q.shape[1] < dims:
                system = Q @ turned + regularization * np.eye(Q.shape[1])
                gain = turned @ np.linalg.solve(system, left)
            else:
                system = turned @ Q + regularization * np.eye(dims)
                gain = np.linalg.solve(system, turned @ left)
            solved[members] += gain[:, :, 0]
    return solved


def _of_one_length(ratings: sp.csr_array, dims: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of rows with as many ratings, and the places (rows, length) of these."""
    lengths = np.diff(ratings.indptr)
    for length in np.unique(lengths[lengths > 0]):
        rows = np.flatnonzero(lengths == length)
        small = min(int(length), dims)
        block = max(1, _BLOCK_ELEMENTS // (2 * dims * int(length) + 2 * small * small))
        for begin in range(0, len(rows), block):
            members = rows[begin : begin + block]
            yield members, ratings.indptr[members][:, None] + np.arange(length)
