"""Whether a CSV file says one thing only, looked at before Arrow reads it.

Arrow reads much that is no CSV without a word: after an unclosed quote the rest of the file is one
field, and text behind a closing quote is glued on. So the bytes are looked at first: encoding, line
ends, and each quote, which must open a field, close it, or be doubled inside it (RFC 4180), or
stand behind the escape sign, where there is one. A quote in the middle of a field that did not
begin with one is taken for itself, as all readers do.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beekit.errors import DataError

_BLOCK = 16 << 20
_BACKSLASH, _LF, _CR = (ord(c) for c in "\\\n\r")
_SPACES = (ord(" "), ord("\t"))
_BOM = codecs.BOM_UTF8
_ENCODING = "Name its encoding beside the file, such as encoding: latin-1 or utf-16."
_QUOTES = (
    'Repair that line, or say beside the file what its quotes mean: escape: "\\\\" if a backslash '
    "stands before those inside a field, quote: null if they mean nothing."
)
# As many lines inside quotes are compared with rows; more are prose.
_COMPARED = 100_000


@dataclass(frozen=True)
class CsvSigns:
    """The signs of a CSV file, one ASCII character each, and its columns where it names none."""

    separator: str = ","
    quote: str | None = '"'
    escape: str | None = None
    header: tuple[str, ...] | None = None

    @property
    def ends(self) -> tuple[int, ...]:
        """What ends a field."""
        return (ord(self.separator), _LF, _CR)

    @property
    def python(self) -> dict[str, Any]:
        """The same for Python's reader."""
        quoting = csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL
        signs = {"delimiter": self.separator, "escapechar": self.escape, "quoting": quoting}
        return signs if self.quote is None else {**signs, "quotechar": self.quote}


@dataclass(frozen=True)
class CsvText:
    """What the bytes of a CSV file say by themselves."""

    path: Path
    signs: CsvSigns
    names: list[str]  # of the columns
    rows: int  # lines, less the header, that are neither blank nor inside quotes
    longest: int  # bytes of the longest of them
    # Of each quoted field all of whose lines hold as many fields as a row does: the number of the
    # first line that begins inside it, from 1, and the texts of these lines.
    inside: list[tuple[int, list[str]]]

    def require_whole(self, table: pa.Table, id_columns: Collection[str]) -> None:
        """Refuse a table with other rows than the file has, and one that has rows inside a field.

        The latter happens where a quote was left open and another closed it. A text may contain one
        line that looks like a row. Refused is a field of at least two lines that all look like
        rows: as many fields, none after a space, ids of the usual form and length; in a table with
        one id column also ids that no row has and that differ.
        """
        if table.num_rows != self.rows:
            raise DataError(
                f"{self.path} has {self.rows:,} rows, of which {table.num_rows:,} can be read",
                expected="a row a line",
                remedy="Write the file again, or as Parquet.",
            )
        if not self.inside or not id_columns or not set(id_columns) <= set(table.column_names):
            return
        quote = str(self.signs.quote)
        lines = [line.split(self.signs.separator) for _, field in self.inside for line in field]
        sizes = [len(field) for _, field in self.inside]
        suspect = np.array(
            [len(row) == len(self.names) and not any(c[:1] == " " for c in row) for row in lines]
        )
        for name in id_columns:
            place = self.names.index(name)
            cells = [
                row[place].strip(f"{self.signs.quote}\r") if len(row) > place else ""
                for row in lines
            ]
            found, written = pa.array(cells, pa.large_string()), table.column(name)
            length, lengths = pc.utf8_length(found), pc.min_max(pc.utf8_length(written))
            for holds in (
                pc.is_in(_shapes(found), value_set=_shapes(written.unique()).unique()),
                pc.greater_equal(length, lengths["min"]),
                pc.less_equal(length, lengths["max"]),
            ):
                suspect &= pc.fill_null(holds, False).to_numpy(zero_copy_only=False)
            if len(id_columns) == 1:
                known = pc.is_in(found, value_set=written.combine_chunks())
                # An id behind the field is that of its own row.
                own = np.array([any(quote in cell for cell in row[:place]) for row in lines])
                suspect &= own | ~known.to_numpy(zero_copy_only=False)
                field_of = np.repeat(np.arange(len(sizes)), sizes).tolist()
                first: dict[tuple[int, str], int] = {}
                for line, cell in enumerate(zip(field_of, cells, strict=True)):
                    suspect[line] &= first.setdefault(cell, line) == line
        rows = np.logical_and.reduceat(suspect, np.cumsum([0, *sizes[:-1]]))
        if rows.any():
            raise _unclear(
                self.path,
                self.inside[int(np.argmax(rows))][0],
                "a row inside a quoted field",
                remedy="Close the quote in a line above it, or write the table as Parquet.",
            )


