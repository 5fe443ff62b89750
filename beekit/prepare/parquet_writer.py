"""Writing tables to a Parquet file one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


@contextmanager
def parquet_writer(path: Path, compression: str) -> Iterator[Callable[[pa.Table], None]]:
    """A function that appends a table to the file as one row group; the first sets the schema.

    If it is never called, there is no file.
    """
    with ExitStack() as opened:
        writer: pq.ParquetWriter | None = None

        def write(table: pa.Table) -> None:
            nonlocal writer
            if writer is None:
                writer = pq.ParquetWriter(path, table.schema, compression=compression)
                opened.enter_context(writer)
            writer.write_table(table, row_group_size=max(1, len(table)))

        yield write
