"""Reading JSON lines: one object a line, of which only the keys that are wanted are kept."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from beekit.data.csv_table import damaged, encoding_of, opened, reason
from beekit.errors import DataError

_ROWS = 20_000  # of a chunk
_Rows = list[dict[str, Any]]


def read_json_lines(
    paths: Sequence[Path], encoding: str | None, wanted: Collection[str] | None
) -> tuple[pa.Table, dict[str, Any]]:
    """The keys `wanted` (all without it) of the objects of files, and how they were read; under
    `keys`, those of the first objects.

    Read are JSON lines, a list of objects, and lines as Python prints dictionaries. A column whose
    values are of several types is text: lists joined by commas, the rest as it is written.

    Raises:
        DataError: if a line is no object, or if a file cannot be decompressed or decoded.
    """
    how: dict[str, Any] = {"format": "JSON lines"}
    chunks: list[dict[str, pa.Array]] = []
    sizes: list[int] = []
    names: dict[str, None] = {}
    keys: dict[str, None] = {}
    mixed: set[str] = set()
    for path in paths:
        rows = _rows(path, encoding, how)
        while part := list(islice(rows, _ROWS)):
            keys.update({} if keys else dict.fromkeys(key for row in part for key in row))
            part = [_kept(row, wanted) for row in part]
            names.update(dict.fromkeys(name for row in part for name in row))
            sizes.append(len(part))
            chunks.append({})
            for name in names:
                chunks[-1][name], several = _column([row.get(name) for row in part])
                mixed.update([name] if several else [])
    columns = {}
    for name in names:
        parts = [chunk.get(name, pa.nulls(size)) for chunk, size in zip(chunks, sizes, strict=True)]
        columns[name], several = _joined(parts)
        mixed.update([name] if several else [])
    if mixed:
        how["read_as_text"] = sorted(mixed)
    return pa.table(columns), {**how, "keys": list(keys)}


def _rows(path: Path, encoding: str | None, how: dict[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        with opened(path) as raw:
            begin = raw.read(4)
        with opened(path) as raw:
            name = encoding_of(path, begin, encoding)
            how["encoding"] = name.removesuffix("-sig")
            yield from _objects(path, io.TextIOWrapper(raw, encoding=name), how)
    except UnicodeError as error:
        raise DataError(
            f"{path} is not {how['encoding']} text ({reason(error)})",
            expected="UTF-8 text",
            remedy="Name its encoding beside the file, such as encoding: latin-1.",
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, error) from error


def _kept(row: dict[str, Any], wanted: Collection[str] | None) -> dict[str, Any]:
    return row if wanted is None else {name: row[name] for name in wanted if name in row}


def _objects(path: Path, file: Iterable[str], how: dict[str, Any]) -> Iterator[dict[str, Any]]:
    parse: Callable[[str], Any] = json.loads
    first = True
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        begins, first = first, False
        if begins and line.lstrip().startswith("["):
            how["format"] = "JSON list"
            yield from _list(path, line + "".join(file))
            return
        if begins and line.startswith("{'"):
            how["format"], parse = "lines of Python dictionaries", ast.literal_eval
        try:
            row = parse(line)
        except (ValueError, SyntaxError, RecursionError) as error:
            raise _no_object(path, f"line {number:,}: {reason(error)}") from error
        if not isinstance(row, dict):
            raise _no_object(path, f"line {number:,}: {type(row).__name__}")
        yield row


def _list(path: Path, text: str) -> _Rows:
    try:
        rows: _Rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_object(path, reason(error)) from error
    if not all(isinstance(row, dict) for row in rows):
        raise _no_object(path, "a list of something else")
    return rows


def _no_object(path: Path, found: str) -> DataError:
    found = f"{path} cannot be read as JSON lines ({found})"
    return DataError(found, expected="an object a line", remedy="Repair that line.")


def _column(values: list[Any]) -> tuple[pa.Array, bool]:
    """Values as one array, and whether it is text because their types differ."""
    try:
        try:
            return pa.array(values), False
        except (pa.ArrowException, OverflowError):
            return pa.array(map(as_text, values), pa.large_string()), True
    except UnicodeEncodeError as error:
        found = "half of a character (a lone surrogate) in a JSON text"
        raise DataError(found, expected="text", remedy="Remove it.") from error


def _joined(parts: list[pa.Array]) -> tuple[pa.ChunkedArray, bool]:
    """Parts of a column as one, and whether it is text because their types differ."""
    schemas = [pa.schema([("", part.type)]) for part in parts]
    try:
        kind = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
        return pa.chunked_array([part.cast(kind) for part in parts], kind), False
    except pa.ArrowException:
        kind = pa.large_string()
        texts = [pa.array(map(as_text, part.to_pylist()), kind) for part in parts]
        return pa.chunked_array(texts, kind), True


def as_text(value: Any) -> str | None:
    """A value as a reader would write it; the entries of a list one after the other."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(as_text, value)))
    return str(value) if not isinstance(value, bool | dict) else json.dumps(value, default=str)