def inspect_csv(path: Path, data: np.ndarray, signs: CsvSigns) -> CsvText:
    """Look at every byte (uint8) of the UTF-8 text of a CSV file; what is refused is named with
    its line."""
    start = len(_BOM) if bytes(data[: len(_BOM)]) == _BOM else 0
    _require_utf8(path, data)
    opens, closes = _quoted_fields(path, data, start, signs)
    feeds, returns = _positions(data, _LF), _positions(data, _CR)
    outer = _outside(feeds, opens, closes)
    alone = _outside(returns[_at(data, returns + 1) != _LF], opens, closes)
    if len(alone) and len(outer):
        line = _line(data, int(alone[0]))
        raise _unclear(path, line, "a carriage return in the middle", "line ends")
    ends = outer if len(outer) else alone
    starts = np.concatenate([[start], ends + 1])
    stops = np.concatenate([ends, [len(data)]])
    full = np.flatnonzero(stops - starts > (_at(data, stops - 1) == _CR))
    first = bytes(data[starts[full[0]] : stops[full[0]]]) if len(full) else b""
    names = _names(path, first, signs)
    inside = _like_rows(data, feeds, opens, closes, len(names), signs)
    rows = len(full) - (signs.header is None)
    return CsvText(path, signs, names, rows, int((stops - starts).max()), inside)


def ragged_line(data: np.ndarray, text: CsvText) -> int | None:
    """The first line, from 1, with another number of fields, if Python's reader can tell it."""
    file = io.TextIOWrapper(io.BytesIO(data.tobytes()), encoding="utf-8-sig", newline="")
    rows = csv.reader(file, **text.signs.python)
    try:
        return next((rows.line_num for row in rows if len(row) not in (0, len(text.names))), None)
    except csv.Error:  # a field of more than 128 kB
        return None


def _require_utf8(path: Path, data: np.ndarray) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for begin in range(0, len(data), _BLOCK):
        block = data[begin : begin + _BLOCK]
        nulls = np.flatnonzero(block == 0)
        if len(nulls):
            line = _line(data, begin + int(nulls[0]))
            raise _unclear(path, line, "a NUL byte", "UTF-8 text", _ENCODING)
        pending = len(decoder.getstate()[0])
        if not pending and int(block.max()) < 128:
            continue
        try:
            decoder.decode(bytes(block), final=begin + _BLOCK >= len(data))
        except UnicodeDecodeError as error:
            line = _line(data, begin - pending + error.start)
            raise _unclear(path, line, "invalid UTF8", "UTF-8 text", _ENCODING) from error


