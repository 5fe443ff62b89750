"""Writing `items.parquet` from a publisher's tables of items, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import pyarrow.parquet as pq

from beekit.data import ids
from beekit.data.columns import id_column
from beekit.data.tables import read_file
from beekit.errors import DataError
from beekit.prepare.parquet_writer import parquet_writer


class ItemStore:
    """Keeps items in a file and only their ids in memory, until it is known which ones are used.

    Items without a title, items that are not in `allowed`, and rows with an id that came before are
    left out.

    Args:
        tables: tables of item_id (all integers or all text), title and further columns.
        path: the file to keep the rows in.
        allowed: ids to keep; None for all.

    Attributes:
        item_ids: (items,) the ids kept, in the order of the raw file.
        listed: number of rows in the publisher's file.
        without_title, repeated: numbers of rows left out.

    Raises:
        DataError: if no item is left.
    """

    def __init__(
        self, tables: Iterable[pa.Table], path: Path, allowed: pa.Array | None = None
    ) -> None:
        self.path = path
        self.listed = self.without_title = 0
        parts: list[pa.Array] = []
        with parquet_writer(path, "lz4") as write_table:
            for table in tables:
                blank = pc.equal(pc.utf8_trim_whitespace(table["title"]), "")
                titled = table.filter(pc.invert(pc.fill_null(blank, True)))
                self.listed += len(table)
                self.without_title += len(table) - len(titled)
                write_table(titled)
                parts += [chunk for chunk in titled["item_id"].chunks if len(chunk)]
        if not parts:
            raise DataError(
                f"none of {self.listed:,} items has a title",
                expected="items with a title",
                remedy="Check that it is the publisher's file.",
            )
        found = pa.concat_arrays(parts)
        codes = found.dictionary_encode().indices.to_numpy()
        first = np.unique(codes, return_index=True)[1]
        self.repeated = len(found) - len(first)
        self._keep = np.zeros(len(found), dtype=bool)
        self._keep[first] = True
        if allowed is not None:
            # Integers and text are compared as they are written: "12" is 12, and "012" is not.
            ours, theirs = ids.same_kind(found, allowed)
            self._keep &= pc.is_in(ours, value_set=theirs).to_numpy(zero_copy_only=False)
        self.item_ids = found.filter(pa.array(self._keep))
        if not len(self.item_ids):
            raise DataError(
                f"none of {self.listed:,} items is left ({self.without_title:,} without a title)",
                expected="items with a title that are in the file given by --items",
                remedy="Check that the file given by --items has ids of this dataset.",
            )

    def write(
        self,
        path: Path,
        used: np.ndarray,
        finish: Callable[[pa.Table], pa.Table] | None = None,
    ) -> None:
        """Write items to `path` as Parquet, in the order of the raw file.

        Args:
            path: the file to write.
            used: (items,) bool: which of `item_ids` are written.
            finish: a function that is applied to each table of items before it is written.
        """
        keep = self._keep.copy()
        keep[keep] = used
        begin = 0
        with pq.ParquetFile(self.path) as file, parquet_writer(path, "zstd") as write_table:
            for batch in file.iter_batches():
                rows = pa.array(keep[begin : begin + len(batch)])
                begin += len(batch)
                table = pa.Table.from_batches([batch.filter(rows)])
                write_table(table if finish is None else finish(table))


def read_item_list(path: Path, names: tuple[str, ...]) -> pa.Array:
    """Item ids from a table with one of the columns `names`, or from a text with one id a line.

    A file whose name ends in `.parquet`, `.csv` or `.feather` is a table, any other is a text.

    Raises:
        DataError: if the file cannot be read, or if it has no item ids.
    """
    try:
        if path.suffix in (".parquet", ".csv"):
            table = read_file(path, id_columns=())
        elif path.suffix == ".feather" and path.is_file():
            table = feather.read_table(path, memory_map=False)
        else:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
            listed = [line.strip() for line in lines if line.strip()]
            table = pa.table({names[0]: pa.array(listed, pa.large_string())})
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read ({str(error).splitlines()[0]})",
            expected="a table or a text file with item ids",
            remedy="Check the path given by --items and the format of the file.",
        ) from error
    if not len(table):
        raise DataError(f"{path} has no item id", expected="item ids", remedy="Check the file.")
    for name in names:
        if name in table.column_names:
            return id_column(table, name, path.name).unique()
    raise DataError(
        f"{path} has the columns {', '.join(table.column_names)}",
        expected=f"a column {' or '.join(names)}",
        remedy="Rename the column that holds the item ids.",
    )
