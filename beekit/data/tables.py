"""Reading a table from a dataset folder, and its columns as checked arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from beekit.data.csv_check import inspect_csv, ragged_line
from beekit.data.ids import as_ids, is_text, plain_integers
from beekit.errors import DataError

# Columns that are numbers or times, in a file that does not say what its columns are.
_NUMBERS = ("value", "timestamp")
_CSV_BLOCK = 1 << 20
# Characters of a library's message that a line has room for.
_SHOWN = 200
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def read_table(folder: str | Path, stem: str, *, id_columns: tuple[str, ...]) -> pa.Table:
    """Read `<folder>/<stem>.parquet` or, where there is none, `<folder>/<stem>.csv`.

    A CSV file is read as the text it holds, so that "007" stays "007"; only the columns `value` and
    `timestamp` become numbers or dates, and an id column becomes integers if all its values are
    plain integers.
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
            return read_file(path, id_columns=id_columns)
    present = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
    raise DataError(
        f"{folder} holds {present}",
        expected=f"{stem}.parquet or {stem}.csv in it",
        remedy="Name the file so, or point `data` at another folder.",
    )


def read_file(path: str | Path, *, id_columns: tuple[str, ...]) -> pa.Table:
    """Read a Parquet or, by its name, CSV file that has the id columns given.

    Pictures embedded in Parquet stay there: of structs of `bytes` and `path` only the path is read.

    Raises:
        DataError: if there is no such file, if it is not what its name says, if it could be read in
            several ways, if an id column is missing, if a column name is repeated or differs only
            by spaces or capitals from a name that has a meaning, or if there are no rows.
    """
    path = Path(path)
    if not path.is_file():
        expected = "a Parquet or CSV file"
        raise DataError(f"no file {path}", expected=expected, remedy="Check the path.")
    table = _read_csv(path, id_columns) if path.suffix == ".csv" else _read_parquet(path)
    _require_names(table, id_columns, path)
    if table.num_rows == 0:
        remedy = "Check how the file was written."
        raise DataError(f"{path} has no rows", expected="at least one row", remedy=remedy)
    if path.suffix == ".csv":
        for name in id_columns:
            numbered = plain_integers(table.column(name).combine_chunks())
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
    column = decoded(require_column(table, name, source))
    text, missing = is_text(column.type), column.null_count
    if text:
        missing += pc.sum(pc.equal(column, "")).as_py() or 0
    if missing:
        found = f"{source} has {missing:,} rows without {name}"
        raise DataError(found, expected=f"a {name} in every row", remedy="Remove those rows.")
    if text or pa.types.is_integer(column.type):
        return as_ids(column)
    found = f"{source} has {name} of type {column.type}"
    raise DataError(found, expected="integers or strings", remedy=f"Convert {name} to one of them.")


def decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column stored as a dictionary, as pandas stores categories, as the values themselves."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def number_column(table: pa.Table, name: str, source: str) -> np.ndarray:
    """A column of times as float64 seconds, finite everywhere; dates and times become seconds."""
    column = require_column(table, name, source)
    kind = column.type
    per_second = 1.0
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s")).cast(pa.int64())
    elif pa.types.is_timestamp(kind):
        per_second = _PER_SECOND[kind.unit]
        column = column.cast(pa.int64())
    else:
        _require_numbers(column, name, source)
    # Nanoseconds since 1970 need more digits than a float has; the nearest one is near enough.
    return _finite(column.cast(pa.float64(), safe=False), name, source) / per_second


def value_column(table: pa.Table, source: str) -> np.ndarray:
    """The column `value` as it is stored, finite everywhere: booleans, or numbers.

    Numbers keep their width, so that a stored 4.1 is not below 4.1.
    """
    column = require_column(table, "value", source)
    if not pa.types.is_boolean(column.type):
        _require_numbers(column, "value", source)
    return _finite(column, "value", source)


def _require_numbers(column: pa.ChunkedArray, name: str, source: str) -> None:
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise DataError(
            f"{source} has {name} of type {column.type}",
            expected="numbers",
            remedy=f"Convert {name} to a number, or drop the column.",
        )


def _finite(column: pa.ChunkedArray, name: str, source: str) -> np.ndarray:
    missing = column.null_count
    # A missing number becomes NaN, a missing boolean None.
    numbers: np.ndarray = column.combine_chunks().to_numpy(zero_copy_only=False)
    bad = missing if numbers.dtype == object else int(np.count_nonzero(~np.isfinite(numbers)))
    if bad:
        raise DataError(
            f"{source} has {bad:,} rows whose {name} is missing, NaN or infinite "
            f"({missing:,} missing)",
            expected="finite numbers",
            remedy="Remove or repair those rows.",
        )
    return numbers


def _require_names(table: pa.Table, id_columns: tuple[str, ...], path: Path) -> None:
    """Refuse columns of one name, and one that would be read under a name it almost has."""
    names = table.column_names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            f"{path} has more than one column {', '.join(repeated)}",
            expected="distinct column names",
            remedy="Rename or remove the repeats.",
        )
    # Values that nobody reads would all count.
    means = (*id_columns, *(_NUMBERS if "user_id" in id_columns else ()))
    for name in names:
        meant = name.strip().lower()
        if meant in means and meant not in names:
            raise DataError(
                f"{path} has a column {name!r}",
                expected=f"the name {meant!r}, without spaces and capitals",
                remedy="Rename the column.",
            )
    for name in id_columns:
        require_column(table, name, path.name)


def _read_parquet(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read(columns=_without_pictures(file.schema_arrow))
        table.validate(full=True)  # text that is not UTF-8 shows nowhere else
        return table
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} cannot be read as Parquet ({_reason(error)})",
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


def _read_csv(path: Path, id_columns: tuple[str, ...]) -> pa.Table:
    text = inspect_csv(path)
    types = {name: pa.large_string() for name in text.names if name not in _NUMBERS}
    # An empty field is an empty text, but a missing number.
    options = pacsv.ConvertOptions(column_types=types, strings_can_be_null=False)
    # A line must not reach over more than two blocks.
    read = pacsv.ReadOptions(block_size=max(_CSV_BLOCK, text.longest + 2))
    try:
        parse = pacsv.ParseOptions(newlines_in_values=True)
        table = pacsv.read_csv(path, read, parse, options)
    except pa.ArrowException as error:
        line = ragged_line(path, len(text.names))
        where = "" if line is None else f"line {line:,}: "
        raise DataError(
            f"{path} cannot be read as CSV ({where}{_reason(error)})",
            expected="comma-separated UTF-8 text with a header line, and as many fields in each",
            remedy="Repair the line named, or write Parquet.",
        ) from error
    text.require_whole(table, id_columns)
    return table


def _reason(error: Exception) -> str:
    """The first line of a library's message."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= _SHOWN else f"{lines[0][:_SHOWN]}..."
