"""Columns of a table as checked arrays: ids, values and times, of whatever type they are stored."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beekit.data.ids import as_ids, is_text
from beekit.errors import DataError

logger = logging.getLogger(__name__)

_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
# Moments as text: of ISO 8601 without and with a zone, and as C prints them.
_MOMENTS = [pa.timestamp(unit, zone) for unit in ("us", "ns") for zone in (None, "UTC")]
_WITH_ZONE = "%a %b %d %H:%M:%S %z %Y"


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
    return without_views(column)


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
        remedy=f"Convert {name}, say how the file writes it (`decimal`), or drop the column.",
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


def without_views(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text and bytes in the layout that all of Arrow's functions know."""
    if pa.types.is_string_view(column.type):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(column.type):
        return column.cast(pa.large_binary())
    return column


def is_bytes(kind: pa.DataType) -> bool:
    t = pa.types
    checks = (t.is_binary, t.is_large_binary, t.is_binary_view, t.is_fixed_size_binary)
    return any(check(kind) for check in checks)
