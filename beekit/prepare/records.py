"""Reading files with one record a line or row as Arrow tables of bounded size."""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

import pyarrow as pa

from beekit.errors import DataError
from beekit.prepare.lines import RawTable

# How many records become one table.
_TOGETHER = 8192
# The errors that reading a malformed record may raise.
_WRONG = (
    *(ValueError, TypeError, LookupError, AttributeError, OverflowError, SyntaxError),
    *(RecursionError, MemoryError, pa.ArrowException),  # the first two if a line nests too deep
)

# A function from a stream to records: (line number, the line itself, the record or None).
Form = Callable[[IO[bytes]], Iterator[tuple[int, str, Any]]]


@dataclass
class Records(RawTable):
    """The items, or other records, in a file, as tables.

    Attributes:
        form: `json_lines`, `python_lines`, `csv_rows()` or `separated(...)`.
        row: a function from a record to a row. A record is malformed if it raises a ValueError,
            TypeError, LookupError or AttributeError, or if the first column of the row is None.
        schema: schema of the rows.
    """

    form: Form
    row: Callable[[Any], Mapping[str, Any]]
    schema: pa.Schema

    def _tables(self, stream: IO[bytes]) -> Iterator[pa.Table]:
        numbered = self.form(stream)
        while together := list(islice(numbered, _TOGETHER)):
            table = self._table(together)
            self.malformed.rows += len(table)
            yield table

    def _table(self, numbered: list[tuple[int, str, Any]]) -> pa.Table:
        rows = []
        for number, line, record in numbered:
            try:
                row = self.row(record)
                if row[self.schema.names[0]] is None:
                    raise ValueError
            except _WRONG:
                self.malformed.add(number, line)
            else:
                rows.append((number, line, row))
        with suppress(*_WRONG):  # fails if a row has a value of another type
            return pa.Table.from_pylist([row for *_, row in rows], schema=self.schema)
        tables = [self.schema.empty_table()]
        for number, line, row in rows:
            try:
                tables.append(pa.Table.from_pylist([row], schema=self.schema))
            except _WRONG:
                self.malformed.add(number, line)
        return pa.concat_tables(tables)


def lines_of(parse: Callable[[str], Any], encoding: str = "utf-8") -> Form:
    """One record a line, read by `parse`; blank lines are skipped."""

    def read(stream: IO[bytes]) -> Iterator[tuple[int, str, Any]]:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                record = parse(line.decode(encoding))
            except _WRONG:
                record = None
            yield number, line[:400].decode(encoding, "backslashreplace"), record

    return read


json_lines = lines_of(json.loads)
python_lines = lines_of(ast.literal_eval)  # for Amazon's files of 2014; no code is run


def separated(*names: str, separator: str = "::", encoding: str = "latin-1") -> Form:
    """Fields between separators, without quotes; a record is a dict with the keys `names`."""

    def parse(line: str) -> dict[str, str]:
        return dict(zip(names, line.rstrip("\r\n").split(separator), strict=True))

    return lines_of(parse, encoding)


def csv_rows(encoding: str = "utf-8-sig") -> Form:
    """Comma-separated values with a header; a record is a dict with the names in the header."""
    return lambda stream: _csv_rows(stream, encoding)


def _csv_rows(stream: IO[bytes], encoding: str) -> Iterator[tuple[int, str, Any]]:
    with io.TextIOWrapper(stream, encoding, newline="") as text:
        rows = csv.DictReader(text, strict=True)
        before = 0
        while True:
            try:
                row = next(rows, None)
            except (csv.Error, UnicodeDecodeError) as error:
                # After text behind a closing quote the next record can be read; after any other
                # error nothing can.
                if "expected after" in str(error) and before:
                    before = rows.line_num
                    yield rows.line_num, f"({error})", None
                    continue
                raise DataError(
                    f"a table that cannot be read after line {before:,} ({error})",
                    expected=f"comma-separated {encoding} text with a header",
                    remedy="Check that it is the publisher's file and complete.",
                ) from error
            if row is None:
                return
            # A row that is too short lacks values; one that is too long has values without a name.
            whole = None not in row and None not in row.values()
            line = ",".join(map(str, row.values()))
            before = rows.line_num
            yield rows.line_num, line, row if whole else None
