"""Reading lines of large text files in blocks, and counting malformed lines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import pyarrow as pa

from beekit.errors import DataError
from beekit.prepare.raw import RawFile

BLOCK = 16 << 20
# A file with a longer line than this is no text file of lines.
_LONGEST_LINE = 64 << 20
_QUOTED = 3
_QUOTED_LENGTH = 100


@dataclass
class Malformed:
    """The malformed lines of a file; they are skipped if they are at most a certain share.

    Attributes:
        name: name of the file.
        limit: share of lines that may be malformed.
        rows: number of lines that could be read.
        count: number of malformed lines.
        examples: the first malformed lines with their line numbers, counted from 1.
    """

    name: str
    limit: float = 0.01
    rows: int = 0
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, number: int, line: bytes | str) -> None:
        """Count the malformed line `number`."""
        self.count += 1
        if len(self.examples) < _QUOTED:
            text = line.decode("utf-8", "backslashreplace") if isinstance(line, bytes) else line
            text = text.rstrip("\r\n")
            cut = text if len(text) <= _QUOTED_LENGTH else text[:_QUOTED_LENGTH] + "..."
            self.examples.append(f"line {number:,}: {cut!r}")

    def require_few(self) -> None:
        """Check the counts at the end of the file.

        Raises:
            DataError: if no row could be read, or if too many lines are malformed.
        """
        total = self.rows + self.count
        if total == 0:
            raise DataError(
                f"{self.name} has no rows",
                expected="the publisher's file",
                remedy="Check that it is the publisher's file and complete.",
            )
        if self.count > self.limit * total or self.rows == 0:
            raise DataError(
                f"{self.name} has {self.count:,} malformed lines of {total:,} "
                f"({'; '.join(self.examples)})",
                expected=f"at most {self.limit:.0%} malformed lines",
                remedy="Check the file, or allow more with --max-malformed.",
            )

    def describe(self) -> dict[str, Any]:
        """The entry in the manifest."""
        return {"rows": self.rows, "malformed": self.count, "first_malformed": self.examples}


@dataclass
class RawTable(ABC):
    """A raw file whose lines become tables, in the order of the file; it can be read once.

    Attributes:
        raw: the file.
        member: for a zip archive, the path of the file inside.
        limit: share of lines that may be malformed.
        malformed: the malformed lines, after all lines have been read.
    """

    raw: RawFile
    member: str | None = field(default=None, kw_only=True)
    limit: float = field(default=0.01, kw_only=True)
    malformed: Malformed = field(init=False)

    def __post_init__(self) -> None:
        self.malformed = Malformed(self.member or self.raw.path.name, self.limit)

    def __iter__(self) -> Iterator[pa.Table]:
        with self.raw.open(self.member) as stream:
            yield from filter(len, self._tables(stream))
        self.malformed.require_few()

    @abstractmethod
    def _tables(self, stream: IO[bytes]) -> Iterator[pa.Table]:
        """Tables of the rows that can be read; rows and malformed lines are counted."""


def blocks(stream: IO[bytes], name: str, size: int = BLOCK) -> Iterator[bytes]:
    """Blocks of about `size` bytes, each of which ends at the end of a line."""
    rest = b""
    while chunk := stream.read(size):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield rest + chunk[:end]
            rest = chunk[end:]
        else:
            rest += chunk
        if len(rest) > _LONGEST_LINE:
            raise DataError(
                f"{name} has a line of more than {_LONGEST_LINE:,} bytes",
                expected="a text file of lines",
                remedy="Check that it is the publisher's file and complete.",
            )
    if rest:
        yield rest