def _quoted_fields(
    path: Path, data: np.ndarray, start: int, signs: CsvSigns
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the quotes that open a field and of those that close it, ascending.

    Where all quotes stand as RFC 4180 has it, a doubled quote closes and opens.
    """
    if signs.quote is None:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    quote, line_or_field = ord(signs.quote), signs.ends
    at = _positions(data, quote)
    if signs.escape is not None:
        at = at[~_escaped(data, at, ord(signs.escape))]
    before, after = _at(data, at - 1), _at(data, at + 1)
    before[at == start] = _LF
    unescaped = _BACKSLASH if signs.escape is None else -1
    if len(at) % 2 == 0:
        beside = np.concatenate([before[0::2], after[1::2]])
        if np.isin(beside, (*line_or_field, quote)).all() and not (before[1::2] == unescaped).any():
            return at[0::2], at[1::2]
    fields: list[tuple[int, int]] = []
    opened, doubled, found = -1, False, ""
    for place, left, right in zip(at.tolist(), before.tolist(), after.tolist(), strict=True):
        if doubled:  # this one is the second of the two
            doubled = False
        elif left == unescaped:
            found = "a quote behind a backslash"
        elif opened >= 0 and right == quote:
            doubled = True
        elif opened >= 0 and right in line_or_field:
            fields.append((opened, place))
            opened = -1
        elif opened >= 0:
            line = _line(data, opened)
            found = f"text behind the quote that closes a field of line {line:,}"
        elif left in line_or_field:
            opened = place
        elif left in _SPACES and _begins_field(data, start, place, line_or_field):
            found = "a space before the quote that opens a field"
        if found:
            raise _unclear(path, _line(data, place), found, remedy=_QUOTES)
    if opened >= 0:
        raise _unclear(path, _line(data, opened), "a quote that is never closed", remedy=_QUOTES)
    pairs = np.array(fields, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _escaped(data: np.ndarray, places: np.ndarray, escape: int) -> np.ndarray:
    """Whether an odd number of escape signs stands before each place."""
    odd = np.zeros(len(places), dtype=bool)
    left = np.flatnonzero(_at(data, places - 1) == escape)
    behind = 2
    while len(left):
        odd[left] = ~odd[left]
        left = left[_at(data, places[left] - behind) == escape]
        behind += 1
    return odd


def _begins_field(data: np.ndarray, start: int, place: int, ends: tuple[int, ...]) -> bool:
    """Whether nothing but spaces stands between the beginning of a field and this place."""
    while place > start and data[place - 1] in _SPACES and data[place - 1] not in ends:
        place -= 1
    return place == start or data[place - 1] in ends


def _names(path: Path, line: bytes, signs: CsvSigns) -> list[str]:
    """The columns' names: those of the first line, or those given, the others by their place."""
    text = line.decode("utf-8-sig")
    try:
        fields = next(csv.reader([text.rstrip("\r")], **signs.python), [])
    except csv.Error as error:  # a name of more than 128 kB
        raise DataError(
            f"the first line of {path} cannot be read as a header ({error})",
            expected="the names of the columns, separated by commas",
            remedy="Check how the file was written.",
        ) from error
    if signs.header is None:
        return fields
    if len(signs.header) > len(fields):
        raise DataError(
            f"{path} has {len(fields):,} columns, and `header` names {len(signs.header):,}",
            expected="at most a name a column",
            remedy="Check `header` and `separator`.",
        )
    further = range(len(signs.header) + 1, len(fields) + 1)
    return [*signs.header, *(f"column_{place}" for place in further)]


def _like_rows(
    data: np.ndarray,
    feeds: np.ndarray,
    opens: np.ndarray,
    closes: np.ndarray,
    columns: int,
    signs: CsvSigns,
) -> list[tuple[int, list[str]]]:
    """Quoted fields of three lines or more, each like a row: see `CsvText.inside`.

    A field with a doubled quote inside it is left out: whoever wrote it knew how to quote.
    """
    if not len(opens):
        return []
    quote = ord(str(signs.quote))
    begins = np.flatnonzero(~np.isin(feeds, _outside(feeds, opens, closes), assume_unique=True))
    if not len(begins):
        return []
    within = np.searchsorted(opens, feeds[begins]) - 1
    fields, first, lines = np.unique(within, return_index=True, return_counts=True)
    quotes = _positions(data, quote)
    between = np.searchsorted(quotes, closes[fields]) - np.searchsorted(quotes, opens[fields])
    beside = (_at(data, opens[fields] - 1) == quote) | (_at(data, closes[fields] + 1) == quote)
    commas = _positions(data, ord(signs.separator))
    one_line = np.ones(len(opens), dtype=bool)
    one_line[fields] = False
    commas = _outside(commas, opens[one_line], closes[one_line])
    ends = np.append(feeds, len(data))
    starts = np.concatenate([[-1], feeds])
    counts = np.searchsorted(commas, ends) - np.searchsorted(commas, starts)
    like_row = counts == columns - 1  # of each line, the first of the file being 0
    swallowed = np.logical_and.reduceat(like_row[begins + 1], first)
    swallowed &= like_row[begins[first]] & (lines > 1) & (between == 1) & ~beside
    chosen: list[tuple[int, list[str]]] = []
    left = _COMPARED
    for field in np.flatnonzero(swallowed):
        left -= int(lines[field])
        if left < 0 and chosen:
            break
        line = int(begins[first[field]]) + 1
        own = range(line, line + int(lines[field]))
        texts = [bytes(data[starts[n] + 1 : ends[n]]).decode("utf-8") for n in own]
        chosen.append((line + 1, texts))
    return chosen


def _shapes(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """How ids are written: runs of digits, capitals and small letters, and all else as it is."""
    for pattern, sign in ((r"[0-9]+", "0"), (r"\p{Lu}+", "A"), (r"\p{Ll}+", "a")):
        texts = pc.replace_substring_regex(texts, pattern, sign)
    return texts


def _positions(data: np.ndarray, byte: int) -> np.ndarray:
    """Where a byte stands, ascending."""
    blocks = range(0, len(data), _BLOCK)
    return np.concatenate([np.flatnonzero(data[b : b + _BLOCK] == byte) + b for b in blocks])


def _at(data: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The bytes there; beyond the ends of the file, a line feed."""
    within = (places >= 0) & (places < len(data))
    found = np.full(len(places), _LF, dtype=np.uint8)
    found[within] = data[places[within]]
    return found


def _outside(places: np.ndarray, opens: np.ndarray, closes: np.ndarray) -> np.ndarray:
    """Those of the places that are in no quoted field."""
    if not len(opens) or not len(places):
        return places
    field = np.searchsorted(opens, places) - 1
    return places[(field < 0) | (closes[field] < places)]


def _line(data: np.ndarray, place: int) -> int:
    """The number of the line, from 1, that a byte is in."""
    above = data[:place]
    feeds = int(np.count_nonzero(above == _LF))
    return 1 + (feeds or int(np.count_nonzero(above == _CR)))


def _unclear(
    path: Path,
    line: int,
    found: str,
    expected: str = "a quote at both ends of a field",
    remedy: str = "Repair that line, or write the table as Parquet.",
) -> DataError:
    found = f"{path} cannot be read as CSV (line {line:,}: {found})"
    return DataError(found, expected=expected, remedy=remedy)
