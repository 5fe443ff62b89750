"""Filtering raw rows to the interactions of a dataset, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beekit.data.interactions import require_policy
from beekit.data.rules import strong_enough
from beekit.errors import DataError
from beekit.prepare.external_sort import ROWS, grouped_by_user, lengths
from beekit.prepare.parquet_writer import parquet_writer


@dataclass(frozen=True)
class Filters:
    """Which raw rows become interactions. The filters are applied in this order:

    1. Rows with a value below `min_value` are left out. If that is None, a value of 0 or below is
       an error.
    2. Rows with items that are not in the catalog are left out.
    3. If a pair of user and item is repeated, one row is kept: the one with the latest or the first
       timestamp; if timestamps are equal or missing, the last or the first row in the file.
    4. Users with fewer than `user_min_support` items are left out.

    beeFormer and Mult-VAE also leave out low ratings first and then count the distinct items of a
    user. One pass is enough, because items are not filtered by their users. For a k-core (users and
    items, repeated until nothing changes) see `Dataset.load(item_min_support=...)`.

    Attributes:
        min_value: the lowest value of an interaction; None for no limit or if rows have no value.
        user_min_support: how many items a user must have.
        duplicates: "latest" or "first".

    Raises:
        DataError: if `duplicates` is something else.
    """

    min_value: float | None = None
    user_min_support: int = 1
    duplicates: str = "latest"

    def __post_init__(self) -> None:
        require_policy("duplicates", self.duplicates, Literal["latest", "first"])


@dataclass
class Counts:
    """Numbers of rows read, of rows that each filter left out, and of what the dataset has."""

    rows: int = 0
    below_min_value: int = 0
    other_items: int = 0
    repeated: int = 0
    few_items: int = 0
    interactions: int = 0
    users: int = 0
    items: int = 0


def write_interactions(
    tables: Iterable[pa.Table],
    path: Path,
    item_ids: pa.Array,
    filters: Filters,
    work: Path,
    *,
    rows: int = ROWS,
) -> tuple[Counts, np.ndarray]:
    """Filter rows and write them to a Parquet file.

    Rows are written in ascending order of user_id; the rows of a user are in the order of the raw
    file and in one row group.

    Args:
        tables: tables of user_id, item_id and, in all tables or in none, value and timestamp.
        path: the file to write.
        item_ids: (items,) the ids in the catalog.
        filters: the filters.
        work: folder for temporary files.
        rows: about how many rows are in memory at once.

    Returns:
        the counts, and (items,) bool: which items have an interaction.

    Raises:
        DataError: if no user is left, or if a value is not above 0 and there is no `min_value`.
    """
    counts = Counts()
    support = np.zeros(len(item_ids), dtype=np.int64)
    enough = _with_enough_value(tables, filters, counts)
    known = partial(_known_rows, item_ids=item_ids, counts=counts)
    with parquet_writer(path, "zstd") as write_table:
        for table in grouped_by_user(enough, work, rows, change=known):
            kept = _filtered_users(table, len(item_ids), filters, counts)
            if not len(kept):
                continue
            codes = kept["item_id"].to_numpy()
            support += np.bincount(codes, minlength=len(support))
            position = kept.column_names.index("item_id")
            write_table(kept.set_column(position, "item_id", item_ids.take(pa.array(codes))))
    counts.items = int(np.count_nonzero(support))
    if counts.users == 0:
        raise DataError(
            f"no user is left of {counts.rows:,} rows ({counts.below_min_value:,} below "
            f"{filters.min_value}, {counts.other_items:,} of other items, {counts.few_items:,} of "
            f"users with fewer than {filters.user_min_support} items)",
            expected="at least one user",
            remedy="Relax the filters, or check that the file given by --items has ids of this "
            "dataset.",
        )
    return counts, support > 0


def _with_enough_value(
    tables: Iterable[pa.Table], filters: Filters, counts: Counts
) -> Iterator[pa.Table]:
    for table in tables:
        counts.rows += len(table)
        if "value" in table.column_names:
            enough = strong_enough(table["value"].to_numpy(), filters.min_value)
            counts.below_min_value += len(enough) - int(np.count_nonzero(enough))
            table = table if enough.all() else table.filter(pa.array(enough))
        yield table


def _known_rows(table: pa.Table, item_ids: pa.Array, counts: Counts) -> pa.Table:
    """The rows of items in the catalog; their item_id becomes the position in the catalog.

    It is called for many rows at once, because Arrow hashes the whole catalog each time.
    """
    codes = pc.index_in(table["item_id"], value_set=item_ids)
    table = table.set_column(table.column_names.index("item_id"), "item_id", codes)
    if codes.null_count:
        table = table.filter(codes.is_valid())
        counts.other_items += codes.null_count
    return table


def _filtered_users(table: pa.Table, items: int, filters: Filters, counts: Counts) -> pa.Table:
    """The rows of users with enough items, with each item once."""
    _, rows = lengths(table["user_id"])
    users = np.repeat(np.arange(len(rows)), rows)
    pairs = users * items + table["item_id"].to_numpy()
    once = _each_once(pairs, table, latest=filters.duplicates == "latest")
    support = np.bincount(users[once], minlength=len(rows))
    enough = support >= filters.user_min_support
    keep = once & enough[users]
    counts.repeated += len(once) - int(np.count_nonzero(once))
    counts.few_items += int(support[~enough].sum())
    counts.users += int(np.count_nonzero(enough))
    counts.interactions += int(np.count_nonzero(keep))
    return (table if keep.all() else table.filter(pa.array(keep))).combine_chunks()


def _each_once(pairs: np.ndarray, table: pa.Table, *, latest: bool) -> np.ndarray:
    """(rows,) bool: which rows to keep, so that each pair has one row."""
    once = np.ones(len(pairs), dtype=bool)
    ordered = np.sort(pairs)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return once
    nearest = np.minimum(np.searchsorted(repeated, pairs), len(repeated) - 1)
    rows = np.flatnonzero(repeated[nearest] == pairs)
    # The sort is stable, so rows with equal keys keep the order of the file.
    keys = [pairs[rows]]
    if "timestamp" in table.column_names:
        keys.insert(0, table["timestamp"].to_numpy()[rows])
    rows = rows[np.lexsort(keys)]
    same = pairs[rows][1:] == pairs[rows][:-1]
    once[rows[:-1][same] if latest else rows[1:][same]] = False
    return once
