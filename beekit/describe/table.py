"""Adding a column to the items table of a dataset folder, without changing the others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from beekit.data.tables import load_table
from beekit.errors import DataError

_BATCH_BYTES = 32 << 20  # how much of a row group is decoded at once
_READ_BYTES = 1 << 20  # how much of a column is read from the file at once


def items_file(folder: str | Path) -> Path:
    """The file that `Dataset.load` reads items from: items.parquet if it exists, else items.csv."""
    parquet = Path(folder) / "items.parquet"
    return parquet if parquet.is_file() else Path(folder) / "items.csv"


def read_items(folder: str | Path) -> pa.Table:
    """The items table of a folder, of a form in which `write_column` can write it again.

    Raises:
        DataError: if it cannot be read, or if it is neither a Parquet file nor CSV with commas.
    """
    found = load_table(folder, "items", id_columns=("item_id",))
    written = found.how.get("separator", ","), found.how.get("encoding", "utf-8")
    if found.files != (items_file(folder),) or written != (",", "utf-8"):
        raise DataError(
            f"the items of {folder} are in {found.how['file']}, {found.how['format']}",
            expected="items.parquet, or items.csv with commas and in UTF-8, to add a column to",
            remedy="Write the table so.",
        )
    return found.table


def write_column(path: Path, name: str, values: pa.Array) -> None:
    """Set the column `name` of a Parquet or CSV file; if that fails, the file stays as it was.

    A new column comes last; an existing column keeps its place. In a Parquet file, row groups, the
    compression of each column and the metadata of the schema are kept. In a CSV file the values of
    the other columns are kept, but unnecessary quotes are removed.

    Args:
        path: the file.
        name: name of the column.
        values: (items,) large_string.
    """
    with _replacing(path) as partial:
        if path.suffix == ".csv":
            _write_csv(path, partial, name, values)
        else:
            _write_parquet(path, partial, name, values)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        shutil.copymode(path, partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)  # noqa: PTH105 - Path.replace is the same call
    finally:
        partial.unlink(missing_ok=True)


def _write_parquet(path: Path, partial: Path, name: str, values: pa.Array) -> None:
    # Without pre-buffering, so that a row group is never completely in memory.
    with pq.ParquetFile(path, buffer_size=_READ_BYTES, pre_buffer=False) as file:
        schema = file.schema_arrow
        out = _with_column(schema.empty_table(), name, values[:0]).schema
        out = out.with_metadata(schema.metadata)
        first = file.metadata.row_group(0)
        columns = [first.column(at) for at in range(first.num_columns)]
        kinds = {column.path_in_schema: column.compression.lower() for column in columns}
        compression = {path: kind.replace("uncompressed", "none") for path, kind in kinds.items()}
        compression[name] = "snappy"
        with pq.ParquetWriter(partial, out, compression=compression) as writer:
            row = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group)
                most = size.num_rows * _BATCH_BYTES // max(size.total_byte_size, 1)
                rows = max(1, min(size.num_rows, most))
                for batch in file.iter_batches(batch_size=rows, row_groups=[group]):
                    table = pa.Table.from_batches([batch])
                    part = values[row : row + len(table)]
                    writer.write_table(_with_column(table, name, part))
                    row += len(table)


def _write_csv(path: Path, partial: Path, name: str, values: pa.Array) -> None:
    parse = pacsv.ParseOptions(newlines_in_values=True)
    with pacsv.open_csv(path, parse_options=parse) as reader:
        types = dict.fromkeys(reader.schema.names, pa.large_string())
    # All columns are read as text, also numbers, so that they are written unchanged.
    options = pacsv.ConvertOptions(column_types=types, strings_can_be_null=False)
    table = pacsv.read_csv(path, convert_options=options, parse_options=parse)
    pacsv.write_csv(_with_column(table, name, values), partial)


def _with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """The table with the column set; a new column comes last."""
    at = table.schema.get_field_index(name)
    if at < 0:
        return table.append_column(name, values)
    return table.set_column(at, name, values)
