"""Reading a table from a dataset folder, and its columns as checked arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from beekit.data.ids import as_ids, plain_integers
from beekit.errors import DataError

# Columns that are numbers or times, in a file that does not say what its columns are.
_NUMBERS = ("value", "timestamp")
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def read_table(folder: str | Path, stem: str, *, id_columns: tuple[str, ...]) -> pa.Table:
    """Read `<folder>/<stem>.parquet` or, where there is none, `<folder>/<stem>.csv`.

    A CSV file is read as the text it holds, so that "007" stays "007"; only the columns `value` and
    `timestamp` become numbers or dates, and an id column with nothing but plain integers integers.

    Raises:
        DataError: no such folder or file, a file that is not what its name says, a missing id
            column, a repeated column name, or a table without rows.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"no folder {folder}",
            expected="a dataset folder with interactions.parquet|csv and items.parquet|csv",
            remedy="Check the path given as `data`.",
        )
    for path in (folder / f"{stem}.parquet", folder / f"{stem}.csv"):
        if path.is_file():
            break
    else:
        present = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        raise DataError(
            f"{folder} holds {present}",
            expected=f"{stem}.parquet or {stem}.csv in it",
            remedy="Name the file so, or point `data` at another folder.",
        )
    return read_file(path, id_columns=id_columns)


def read_file(path: str | Path, *, id_columns: tuple[str, ...]) -> pa.Table:
    """Read a Parquet or, by its name, CSV file that has the id columns given.

    Pictures embedded in Parquet stay there: of structs of `bytes` and `path` only the path is read.

    Raises:
        DataError: no such file, not what its name says, a missing id column, a repeated column
            name, or no rows.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"no file {path}", expected="a Parquet or CSV file", remedy="Check the path."
        )
    table = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
    for name in id_columns:
        require_column(table, name, path.name)
    _require_distinct(table.column_names, path)
    if table.num_rows == 0:
        raise DataError(
            f"{path} has no rows",
            expected="at least one row",
            remedy="Check how the file was written.",
        )
    if path.suffix == ".csv":
        for name in id_columns:
            numbered = plain_integers(_one_array(table.column(name)))
            table = table.set_column(table.column_names.index(name), name, numbered)
    return table


def require_column(table: pa.Table, name: str, source: str) -> pa.ChunkedArray:
    """The column `name`, or a `DataError` that lists the columns there are."""
    if name not in table.column_names:
        raise DataError(
            f"{source} has the columns {', '.join(table.column_names) or 'none'}",
            expected=f"a column {name}",
            remedy=f"Rename or add the column {name}.",
        )
    return table.column(table.column_names.index(name))


def id_column(table: pa.Table, name: str, source: str) -> pa.Array:
    """An id column as one int64 or string array, none of them missing or empty."""
    column = require_column(table, name, source)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    missing = column.null_count
    if text:
        missing += pc.sum(pc.equal(column, "")).as_py() or 0
    if missing:
        raise DataError(
            f"{source} has {missing:,} rows without {name}",
            expected=f"a {name} in every row",
            remedy="Remove those rows.",
        )
    if text or pa.types.is_integer(column.type):
        return as_ids(column)
    raise DataError(
        f"{source} has {name} of type {column.type}",
        expected="integers or strings",
        remedy=f"Convert {name} to integers or strings.",
    )


def number_column(table: pa.Table, name: str, source: str) -> np.ndarray:
    """A numeric column as float64, finite everywhere; dates and times become seconds."""
    column = require_column(table, name, source)
    kind = column.type
    per_second = 1.0
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s")).cast(pa.int64())
    elif pa.types.is_timestamp(kind):
        per_second = _PER_SECOND[kind.unit]
        column = column.cast(pa.int64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise DataError(
            f"{source} has {name} of type {kind}",
            expected="numbers",
            remedy=f"Convert {name} to a number, or drop the column.",
        )
    missing = column.null_count
    # Nanoseconds since 1970 need more digits than a float has; the nearest one is near enough.
    rounded = _one_array(column.cast(pa.float64(), safe=False))
    numbers = np.asarray(rounded.to_numpy(zero_copy_only=False), dtype=np.float64)
    bad = int(np.count_nonzero(~np.isfinite(numbers)))
    if bad:
        raise DataError(
            f"{source} has {bad:,} rows whose {name} is missing, NaN or infinite "
            f"({missing:,} missing)",
            expected="finite numbers",
            remedy="Remove or repair those rows.",
        )
    return numbers / per_second


def _require_distinct(names: list[str], path: Path) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            f"{path} has more than one column {', '.join(repeated)}",
            expected="distinct column names",
            remedy="Rename or remove the repeats.",
        )


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined


def _read_parquet(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            return file.read(columns=_without_pictures(file.schema_arrow))
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} cannot be read as Parquet ({str(error).splitlines()[0]})",
            expected="a Parquet file",
            remedy="Write it again, or name it .csv if it is one.",
        ) from error


def _without_pictures(schema: pa.Schema) -> list[str]:
    """The columns to read: of embedded pictures their paths alone, however small the catalog."""
    return [
        f"{field.name}.path"
        if pa.types.is_struct(field.type) and {"bytes", "path"} <= {f.name for f in field.type}
        else field.name
        for field in schema
    ]


def _read_csv(path: Path) -> pa.Table:
    if path.stat().st_size == 0:
        raise DataError(
            f"{path} is empty",
            expected="a header line and rows",
            remedy="Check how the file was written.",
        )
    parse = pacsv.ParseOptions(newlines_in_values=True)
    try:
        with pacsv.open_csv(path, parse_options=parse) as reader:
            names = reader.schema.names
        types = {name: pa.large_string() for name in names if name not in _NUMBERS}
        # An empty field is an empty text, but a missing number.
        options = pacsv.ConvertOptions(column_types=types, strings_can_be_null=False)
        return pacsv.read_csv(path, convert_options=options, parse_options=parse)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as CSV ({str(error).splitlines()[0]})",
            expected="comma-separated UTF-8 text with a header line",
            remedy="Repair the line named, or write Parquet.",
        ) from error
