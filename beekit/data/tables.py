"""Reading a table from a dataset folder, and its columns as checked arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from beekit.errors import DataError


def read_table(folder: str | Path, stem: str, *, id_columns: tuple[str, ...]) -> pa.Table:
    """Read `<folder>/<stem>.parquet` or, where there is none, `<folder>/<stem>.csv`.

    Ids in a CSV file are read as text first, so that "007" stays "007"; a column that holds nothing
    but plain integers becomes integers.

    Raises:
        DataError: no such folder or file, a file that is not what its name says, a missing id
            column, or a table without rows.
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
    table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path, id_columns)
    for name in id_columns:
        require_column(table, name, path.name)
    if table.num_rows == 0:
        raise DataError(
            f"{path} has no rows",
            expected="at least one row",
            remedy="Check how the file was written.",
        )
    return table


def require_column(table: pa.Table, name: str, source: str) -> pa.ChunkedArray:
    """The column `name`, or a `DataError` that lists the columns there are."""
    if name not in table.column_names:
        raise DataError(
            f"{source} has the columns {', '.join(table.column_names) or 'none'}",
            expected=f"a column {name}",
            remedy=f"Rename or add the column {name}.",
        )
    return table.column(name)


def id_column(table: pa.Table, name: str, source: str) -> pa.Array:
    """An id column as one int64 or string array without nulls."""
    column = require_column(table, name, source)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        raise DataError(
            f"{source} has {column.null_count:,} rows without {name}",
            expected=f"a {name} in every row",
            remedy="Remove those rows.",
        )
    if pa.types.is_integer(column.type):
        return _one_array(column.cast(pa.int64()))
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _one_array(column.cast(pa.large_string()))
    raise DataError(
        f"{source} has {name} of type {column.type}",
        expected="integers or strings",
        remedy=f"Convert {name} to integers or strings.",
    )


def number_column(table: pa.Table, name: str, source: str) -> np.ndarray:
    """A numeric column as float64, finite everywhere; timestamps become seconds."""
    column = require_column(table, name, source)
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
        scale = 1e-6
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        scale = 1.0
    else:
        raise DataError(
            f"{source} has {name} of type {kind}",
            expected="numbers",
            remedy=f"Convert {name} to a number, or drop the column.",
        )
    missing = column.null_count
    numbers = np.asarray(
        _one_array(column.cast(pa.float64())).to_numpy(zero_copy_only=False), dtype=np.float64
    )
    bad = int(np.count_nonzero(~np.isfinite(numbers)))
    if bad:
        raise DataError(
            f"{source} has {bad:,} rows whose {name} is missing, NaN or infinite "
            f"({missing:,} missing)",
            expected="finite numbers",
            remedy="Remove or repair those rows.",
        )
    return numbers * scale if scale != 1.0 else numbers


def plain_integers(ids: pa.Array) -> pa.Array:
    """Text ids as int64 where every one is an integer written plainly ("12", not "012")."""
    if not (pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type)):
        return ids
    if not pc.all(pc.match_substring_regex(ids, r"^(0|-?[1-9][0-9]{0,17})$")).as_py():
        return ids
    return ids.cast(pa.int64())


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} cannot be read as Parquet ({str(error).splitlines()[0]})",
            expected="a Parquet file",
            remedy="Write it again, or name it .csv if it is one.",
        ) from error


def _read_csv(path: Path, id_columns: tuple[str, ...]) -> pa.Table:
    if path.stat().st_size == 0:
        raise DataError(
            f"{path} is empty",
            expected="a header line and rows",
            remedy="Check how the file was written.",
        )
    types = {name: pa.large_string() for name in id_columns}
    # An empty field is an empty text, but a missing number or id.
    options = pacsv.ConvertOptions(column_types=types, strings_can_be_null=False)
    parse = pacsv.ParseOptions(newlines_in_values=True)
    try:
        table = pacsv.read_csv(path, convert_options=options, parse_options=parse)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as CSV ({str(error).splitlines()[0]})",
            expected="comma-separated UTF-8 text with a header line",
            remedy="Repair the line named, or write Parquet.",
        ) from error
    for name in id_columns:
        if name in table.column_names and table.num_rows:
            position = table.column_names.index(name)
            ids = plain_integers(_one_array(table.column(name)))
            table = table.set_column(position, name, ids)
    return table
