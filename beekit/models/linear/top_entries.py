"""The strongest entries of each row of a sparse matrix."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.ranking.ties import scramble, tie_keys

# The bits of a float32 above zero, read as an integer of 31 bits, have the order of the number.
_VALUE_BITS = 31
_KEY_BITS = 64


def strongest(scores: sp.csr_array, n: int, first_row: int = 0) -> sp.csr_array:
    """The n largest positive entries of each row, float32; a hash chooses among ties at the cut.

    Row, value and column are packed into one 64-bit key, so that a single sort orders all three,
    several times faster than `lexsort`. If `scores` is a block of a larger matrix, `first_row` is
    the number of its first row there.
    """
    rows, columns = scores.shape
    column_bits = max(1, int(columns - 1).bit_length())
    at_once = max(1, 2 ** (_KEY_BITS - _VALUE_BITS - column_bits))
    parts = [
        _strongest(scores[begin : begin + at_once], n, column_bits, first_row + begin)
        for begin in range(0, rows, at_once)
    ]
    return sp.csr_array(sp.vstack(parts, format="csr")) if len(parts) > 1 else parts[0]


def _strongest(scores: sp.csr_array, n: int, column_bits: int, first_row: int) -> sp.csr_array:
    values = scores.data.astype(np.float32)
    positive = values > 0
    owners = np.repeat(np.arange(scores.shape[0], dtype=np.uint64), np.diff(scores.indptr))
    # The bits are subtracted, so that larger values come first.
    strength = np.uint64(2**_VALUE_BITS - 1) - values[positive].view(np.uint32).astype(np.uint64)
    keys = owners[positive] << np.uint64(_VALUE_BITS + column_bits)
    keys |= strength << np.uint64(column_bits)
    keys |= scores.indices[positive].astype(np.uint64)
    keys.sort()
    rows = (keys >> np.uint64(_VALUE_BITS + column_bits)).astype(np.int64)
    counts = np.bincount(rows, minlength=scores.shape[0])
    starts = np.cumsum(counts) - counts
    kept = np.arange(len(rows)) - np.repeat(starts, counts) < n
    # Where equal values are partly kept and partly left out, a hash chooses which ones are kept.
    group = keys >> np.uint64(column_bits)  # the same for entries with equal row and value
    cuts = starts[counts > n] + n  # the first entry left out of each row that leaves any out
    cuts = cuts[group[cuts] == group[cuts - 1]]
    begins = np.searchsorted(group, group[cuts], side="left")
    ends = np.searchsorted(group, group[cuts], side="right")
    sizes = ends - begins
    owner = np.repeat(np.arange(len(cuts)), sizes)
    tied = np.arange(len(owner)) + np.repeat(begins - (np.cumsum(sizes) - sizes), sizes)
    row_keys = scramble(rows[tied].astype(np.uint64) + np.uint64(first_row))
    order = np.lexsort((tie_keys(row_keys, _columns(keys[tied], column_bits)), owner))
    place = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept[tied[order]] = place < np.repeat(cuts - begins, sizes)
    keys, rows = keys[kept], rows[kept]
    strength = (keys >> np.uint64(column_bits)) & np.uint64(2**_VALUE_BITS - 1)
    bits = (np.uint64(2**_VALUE_BITS - 1) - strength).astype(np.uint32)
    columns = _columns(keys, column_bits)
    return sp.csr_array((bits.view(np.float32), (rows, columns)), shape=scores.shape)


def _columns(keys: np.ndarray, column_bits: int) -> np.ndarray:
    return (keys & np.uint64(2**column_bits - 1)).astype(np.int64)
