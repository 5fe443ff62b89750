"""Lines of large text files, a block of them at a time, and the malformed among them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import pyarrow as pa

from beekit.errors import DataError
from beekit.prepare.raw import RawFile

BLOCK = 16 << 20
# A line longer than this is none: the file is not what its name says.
_LONGEST_LINE = 64 << 20
_QUOTED = 3
_QUOTED_LENGTH = 100


@dataclass
class Malformed:
    """The lines of one file that cannot be read, which are skipped up to a share of all.

    Attributes:
        name: of the file.
        limit: share of lines that may be malformed.
        rows: lines that could be read.
        count: lines that could not.
        examples: the first of these, with their numbers, counted from 1.
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
        """At the end of the file: refuse one without rows that could be read, and too many lost."""
        total = self.rows + self.count
        if total == 0:
            raise DataError(
                f"{self.name} has no rows",
                expected="the publisher's file",
                remedy="Check that it is the publisher's file, and whole.",
            )
        if self.count > self.limit * total or self.rows == 0:
            raise DataError(
                f"{self.name} has {self.count:,} malformed lines of {total:,} "
                f"({'; '.join(self.examples)})",
                expected=f"at most {self.limit:.0%}",
                remedy="Check the file, or allow for more with --max-malformed.",
            )

    def describe(self) -> dict[str, Any]:
        """For the manifest."""
        return {"rows": self.rows, "malformed": self.count, "first_malformed": self.examples}


@dataclass
class RawTable(ABC):
    """A raw file whose lines become tables, in the file's order, which can be read once.

    Attributes:
        raw: the file.
        member: the path inside, where the file is a zip archive.
        limit: share of malformed lines that is skipped.
        malformed: what was skipped, once all has been read.
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
        """Tables of the rows that can be read; all lines are counted in `malformed`."""


def blocks(stream: IO[bytes], name: str, size: int = BLOCK) -> Iterator[bytes]:
    """About `size` bytes at a time, each block ending where a line does."""
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
                remedy="Check that it is the publisher's file, and whole.",
            )
    if rest:
        yield rest
