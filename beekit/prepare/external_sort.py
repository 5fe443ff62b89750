"""External merge sort: rows grouped by user, however many there are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beekit.data import ids

# Rows sorted at a time, and about as many come back at a time.
ROWS = 1 << 21
# Rows of a sorted run that are read together.
_BATCH = 1 << 14


def grouped_by_user(
    tables: Iterable[pa.Table],
    folder: Path,
    rows: int = ROWS,
    *,
    change: Callable[[pa.Table], pa.Table] = lambda table: table,
) -> Iterator[pa.Table]:
    """The rows of all tables in ascending order of `user_id`, whole users at a time.

    Rows of one user stay in the order they come in. Sorted runs of `rows` rows are written to
    `folder`; then the runs are read side by side, range of users by range of users, and removed. So
    memory holds about `rows` rows, and a batch of every run, whatever the number of rows; a user
    with more than `rows` rows is held whole. `change` is called on `rows` rows at a time before
    they are sorted, and may leave out some.
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
    """Of ids in ascending order the distinct ones, and how often each occurs."""
    array = users.combine_chunks()
    array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
    encoded = pc.run_end_encode(array)
    return encoded.values, np.diff(encoded.run_ends.to_numpy(), prepend=0)


class _Run:
    """Rows written to a file in the order of `user_id`, and read again from there.

    `firsts` are the first users of its batches.
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
        """The rows of users before `bound` not read yet; all that are left if it is None."""
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
    """The same rows as tables of at least `rows` rows, but for the last."""
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
    """Rows in stable order of user_id."""
    table = table.combine_chunks()
    users = table["user_id"].chunk(0)
    # Text is compared once an id, not once a row.
    codes = users.to_numpy() if pa.types.is_integer(users.type) else ids.encode(users)[1]
    if not np.any(codes[1:] < codes[:-1]):
        return table
    return table.take(pa.array(np.argsort(codes, kind="stable")))


def _bounds(runs: list[_Run], rows: int) -> list[Any]:
    """Users at which to cut, so that about `rows` rows lie between two of them."""
    firsts = pa.concat_arrays([run.firsts for run in runs])
    ordered = firsts.take(pc.array_sort_indices(firsts))
    step = max(1, rows // _BATCH)
    cuts: list[Any] = ordered.take(pa.array(np.arange(step, len(ordered), step))).to_pylist()
    return sorted(set(cuts))
