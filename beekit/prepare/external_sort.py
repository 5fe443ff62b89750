"""External merge sort: grouping any number of rows by user in bounded memory."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beekit.data import ids

# How many rows are sorted at once; about as many are yielded at once.
ROWS = 1 << 21
# How many rows of a sorted run are read at once.
_BATCH = 1 << 14


def grouped_by_user(
    tables: Iterable[pa.Table],
    folder: Path,
    rows: int = ROWS,
    *,
    change: Callable[[pa.Table], pa.Table] = lambda table: table,
) -> Iterator[pa.Table]:
    """The rows of all tables in ascending order of `user_id`; no user is split between two tables.

    The rows of a user keep their order. Sorted runs of `rows` rows are written to `folder`. Then
    all runs are read together, one range of users after the other, and removed. So memory holds
    about `rows` rows and a batch of every run, for any number of rows, but always all rows of a
    user.
    `change` is applied to about `rows` rows before they are sorted, and may leave out rows.
    """
    changed = filter(len, map(change, _batched(tables, rows)))
    runs = [_Run(table, folder / f"{number:06d}.arrows") for number, table in enumerate(changed)]
    for bound in [*_bounds(runs, rows), None] if runs else []:
        parts = [part for run in runs if len(part := run.below(bound))]
        if parts:
            yield _by_user(pa.concat_tables(parts))
    for run in runs:
        run.path.unlink()


def lengths(users: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """The distinct ids among ids in ascending order, and how often each occurs."""
    array = users.combine_chunks()
    array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
    encoded = pc.run_end_encode(array)
    return encoded.values, np.diff(encoded.run_ends.to_numpy(), prepend=0)


class _Run:
    """A run: rows sorted by `user_id`, written to a file and read from it again.

    `firsts` are the user ids at the beginning of each batch.
    """

    def __init__(self, table: pa.Table, path: Path) -> None:
        self.path = path
        table = _by_user(table)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=_BATCH)
        firsts = pa.array(np.arange(0, len(table), _BATCH))
        self.firsts = table["user_id"].combine_chunks().take(firsts)
        self.file = pa.OSFile(str(path))
        self.reader = pa.ipc.open_stream(self.file)
        self.rest: pa.Table = self.reader.schema.empty_table()

    def below(self, bound: Any) -> pa.Table:
        """The unread rows of users below `bound`; all unread rows if it is None."""
        parts = [self.rest]
        while not len(parts[-1]) or bound is None or parts[-1]["user_id"][-1].as_py() < bound:
            try:
                parts.append(pa.Table.from_batches([self.reader.read_next_batch()]))
            except StopIteration:
                self.file.close()
                break
        table = pa.concat_tables(parts)
        if bound is None:
            return table
        users = table["user_id"]
        end = bisect_left(range(len(users)), bound, key=lambda row: users[row].as_py())
        self.rest = table.slice(end)
        return table.slice(0, end)


def _batched(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of at least `rows` rows; only the last may have fewer."""
    held: list[pa.Table] = []
    count = 0
    for table in tables:
        held.append(table)
        count += len(table)
        if count >= rows:
            yield pa.concat_tables(held)
            held, count = [], 0
    if count:
        yield pa.concat_tables(held)


def _by_user(table: pa.Table) -> pa.Table:
    """The rows sorted by user_id; rows of a user keep their order."""
    table = table.combine_chunks()
    users = table["user_id"].chunk(0)
    # Text is compared once for each distinct id, not for each row.
    codes = users.to_numpy() if pa.types.is_integer(users.type) else ids.encode(users)[1]
    if not np.any(codes[1:] < codes[:-1]):
        return table
    return table.take(pa.array(np.argsort(codes, kind="stable")))


def _bounds(runs: list[_Run], rows: int) -> list[Any]:
    """User ids that divide the rows into ranges of about `rows` rows."""
    firsts = pa.concat_arrays([run.firsts for run in runs])
    ordered = firsts.take(pc.array_sort_indices(firsts))
    step = max(1, rows // _BATCH)
    cuts: list[Any] = ordered.take(pa.array(np.arange(step, len(ordered), step))).to_pylist()
    return sorted(set(cuts))
