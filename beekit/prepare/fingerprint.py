"""The fingerprint of a dataset folder, computed in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beekit.data import ids
from beekit.data.template import render
from beekit.prepare.external_sort import lengths

_END = b"\x1e"
_BETWEEN = b"\x1f"


def folder_fingerprint(folder: Path) -> str:
    """The value of `Dataset.load(folder).fingerprint`, with only ids and titles of items in memory.

    It is right for folders that `beekit prepare` wrote: `interactions.parquet` is in ascending
    order of user_id, no user is in two row groups, no pair is repeated, and `items.parquet` has a
    column `title` and no column `text`.
    """
    items = pq.read_table(folder / "items.parquet", columns=["item_id", "title"])
    item_ids = ids.as_ids(items["item_id"])
    order = pc.array_sort_indices(item_ids)
    item_ids = item_ids.take(order)
    texts = render("{title}", items).take(order)
    return ids.digest(texts, pa.array([_matrix(folder, item_ids)]))


def _matrix(folder: Path, item_ids: pa.Array) -> str:
    """The SHA-256 of user ids, item ids, and X with sorted columns, equal to the one that
    `Interactions` computes."""
    sha = hashlib.sha256()
    with pq.ParquetFile(folder / "interactions.parquet") as file:
        counts: list[np.ndarray] = []
        for group in _groups(file, "user_id"):
            distinct, count = lengths(group)
            if counts and not pa.types.is_integer(distinct.type):
                sha.update(_BETWEEN)
            sha.update(_content(distinct))
            counts.append(count)
        sha.update(_END + _content(item_ids) + _END)
        indptr = np.zeros(sum(map(len, counts)) + 1, dtype="<i8")
        np.cumsum(np.concatenate(counts), out=indptr[1:])
        sha.update(indptr.tobytes() + _END)
        for group, count in zip(_groups(file, "item_id"), counts, strict=True):
            columns = pc.index_in(group, value_set=item_ids).to_numpy()
            rows = np.repeat(np.arange(len(count)), count)
            pairs = np.sort(rows * len(item_ids) + columns)
            sha.update((pairs % len(item_ids)).astype("<i8").tobytes())
        sha.update(_END)
    return sha.hexdigest()


def _content(distinct: pa.Array) -> bytes:
    if pa.types.is_integer(distinct.type):
        return np.asarray(distinct.to_numpy(), dtype="<i8").tobytes()
    return _BETWEEN.join(text.encode() for text in distinct.to_pylist())


def _groups(file: pq.ParquetFile, name: str) -> Iterator[pa.ChunkedArray]:
    for number in range(file.num_row_groups):
        column = file.read_row_group(number, columns=[name])[name]
        integer = pa.types.is_integer(column.type)
        yield column.cast(pa.int64() if integer else pa.large_string())
