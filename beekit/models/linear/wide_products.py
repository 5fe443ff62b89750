"""Products of sparse matrices and wide dense panels, in strips of columns and blocks of users."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

# 128 bytes a row: two cache lines for every stored entry.
_STRIP_COLUMNS = 32
# What a panel may hold for a block of users: 64 MB in float32.
_BLOCK_ELEMENTS = 2**24


def times(left: sp.csr_array | sp.csc_array, right: np.ndarray) -> np.ndarray:
    """left @ right, dense; with the threads torch is allowed, and the same whatever their number.

    A row of `right`, C-contiguous and of the same type of float, is fetched for every entry of
    `left`, in no order that a cache could foresee; strips make the rows few enough to be there
    already. SciPy's products let other threads run.
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
    """X in blocks of users, transposed to (items, users), which bounds X panel of that width."""
    step = max(1, _BLOCK_ELEMENTS // max(1, width))
    return [sp.csr_array(X[begin : begin + step].T) for begin in range(0, X.shape[0], step)]


def first_rows(csr: Any, rows: int, columns: int) -> sp.csr_array:
    """The first rows of what has the arrays of a CSR matrix."""
    stored = csr.indptr[rows]
    parts = (csr.data[:stored], csr.indices[:stored], csr.indptr[: rows + 1])
    return sp.csr_array(parts, shape=(rows, columns))


def block_product(block: sp.csr_array, panel: np.ndarray) -> np.ndarray:
    """X panel of the users of a block, for a panel (items, width) over the first items."""
    return times(first_rows(block, len(panel), block.shape[1]).T, panel)


def product_gram(blocks: list[sp.csr_array], panel: np.ndarray) -> np.ndarray:
    """(X panel)ᵀ (X panel), for a panel (items, width) over the first items."""
    gram = np.zeros((panel.shape[1], panel.shape[1]), dtype=np.float32)
    for block in blocks:
        product = block_product(block, panel)
        gram += product.T @ product
    return gram
