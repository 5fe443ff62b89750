"""A sparse matrix times a wide dense one, in strips of columns that stay in the cache."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse as sp
import torch

# 128 bytes a row: two cache lines for every stored entry.
_STRIP_COLUMNS = 32


def times(left: sp.csr_array | sp.csc_array, right: np.ndarray) -> np.ndarray:
    """left @ right, dense; with the threads torch is allowed, and the same whatever their number.

    A row of `right` is fetched for every entry of `left`, in no order that a cache could foresee;
    strips make the rows few enough to be there already. SciPy's products let other threads run.

    Args:
        left: (rows, inner), CSR or CSC.
        right: (inner, columns), C-contiguous, of the same type of float.
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
