"""Answers as they come in, on disk: JSON lines that survive a kill at any moment."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from beekit.errors import DescribeError


@dataclass(frozen=True)
class Entry:
    """One answered question; an attribute a line does not have is empty.

    Attributes:
        item_id: the caller's id.
        asked: hash of the question.
        text: the description; "" where the answer was refused.
        reason: why it was refused; "" where it was not.
        answer: what the model wrote, where it was refused.
        trimmed: the answer was cut off, and trimmed to whole sentences.
        tokens: read and written for it.
    """

    item_id: int | str
    asked: str
    text: str = ""
    reason: str = ""
    answer: str = ""
    trimmed: bool = False
    tokens: tuple[int, int] = (0, 0)


class Journal:
    """An append-only file: what was asked in the first line, then an `Entry` a line.

    Each `append` is on the disk when it returns. A last line without its end, left by a kill, is
    cut away on opening. One process at a time holds a journal.

    Attributes:
        entries: all of them, in the order they came; a later one for the same item replaces the
            earlier.

    Raises:
        DescribeError: if another process has the file, if it holds answers and was begun with other
            settings, or if beekit did not write one of its lines.
    """

    def __init__(self, path: str | Path, header: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.entries: list[Entry] = []
        self._file: IO[bytes] = self.path.open("a+b")
        try:
            self._lock()
            self._read({"journal": 1, **header})
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()  # and with it the lock

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries, and wait until the disk has them."""
        added = list(entries)
        self._write([_line(entry) for entry in added])
        self.entries.extend(added)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DescribeError(
                f"another process is writing {self.path}",
                expected="one at a time",
                remedy="Wait for it, or end it.",
            ) from error

    def _read(self, header: Mapping[str, Any]) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # torn by a kill
            self._file.truncate(whole)
        lines = content[:whole].splitlines()
        if len(lines) < 2:  # nothing answered yet, so nothing that other settings could spoil
            if lines:
                self._require_header(self._parse(lines[0], 1))
            self._file.truncate(0)
            self._write([header])
            return
        self._compare(self._require_header(self._parse(lines[0], 1)), header)
        self.entries = [self._entry(line, at) for at, line in enumerate(lines[1:], start=2)]

    def _require_header(self, line: Any) -> dict[str, Any]:
        if not isinstance(line, dict) or line.get("journal") != 1:
            raise self._no_journal(1)
        return line

    def _compare(self, begun: dict[str, Any], header: Mapping[str, Any]) -> None:
        wanted = json.loads(json.dumps(header))  # as it would have been read
        for name in sorted(begun.keys() | wanted.keys()):
            if begun.get(name) != wanted.get(name):
                raise DescribeError(
                    f"{self.path.name} was begun with {name}={_short(begun.get(name))}, "
                    f"not {_short(wanted.get(name))}",
                    expected="the settings it was begun with",
                    remedy="Give those, or another column for a second set of descriptions.",
                )

    def _entry(self, line: bytes, number: int) -> Entry:
        read = self._parse(line, number)
        try:
            return Entry(**{**read, "tokens": tuple(read.get("tokens", (0, 0)))})
        except (AttributeError, TypeError) as error:
            raise self._no_journal(number) from error

    def _parse(self, line: bytes, number: int) -> Any:
        try:
            return json.loads(line)
        except ValueError as error:
            raise self._no_journal(number) from error

    def _no_journal(self, number: int) -> DescribeError:
        return DescribeError(
            f"line {number} of {self.path} is none that beekit wrote",
            expected="a journal of answers",
            remedy="Remove that line, or move the file away to ask everything again.",
        )

    def _write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        # ASCII, so that any answer can be written, and no line end occurs within a line.
        content = "".join(json.dumps(line) + "\n" for line in lines)
        self._file.write(content.encode("ascii"))
        self._file.flush()
        os.fsync(self._file.fileno())


def _line(entry: Entry) -> dict[str, Any]:
    given: dict[str, Any] = {"item_id": entry.item_id, "asked": entry.asked}
    for name in ("text", "reason", "answer", "trimmed"):
        if value := getattr(entry, name):
            given[name] = value
    return {**given, "tokens": list(entry.tokens)}


def _short(value: Any) -> str:
    written = json.dumps(value, ensure_ascii=False)
    return written if len(written) <= 60 else f"{written[:59]}…"
