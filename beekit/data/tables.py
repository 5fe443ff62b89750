"""Reading a table of a dataset folder, and its columns as checked arrays."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beekit.data.ids import as_ids, is_text, plain_integers
from beekit.data.table_file import ColumnNames, TableFile, as_columns
from beekit.data.table_parts import (
    CSV,
    FoundTable,
    find_files,
    is_bytes,
    kind_of,
    read_parts,
)
from beekit.errors import DataError

logger = logging.getLogger(__name__)

# Columns that are numbers or times, in a file that does not say what its columns are.
_NUMBERS = ("value", "timestamp")
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
# Moments as text: of ISO 8601 without and with a zone, and as C prints them.
_MOMENTS = [pa.timestamp(unit, zone) for unit in ("us", "ns") for zone in (None, "UTC")]
_WITH_ZONE = "%a %b %d %H:%M:%S %z %Y"


def read_table(folder: str | Path, stem: str, *, id_columns: tuple[str, ...]) -> pa.Table:
    """The table `stem` of a dataset folder: see `load_table`."""
    return load_table(folder, stem, id_columns=id_columns).table


def load_table(
    folder: str | Path,
    stem: str,
    named: TableFile | None = None,
    columns: ColumnNames | None = None,
    *,
    id_columns: tuple[str, ...],
    wanted: Collection[str] | None = None,
    pictures: str | None = None,
) -> FoundTable:
    """Read `<folder>/<stem>.parquet` or, where there is none, `<folder>/<stem>.csv`; or what is
    named instead.

    A CSV file is read as the text it holds, so that "007" stays "007"; only the columns `value` and
    `timestamp` become numbers or dates, and an id column becomes integers if all its values are
    plain integers.

    Args:
        folder: the dataset folder.
        stem: `interactions` or `items`.
        named: the file, and how it is written, where it is not called `stem`.
        columns: what files call columns that have a meaning; those of `named` go before.
        id_columns: columns that the table has to have.
        wanted: columns to read of JSON lines besides those with a meaning; all without it.
        pictures: a column of pictures; their bytes stay in their file.

    Raises:
        DataError: if there is no such folder or file, or if `read_file` refuses it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"no folder {folder}",
            expected="a dataset folder with interactions.parquet|csv and items.parquet|csv",
            remedy="Check the path given as `data`.",
        )
    files = find_files(folder, stem, named)
    return _read(folder, files, stem, named, columns, id_columns, wanted, pictures)


def read_file(path: str | Path, *, id_columns: tuple[str, ...]) -> pa.Table:
    """Read a file by its name, as Parquet, JSON lines or CSV, that has the id columns given.

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
    return _read(path.parent, [path], "", None, None, id_columns).table


def _read(
    folder: Path,
    files: list[Path],
    stem: str,
    named: TableFile | None,
    columns: ColumnNames | None,
    id_columns: tuple[str, ...],
    wanted: Collection[str] | None = None,
    pictures: str | None = None,
) -> FoundTable:
    """The files of a table as one, with the columns that have a meaning under their names."""
    path = files[0] if len(files) == 1 else files[0].parent
    own = as_columns(named and named.columns)
    means = (*id_columns, *(_NUMBERS if "user_id" in id_columns else ()))
    called = {ours: getattr(own, ours) or getattr(columns or own, ours) or ours for ours in means}
    numbers = [called.get(name, name) for name in _NUMBERS]
    found = read_parts(
        folder,
        files,
        named or TableFile.model_validate({"file": path.name}),
        ids=[called[name] for name in id_columns],
        numbers=numbers,
        wanted=None if wanted is None else [*called.values(), *wanted],
        pictures=pictures,
    )
    if kind_of(files[0]) == CSV and not (named and named.header):
        hint = ", or name the columns in `header` if the first line is none"
    else:
        hint = ""
    _require_names(found.names, called, id_columns, path.name, hint if stem else None)
    table = _renamed(found.table, called)
    if table.num_rows == 0:
        remedy = "Check how the file was written."
        raise DataError(f"{path} has no rows", expected="at least one row", remedy=remedy)
    for place, name in enumerate(table.column_names):
        column = _without_views(table.column(place))
        if name in id_columns and kind_of(files[0]) == CSV:
            column = plain_integers(column.combine_chunks())
        if column is not table.column(place):
            table = table.set_column(place, name, column)
    names = {ours: theirs for ours, theirs in called.items() if ours in table.column_names}
    how = {"file": str(path.relative_to(folder)), **found.how, "columns": names}
    if stem:
        said = "".join(f", {key}={value!r}" for key, value in found.how.items() if key != "format")
        said += "".join(f", {ours} from {name}" for ours, name in names.items() if ours != name)
        unread = [name for name in found.names if name not in names.values()]
        if unread and "user_id" in names:
            said += f"; not read: {', '.join(unread)}"
        logger.info("%s: %s as %s%s", stem, how["file"], found.how["format"], said)
    return replace(found, table=table, how=how)


def _require_names(
    names: list[str],
    called: Mapping[str, str],
    id_columns: tuple[str, ...],
    source: str,
    hint: str | None,
) -> None:
    """Refuse names that occur twice, that are missing, or that a known one almost is.

    `hint` is what else may be done about a column that is not there, None where no configuration
    names columns.
    """
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            f"{source} has more than one column {', '.join(repeated)}",
            expected="distinct column names",
            remedy="Rename or remove the repeats.",
        )
    # Values that nobody reads would all count.
    for name in names:
        meant = name.strip().lower()
        if called.get(meant) == meant and meant not in names and name not in called.values():
            raise DataError(
                f"{source} has a column {name!r}",
                expected=f"the name {meant!r}, without spaces and capitals",
                remedy="Rename the column"
                + ("." if hint is None else f", or set columns: {{{meant}: {name!r}}}."),
            )
    for ours, theirs in called.items():
        if theirs not in names and (ours in id_columns or ours != theirs):
            remedy = f"Rename or add the column {theirs}."
            if hint is not None:
                near = difflib.get_close_matches(ours, names, n=1, cutoff=0.4)
                remedy = f"Name it, as in columns: {{{ours}: {near[0] if near else 'NAME'}}}{hint}."
            raise DataError(
                f"{source} has the columns {', '.join(names) or 'none'}",
                expected=f"a column {theirs}",
                remedy=remedy,
            )


def _renamed(table: pa.Table, called: Mapping[str, str]) -> pa.Table:
    """The table with the columns that have a meaning under the names they have here."""
    mapped = {ours: theirs for ours, theirs in called.items() if ours != theirs}
    if not mapped:
        return table
    # What is called as one of ours and is not meant has no name left.
    kept = [n for n in table.column_names if n not in mapped and n not in mapped.values()]
    columns = {ours: table.column(theirs) for ours, theirs in mapped.items()}
    return pa.table({**columns, **{name: table.column(name) for name in kept}})


def _without_views(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text and bytes in the layout that all of Arrow's functions know."""
    if pa.types.is_string_view(column.type):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(column.type):
        return column.cast(pa.large_binary())
    return column


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
    """An id column as one int64 or string array, none of them missing or empty.

    Bytes are the text that they are in UTF-8, or else hexadecimal digits; whole decimals are
    integers.
    """
    column = decoded(require_column(table, name, source))
    if pa.types.is_decimal(column.type):
        column = _whole(column)
    elif is_bytes(column.type):
        column = _bytes_as_text(column)
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
    """The values themselves of a column of a type that stands for them.

    Such are dictionaries, as pandas stores categories, types that extend others, and views; UUIDs
    become their text.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.type == pa.uuid():
        return _distinct_as_text(column.cast(pa.binary(16)), lambda value: str(UUID(bytes=value)))
    if isinstance(column.type, pa.BaseExtensionType):
        return column.cast(column.type.storage_type)
    return _without_views(column)


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decimals as integers of 64 bits, where they are whole and fit; as text if they are larger."""
    try:
        whole = column.cast(pa.decimal256(76, 0))
    except pa.ArrowException:
        return column
    try:
        return whole.cast(pa.int64())
    except pa.ArrowException:
        return whole.cast(pa.large_string())


