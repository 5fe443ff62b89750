"""Between the caller's ids and row numbers, without a Python loop over rows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beekit.errors import DataError
from beekit.json_values import plain_integer

# Unknown ids that are compared with known ones after changes.
_TRIED = 10_000
# What Python makes of an argument's bytes that are not UTF-8; Arrow cannot hold it.
_HALF = re.compile("[\ud800-\udfff]")


def as_ids(values: Iterable[object] | np.ndarray | pa.Array | pa.ChunkedArray) -> pa.Array:
    """Any sequence of integers or strings as one int64 or large_string Arrow array.

    Raises:
        DataError: if the values are neither all integers that fit 64 bits nor all strings.
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    try:
        array = values if isinstance(values, pa.Array) else pa.array(values)
        if pa.types.is_integer(array.type):
            return array.cast(pa.int64())
        if is_text(array.type) or pa.types.is_null(array.type):
            return array.cast(pa.large_string())
        found = f"ids of type {array.type}"
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        found = f"ids that are neither all integers nor all strings ({str(error).splitlines()[0]})"
    raise DataError(
        found,
        expected="integers that fit 64 bits, or strings",
        remedy="Convert the ids to integers or strings.",
    )


def is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def to_numpy(ids: pa.Array) -> np.ndarray:
    """Ids as int64 or, for strings, an object array of `str`."""
    numpy_ids: np.ndarray = ids.to_numpy(zero_copy_only=False)
    return numpy_ids


def plain(value: object) -> int | str:
    """One id as Python's own int or str, for JSON and messages."""
    return value if isinstance(value, str) else int(value)  # type: ignore[call-overload]


def plain_integers(ids: pa.Array) -> pa.Array:
    """Text ids as int64 where every one is an integer written plainly ("12", not "012")."""
    plainly = r"^(0|-?[1-9][0-9]{0,18})$"
    if not is_text(ids.type) or not pc.all(pc.match_substring_regex(ids, plainly)).as_py():
        return ids
    try:
        return ids.cast(pa.int64())
    except pa.ArrowInvalid:  # 19 digits, and more than 64 bits
        return ids


def require_distinct(values: Iterable[object] | np.ndarray, source: str) -> None:
    """Refuse item ids that are missing or occur twice in what holds them, the source."""
    ids = as_ids(values)
    if ids.null_count:
        found = f"{source} has {ids.null_count:,} items without an id"
        raise DataError(found, expected="an item_id for every item", remedy="Remove those items.")
    counts = pc.value_counts(ids)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(repeated):
        shown = ", ".join(map(repr, repeated[:3].to_pylist()))
        found = f"{source} repeats {len(repeated):,} item ids (first: {shown})"
        raise DataError(found, expected="each item_id once", remedy="Keep one row an item.")


def encode(ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct ids, and the position of each given id among them.

    Sorting makes row numbers independent of the order of rows in a file.
    """
    if pa.types.is_integer(ids.type) and len(ids):
        numbers = ids.to_numpy()
        lowest, highest = int(numbers.min()), int(numbers.max())
        if highest - lowest < 4 * len(numbers):  # dense ids need a table, not a hash
            offsets = numbers - lowest if lowest else numbers
            present = np.zeros(highest - lowest + 1, dtype=bool)
            present[offsets] = True
            rank = np.cumsum(present, dtype=np.int32) - np.int32(1)
            return np.flatnonzero(present) + lowest, rank[offsets]
    encoded = ids.dictionary_encode()
    distinct = encoded.dictionary
    order = pc.array_sort_indices(distinct).to_numpy()
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return to_numpy(distinct.take(pa.array(order))), rank[encoded.indices.to_numpy()]


def positions(ids: pa.Array, among: np.ndarray | pa.Array) -> np.ndarray:
    """Where each id stands in `among` (distinct ids); -1 where it does not occur."""
    known = as_ids(among)
    if known.type != ids.type:
        return np.full(len(ids), -1, dtype=np.int64)
    found = pc.index_in(ids, value_set=known)
    return np.asarray(found.fill_null(-1).to_numpy(), dtype=np.int64)


def nearly(unknown: pa.Array, known: pa.Array) -> str:
    """How many distinct unknown ids were known after which changes of both sides; "" if none."""
    unknown = unknown.unique()[:_TRIED].cast(pa.large_string())
    known = known.cast(pa.large_string())

    def meeting(changes: Sequence[str]) -> int:
        one, other = unknown, known
        for name in changes:
            one, other = _CHANGES[name](one), _CHANGES[name](other)
        return int(pc.sum(pc.is_in(one, value_set=other)).as_py() or 0)

    needed = list(_CHANGES)
    most = meeting(needed)
    for name in _CHANGES if most else ():  # what is not needed for the most is left out
        fewer = [other for other in needed if other != name]
        if meeting(fewer) == most:
            needed = fewer
    return f"{most:,} of {len(unknown):,} would match after {', '.join(needed)}" if most else ""


def _replaced(ids: pa.Array, pattern: str) -> pa.Array:
    return pc.replace_substring_regex(ids, pattern, r"\1")


_CHANGES: dict[str, Callable[[pa.Array], pa.Array]] = {
    "removing blanks around ids": pc.utf8_trim_whitespace,
    "removing .0 at their end": lambda ids: _replaced(ids, r"^(-?\d+)\.0+$"),
    "removing leading zeros": lambda ids: _replaced(ids, r"^0+(.)"),
    "writing them in one Unicode form (NFC)": lambda ids: pc.utf8_normalize(ids, form="NFC"),
    "writing them in small letters": pc.utf8_lower,
}


def same_kind(one: pa.Array, other: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Ids of two tables as one type: integers only if both are."""
    if one.type == other.type:
        return one, other
    return one.cast(pa.large_string()), other.cast(pa.large_string())


def lookup(given: Sequence[object], among: np.ndarray | pa.Array) -> np.ndarray:
    """Where ids as a person writes them stand in `among`: "12" finds 12; -1 for an unknown one."""
    known = as_ids(among)
    if pa.types.is_integer(known.type):
        # Text from a command line; what is not an integer of 64 bits is none of these.
        numbers = [plain_integer(str(i)) for i in given]
        fitting = [n if n is not None and -(2**63) <= n < 2**63 else None for n in numbers]
        return positions(pa.array(fitting, pa.int64()), known)
    return positions(written(given), known)


def written(given: Iterable[object]) -> pa.Array:
    """Ids as a person writes them; null for one that holds half of a character."""
    texts = [None if _HALF.search(text) else text for text in map(str, given)]
    return pa.array(texts, pa.large_string())


def digest(*arrays: np.ndarray | pa.Array) -> str:
    """SHA-256 over arrays of integers, floats or strings, equal on any machine."""
    sha = hashlib.sha256()
    for array in arrays:
        if isinstance(array, np.ndarray) and array.dtype.kind in "iub":
            sha.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        elif isinstance(array, np.ndarray) and array.dtype.kind == "f":
            sha.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        else:
            sha.update("\x1f".join(map(str, to_numpy(as_ids(array)))).encode())
        sha.update(b"\x1e")
    return sha.hexdigest()
