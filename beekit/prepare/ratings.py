"""Files with an interaction a line, read as Arrow tables of bounded size.

Arrow alone names no line whose value it cannot convert, and pandas holds all rows. DuckDB took 2 to
2.5 times as long to read, filter and sort 20 million rows (72 s against 35 s), and its CSV reader
takes "4.5" and "1e3" for integer ids and NaN for a value, which are malformed lines here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from beekit.errors import DataError
from beekit.prepare.lines import BLOCK, Malformed, RawTable, blocks
from beekit.progress import progress_bar

_SECONDS_A_DAY = 86_400
_INTEGER = r"[ \t]*[-+]?[0-9][0-9a-fA-FxX]*[ \t]*"
_NUMBER = r"[ \t]*[-+]?[0-9.][0-9a-fA-FxX.+-]*[ \t]*"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Layout:
    """How the lines of a file are to be read; a line is a row, and nothing is quoted.

    Attributes:
        user, item: names of the columns with the ids.
        value: column of ratings; None if there is none.
        timestamp: column of times; None if there is none.
        time: "seconds" or "milliseconds" since 1970, as integers, or "date", such as 2020-09-22.
        integer_ids: ids are integers; else they are ASCII text, so that "007" stays "007".
        columns: all columns in order, for a file whose first line is a row already.
        separator: of columns; one or several characters.
    """

    user: str
    item: str
    value: str | None = None
    timestamp: str | None = None
    time: str = "seconds"
    integer_ids: bool = True
    columns: tuple[str, ...] | None = None
    separator: str = ","

    @property
    def roles(self) -> dict[str, str]:
        """What beekit calls the columns, and what the file calls them."""
        roles = ("user_id", "item_id", "value", "timestamp")
        names = (self.user, self.item, self.value, self.timestamp)
        named = zip(roles, names, strict=True)
        return {role: name for role, name in named if name is not None}


@dataclass
class RatingLines(RawTable):
    """The interactions in a file, as tables of user_id, item_id, value and timestamp (seconds).

    Arrow parses blocks of `block` bytes. Only a block with a malformed line is read line by line: a
    line counts as malformed when Arrow cannot read it alone, or when a number in it is missing or
    infinite, so that the outcome does not depend on where blocks end.
    """

    layout: Layout
    block: int = field(default=BLOCK, kw_only=True)

    def _tables(self, stream: IO[bytes]) -> Iterator[pa.Table]:
        number = 1
        parser = None if self.layout.columns is None else _Parser(self.layout, self.layout.columns)
        with progress_bar(desc=self.malformed.name, unit="row", unit_scale=True) as progress:
            for first, chunk in enumerate(blocks(stream, self.malformed.name, self.block)):
                lines = chunk.removeprefix(_BOM) if first == 0 else chunk
                if parser is None:
                    header, _, lines = lines.partition(b"\n")
                    parser = _Parser(self.layout, self._columns(header))
                    number += 1
                if not lines:
                    continue
                table = parser.parse(lines, number, self.malformed)
                number += lines.count(b"\n")
                self.malformed.rows += len(table)
                progress.update(len(table))
                yield table

    def _columns(self, header: bytes) -> tuple[str, ...]:
        text = header.decode("utf-8", "replace").rstrip("\r")
        columns = tuple(name.strip('"') for name in text.split(self.layout.separator))
        wanted = list(self.layout.roles.values())
        if not set(wanted) <= set(columns):
            raise DataError(
                f"{self.malformed.name} begins with {text[:100]!r}",
                expected=f"a header with {', '.join(wanted)}",
                remedy="Check that it is the publisher's file.",
            )
        return columns


class _Parser:
    """Turns lines into a table, however malformed some are."""

    def __init__(self, layout: Layout, columns: tuple[str, ...]) -> None:
        self.layout = layout
        self.separator = layout.separator.encode()
        # Arrow wants one character; no file of numbers and ids has this one.
        self.delimiter = self.separator if len(self.separator) == 1 else b"\x1f"
        delimiter = re.escape(self.delimiter.decode())
        other = rf"[^{delimiter}\r]"
        # A type, and a pattern that lets through whatever Arrow reads as that, and little else.
        one_id = (pa.int64(), _INTEGER) if layout.integer_ids else (pa.string(), f"{other}+")
        time = (pa.date32(), _DATE) if layout.time == "date" else (pa.int64(), _INTEGER)
        value = (pa.float32(), _NUMBER)
        kinds = {"user_id": one_id, "item_id": one_id, "value": value, "timestamp": time}
        wanted = {name: kinds[role] for role, name in layout.roles.items()}
        self.types = {name: kind for name, (kind, _) in wanted.items()}
        patterns = (wanted[name][1] if name in wanted else f"{other}*" for name in columns)
        self.plausible = rf"\A{delimiter.join(patterns)}\r?\z"
        self.read = pacsv.ReadOptions(column_names=list(columns))
        self.parse_options = pacsv.ParseOptions(
            delimiter=self.delimiter.decode(), quote_char=False, double_quote=False
        )
        self.convert = pacsv.ConvertOptions(
            column_types=self.types, include_columns=list(self.types), strings_can_be_null=False
        )

    def parse(self, lines: bytes, number: int, malformed: Malformed) -> pa.Table:
        """The rows in `lines`, whose first has the number given; the others go to `malformed`."""
        if self.delimiter != self.separator:
            lines = lines.replace(self.separator, self.delimiter)
        table = self._read(lines)
        return self._parse_singly(lines, number, malformed) if table is None else table

    def _read(self, lines: bytes) -> pa.Table | None:
        """The table, or None if a row is not as it must be."""
        try:
            raw = pacsv.read_csv(
                pa.BufferReader(lines),
                read_options=self.read,
                parse_options=self.parse_options,
                convert_options=self.convert,
            )
        except pa.ArrowInvalid:
            return None
        table = pa.table({role: raw[name] for role, name in self.layout.roles.items()})
        return self._in_seconds(table) if _sound(table) else None

    def _in_seconds(self, table: pa.Table) -> pa.Table:
        if "timestamp" not in table.column_names or self.layout.time == "seconds":
            return table
        time = table["timestamp"]
        if self.layout.time == "date":
            time = pc.multiply(time.cast(pa.int32()).cast(pa.int64()), _SECONDS_A_DAY)
        else:
            time = pc.divide(time.cast(pa.float64(), safe=False), 1000.0)
        return table.set_column(table.column_names.index("timestamp"), "timestamp", time)

    def _parse_singly(self, lines: bytes, number: int, malformed: Malformed) -> pa.Table:
        each = pa.array(lines.removesuffix(b"\n").split(b"\n"), pa.binary())
        plausible = pc.match_substring_regex(each, self.plausible).to_numpy(zero_copy_only=False)
        blank = pc.match_substring_regex(each, r"\A\r?\z").to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(~plausible & ~blank).tolist()
        empty = {role: pa.array([], self.types[name]) for role, name in self.layout.roles.items()}
        tables = [self._in_seconds(pa.table(empty))]

        def read(rows: np.ndarray) -> None:
            table = self._read(b"\n".join(each.take(pa.array(rows)).to_pylist()))
            if table is not None:
                tables.append(table)
            elif len(rows) == 1:
                wrong.append(int(rows[0]))
            else:
                read(rows[: len(rows) // 2])
                read(rows[len(rows) // 2 :])

        candidates = np.flatnonzero(plausible & ~blank)
        if len(candidates):
            read(candidates)
        for row in sorted(wrong):
            line = each[row].as_py().replace(self.delimiter, self.separator)
            malformed.add(number + row, line)
        return pa.concat_tables(tables)


def _sound(table: pa.Table) -> bool:
    """Nothing missing, numbers finite, and ids of text plain and not empty."""
    if any(column.null_count for column in table.columns):
        return False
    if "value" in table.column_names and not pc.all(pc.is_finite(table["value"])).as_py():
        return False
    texts = [table[name] for name in ("user_id", "item_id") if pa.types.is_string(table[name].type)]
    return not len(table) or all(
        pc.all(pc.string_is_ascii(text)).as_py() and pc.min(pc.binary_length(text)).as_py() > 0
        for text in texts
    )
