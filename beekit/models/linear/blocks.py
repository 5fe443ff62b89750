"""Sparse products in blocks of rows, so that the whole product never has to fit into memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

# A block stores at most this many entries: 48 MB in float64 with their column indices.
BLOCK_STORED = 2**22


def row_blocks(
    left: sp.csr_array, right: sp.csr_array, stored: int = BLOCK_STORED
) -> Iterator[tuple[int, int]]:
    """Ranges of rows of left @ right. The product of a range has at most `stored` entries, unless
    it is a single row."""
    rows = left.shape[0]
    terms = np.concatenate([[0], np.cumsum(np.diff(right.indptr)[left.indices], dtype=np.int64)])
    most = np.minimum(np.diff(terms[left.indptr]), right.shape[1])
    ends = np.concatenate([[0], np.cumsum(most)])
    begin = 0
    while begin < rows:
        end = int(np.searchsorted(ends, ends[begin] + stored, side="right")) - 1
        end = min(max(begin + 1, end), rows)
        yield begin, end
        begin = end
