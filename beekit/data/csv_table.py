"""Reading CSV in any of its dresses: separators, encodings, quotes, compression, no header."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from beekit.data.csv_check import CsvSigns, inspect_csv, ragged_line
from beekit.data.table_file import TableFile
from beekit.errors import DataError

_BLOCK = 1 << 20
_SEPARATORS = (",", ";", "\t", "|", "::")
# Stands for a separator of several characters; ASCII has it for just this.
_UNIT = "\x1f"
# With what a file may begin that says how it is encoded; UTF-32 before UTF-16, which is like it.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What `opened` decompresses: by the first bytes of a file, whatever its name ends with.
PACKED = (".gz", ".bz2", ".zst")
_PACKED_MARKS = {
    "gzip": rb"\x1f\x8b",
    "zstd": rb"\x28\xb5\x2f\xfd",
    "bz2": rb"BZh[1-9](1AY&SY|\x17rE8P\x90)",
}
# Characters of a library's message that a line has room for.
_SHOWN = 200


def read_csv(
    path: Path, keys: TableFile, ids: Collection[str], numbers: Collection[str]
) -> tuple[pa.Table, dict[str, Any]]:
    """A CSV file as the text it holds, and how it was read.

    Only the columns `numbers` become numbers or dates. `ids` are the columns it has to have, by
    which its separator is known.

    Raises:
        DataError: if the file can be read in several ways, or in none.
    """
    data, encoding = _utf8(path, keys.encoding)
    if not len(data):
        remedy = "Check how the file was written."
        raise DataError(f"{path} is empty", expected="a header line and rows", remedy=remedy)
    separator = keys.separator or _separator(path, data, keys, ids)
    several = len(separator) > 1
    if several:
        content = data.tobytes()
        if _UNIT.encode() in content:
            found, expected = f"{path} holds the sign {_UNIT!r}", "columns with one separator"
            raise DataError(found, expected=expected, remedy="Write the file with commas.")
        data = np.frombuffer(content.replace(separator.encode(), _UNIT.encode()), np.uint8)
    quote = None if several else keys.quote
    header = None if keys.header is None else tuple(keys.header)
    signs = CsvSigns(_UNIT if several else separator, quote, keys.escape, header)
    text = inspect_csv(path, data, signs)
    types = {name: pa.large_string() for name in text.names if name not in numbers}
    # An empty field is an empty text, but a missing number.
    options = pacsv.ConvertOptions(
        column_types=types, strings_can_be_null=False, decimal_point=keys.decimal
    )
    parse = pacsv.ParseOptions(
        delimiter=signs.separator,
        quote_char=quote or False,
        escape_char=keys.escape or False,
        newlines_in_values=quote is not None,
    )
    # A line must not reach over more than two blocks.
    read = pacsv.ReadOptions(
        block_size=max(_BLOCK, text.longest + 2),
        column_names=text.names if keys.header else None,
    )
    try:
        table = pacsv.read_csv(pa.BufferReader(pa.py_buffer(data)), read, parse, options)
    except pa.ArrowException as error:
        line = ragged_line(data, text)
        where = "" if line is None else f"line {line:,}: "
        raise DataError(
            f"{path} cannot be read as CSV ({where}{reason(error)})",
            expected="text with a header line, and as many fields in each",
            remedy="Repair the line named, or write Parquet.",
        ) from error
    text.require_whole(table, ids)
    how = {"format": "CSV", "separator": separator, "encoding": encoding, "quote": quote}
    if keys.escape is not None:
        how["escape"] = keys.escape
    if keys.decimal != ".":
        how["decimal"] = keys.decimal
    return table, {**how, "header": "in the file" if keys.header is None else "given"}


def opened(path: Path) -> pa.NativeFile:
    """A file for reading, decompressed if it begins as gzip, bzip2 or zstandard do."""
    return pa.input_stream(str(path), compression=_packed(path))


def _packed(path: Path) -> str | None:
    with path.open("rb") as file:
        begin = file.read(10)
    return next((kind for kind, mark in _PACKED_MARKS.items() if re.match(mark, begin)), None)


def reason(error: Exception) -> str:
    """The first line of a library's message."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= _SHOWN else f"{lines[0][:_SHOWN]}..."


def encoding_of(path: Path, begin: bytes, given: str | None) -> str:
    """The encoding given, or that of the mark with which a file begins; UTF-8 without one."""
    marked = next((name for mark, name in _MARKS.items() if begin.startswith(mark)), None)
    if given is None or marked is None:
        return given or marked or "utf-8"
    if codecs.lookup(given).name.split("-sig")[0].startswith(marked.removesuffix("-sig")):
        return marked
    found = f"{path} begins with the mark of {marked}, and encoding={given}"
    raise DataError(found, expected="one of the two", remedy="Remove `encoding`.")


def _utf8(path: Path, given: str | None) -> tuple[np.ndarray, str]:
    """The file's text as UTF-8 (uint8), and the encoding it was written in."""
    data = np.empty(0, np.uint8)
    if path.stat().st_size and _packed(path) is None:
        data = np.memmap(path, dtype=np.uint8, mode="r")
    elif path.stat().st_size:
        try:
            with opened(path) as file:
                data = np.frombuffer(file.read(), np.uint8)
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, error) from error
    encoding = encoding_of(path, bytes(data[:4]), given)
    if encoding == "utf-8-sig" or codecs.lookup(encoding).name == "utf-8":
        return data, "utf-8"
    try:
        return np.frombuffer(data.tobytes().decode(encoding).encode(), np.uint8), encoding
    except UnicodeError as error:
        raise DataError(
            f"{path} is not {encoding} text ({reason(error)})",
            expected=f"{encoding} text",
            remedy="Name its encoding beside the file, such as encoding: cp1252.",
        ) from error


def damaged(path: Path, error: Exception) -> DataError:
    """What is said of a file that cannot be decompressed."""
    found = f"{path} cannot be decompressed ({reason(error)})"
    return DataError(found, expected="a whole file", remedy="Copy or download it again.")


def _separator(path: Path, data: np.ndarray, keys: TableFile, ids: Collection[str]) -> str:
    """The one separator with which the first line has the columns that it has to have.

    Where none has, what is wrong are the names: that line is split as it most likely is.
    """
    head = bytes(data[: 1 << 20]).decode("utf-8-sig", errors="replace")
    line = next((line for line in re.split(r"[\r\n]+", head) if line.strip()), "")
    there = [sign for sign in _SEPARATORS if sign in line]
    fields = {sign: _split(line, sign, keys) for sign in there}
    if keys.header is None:
        fitting = [sign for sign in there if ids and set(ids) <= set(fields[sign])]
        if not fitting and "," in there:
            return ","
    else:
        fitting = [sign for sign in there if len(fields[sign]) >= len(keys.header)]
    likely = fitting or there
    if "::" in likely and len(likely) > 1:
        whole = [sign for sign in likely if len(fields[sign]) == len(keys.header or ())]
        likely = whole if len(whole) == 1 else likely
    if len(likely) > 1:
        raise DataError(
            f"the first line of {path} can be split by {' and by '.join(map(repr, likely))}",
            expected="one separator that fits",
            remedy=f'Name it beside the file, such as separator: "{likely[-1]}".',
        )
    return likely[0] if likely else ","


def _split(line: str, separator: str, keys: TableFile) -> list[str]:
    if len(separator) > 1:
        return line.split(separator)
    signs = CsvSigns(separator, keys.quote, keys.escape)
    try:
        return next(csv.reader([line], **signs.python), [])
    except csv.Error:
        return [line]