def _bytes_as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.large_binary()).cast(pa.large_string())
    except pa.ArrowException:
        return _distinct_as_text(column, bytes.hex)


def _distinct_as_text(column: pa.ChunkedArray, text: Callable[[bytes], str]) -> pa.ChunkedArray:
    """Each distinct value once, as text."""
    encoded = column.combine_chunks().dictionary_encode()
    distinct = [None if one is None else text(one) for one in encoded.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(distinct, pa.large_string()).take(encoded.indices)])


def number_column(table: pa.Table, name: str, source: str) -> np.ndarray:
    """A column of times as float64 seconds, finite everywhere; dates and times become seconds.

    Text counts as what it is written as: numbers, ISO 8601, or as C prints a moment with a zone,
    "Fri Nov 17 13:37:05 -0800 2017". Without a zone, a moment is in UTC.
    """
    column = decoded(require_column(table, name, source))
    if is_text(column.type):
        column = _moments(column, name, source)
    kind = column.type
    per_second = 1.0
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s")).cast(pa.int64())
    elif pa.types.is_timestamp(kind):
        per_second = _PER_SECOND[kind.unit]
        column = column.cast(pa.int64())
    else:
        column = _numbers(column, name, source)
    # Nanoseconds since 1970 need more digits than a float has; the nearest one is near enough.
    return _finite(column.cast(pa.float64(), safe=False), name, source) / per_second


def value_column(table: pa.Table, source: str) -> np.ndarray:
    """The column `value` as it is stored, finite everywhere: booleans, or numbers.

    Numbers keep their width, so that a stored 4.1 is not below 4.1; decimals and numbers written as
    text become float64.
    """
    column = decoded(require_column(table, "value", source))
    if not pa.types.is_boolean(column.type):
        column = _numbers(column, "value", source)
    return _finite(column, "value", source)


def _moments(column: pa.ChunkedArray, name: str, source: str) -> pa.ChunkedArray:
    """Text as numbers or, where it is none, as moments that are all written alike."""
    try:
        return column.cast(pa.float64())
    except pa.ArrowException:
        pass
    column = column.cast(pa.large_string())
    for kind in _MOMENTS:
        try:
            moments = column.cast(kind)
        except pa.ArrowException:
            continue
        logger.info("%s: %s is text in the form of ISO 8601", source, name)
        return moments
    try:
        moments = pc.strptime(column, format=_WITH_ZONE, unit="s")
    except pa.ArrowException:
        return column
    logger.info("%s: %s is text in the form %s", source, name, _WITH_ZONE)
    return moments


def _numbers(column: pa.ChunkedArray, name: str, source: str) -> pa.ChunkedArray:
    """Integers and floats as they are; decimals, and text that holds numbers alone, as float64."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    first = ""
    if is_text(kind):
        try:
            return column.cast(pa.float64())
        except pa.ArrowException as error:
            first = f" ({str(error).splitlines()[0]})"
    raise DataError(
        f"{source} has {name} of type {kind}{first}",
        expected="numbers" if name == "value" else "numbers, or dates and times as in ISO 8601",
        remedy=f"Convert {name}, or drop the column.",
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
