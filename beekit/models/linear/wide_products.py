"""Products of sparse matrices and wide dense panels, in strips of columns and blocks of users."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

# Columns of a strip: 128 bytes of a row in float32, which is two cache lines.
_STRIP_COLUMNS = 32
# How many numbers the product of a block of users with a panel holds: 64 MB in float32.
_BLOCK_ELEMENTS = 2**24


def times(left: sp.csr_array | sp.csc_array, right: np.ndarray) -> np.ndarray:
    """left @ right, dense, computed by as many threads as torch may use.

    The result does not depend on the number of threads. A sparse product reads rows of `right` in
    random order; in strips of a few columns, `right` is small enough for the processor's cache.

    Args:
        left: (rows, inner) sparse.
        right: (inner, columns) C-contiguous, of the same float type as `left`.
    """
    columns = right.shape[1]
    if columns <= _STRIP_COLUMNS:
        return np.asarray(left @ right)
    product = np.empty((left.shape[0], columns), dtype=right.dtype)

    def fill(begin: int) -> None:
        strip = slice(begin, begin + _STRIP_COLUMNS)
        product[:, strip] = left @ np.ascontiguousarray(right[:, strip])

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(fill, range(0, columns, _STRIP_COLUMNS)))
    return product


def user_blocks(X: sp.csr_array, width: int) -> list[sp.csr_array]:
    """X in blocks of users, each transposed to (items, users). The blocks are so small that the
    product of one with a panel of `width` columns holds at most `_BLOCK_ELEMENTS` numbers."""
    step = max(1, _BLOCK_ELEMENTS // max(1, width))
    return [sp.csr_array(X[begin : begin + step].T) for begin in range(0, X.shape[0], step)]


def first_rows(csr: Any, rows: int, columns: int) -> sp.csr_array:
    """The first `rows` rows of `csr`, which has the arrays of a CSR matrix."""
    stored = csr.indptr[rows]
    parts = (csr.data[:stored], csr.indices[:stored], csr.indptr[: rows + 1])
    return sp.csr_array(parts, shape=(rows, columns))


def block_product(block: sp.csr_array, panel: np.ndarray) -> np.ndarray:
    """X times the panel (first items, width), for the users of a block."""
    return times(first_rows(block, len(panel), block.shape[1]).T, panel)


def product_gram(blocks: list[sp.csr_array], panel: np.ndarray) -> np.ndarray:
    """(X panel)ᵀ (X panel), for a panel (first items, width)."""
    gram = np.zeros((panel.shape[1], panel.shape[1]), dtype=np.float32)
    for block in blocks:
        product = block_product(block, panel)
        gram += product.T @ product
    return gram
