"""Between the caller's ids and row numbers, without a Python loop over rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def as_ids(values: Iterable[object] | np.ndarray | pa.Array) -> pa.Array:
    """Any sequence of integers or strings as one int64 or large_string Arrow array."""
    array = values if isinstance(values, pa.Array) else pa.array(values)
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_integer(array.type):
        return array.cast(pa.int64())
    return array.cast(pa.large_string())


def to_numpy(ids: pa.Array) -> np.ndarray:
    """Ids as int64 or, for strings, an object array of `str`."""
    numpy_ids: np.ndarray = ids.to_numpy(zero_copy_only=False)
    return numpy_ids


def encode(ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct ids, and the position of each given id among them.

    Sorting makes row numbers independent of the order of rows in a file.
    """
    encoded = ids.dictionary_encode()
    distinct = encoded.dictionary
    order = pc.array_sort_indices(distinct).to_numpy()
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return to_numpy(distinct.take(pa.array(order))), rank[encoded.indices.to_numpy()]


def positions(ids: pa.Array, among: np.ndarray | pa.Array) -> np.ndarray:
    """Where each id stands in `among` (distinct ids); -1 where it does not occur."""
    known = as_ids(among)
    if known.type != ids.type:
        return np.full(len(ids), -1, dtype=np.int64)
    found = pc.index_in(ids, value_set=known)
    return np.asarray(found.fill_null(-1).to_numpy(), dtype=np.int64)


def digest(*arrays: np.ndarray | pa.Array) -> str:
    """SHA-256 over arrays of integers, floats or strings, equal on any machine."""
    sha = hashlib.sha256()
    for array in arrays:
        if isinstance(array, np.ndarray) and array.dtype.kind in "iub":
            sha.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        elif isinstance(array, np.ndarray) and array.dtype.kind == "f":
            sha.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        else:
            sha.update("\x1f".join(map(str, to_numpy(as_ids(array)))).encode())
        sha.update(b"\x1e")
    return sha.hexdigest()
