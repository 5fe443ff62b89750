"""Answers as they come in, on disk: JSON lines that survive a kill at any moment."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from beekit.errors import DescribeError
from beekit.files import take_lock


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
    cut away on opening. One process at a time holds a journal, as two would pay for every answer
    twice. Any tool reads JSON lines while a run goes on, and they hold every answer; SQLite refuses
    half of a surrogate pair.

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
        with ExitStack() as opened:
            self._file: IO[bytes] = opened.enter_context(self.path.open("a+b"))
            try:
                take_lock(self._file.fileno())
            except BlockingIOError as error:
                raise DescribeError(
                    f"another process is writing {self.path}",
                    expected="one at a time",
                    remedy="Wait for it, or end it.",
                ) from error
            self._read({"journal": 1, **header})
            self._open = opened.pop_all()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()  # and with it the lock

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries, and wait until the disk has them."""
        added = list(entries)
        self._write(
            {name: value for name, value in asdict(entry).items() if value or name == "item_id"}
            for entry in added
        )
        self.entries.extend(added)

    def _read(self, header: Mapping[str, Any]) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # torn by a kill
            self._file.truncate(whole)
        begun: dict[str, Any] = {}
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                read = json.loads(line)
                if number > 1:
                    read["tokens"] = tuple(read.get("tokens", (0, 0)))
                    self.entries.append(Entry(**read))
                elif read.get("journal") == 1:
                    begun = read
                else:
                    raise ValueError
            except (ValueError, TypeError, AttributeError) as error:
                raise DescribeError(
                    f"line {number} of {self.path} is none that beekit wrote",
                    expected="a journal of answers",
                    remedy="Remove that line, or move the file away to ask everything again.",
                ) from error
        if not self.entries:  # so there is nothing that other settings could spoil
            self._file.truncate(0)
            self._write([header])
            return
        wanted = json.loads(json.dumps(header))  # as it would have been read
        for name in sorted(begun.keys() | wanted.keys()):
            if begun.get(name) != wanted.get(name):
                raise DescribeError(
                    f"{self.path.name} was begun with {name}={_short(begun.get(name))}, "
                    f"not {_short(wanted.get(name))}",
                    expected="the settings it was begun with",
                    remedy="Give those, or another column for a second set of descriptions.",
                )

    def _write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        # ASCII, so that any answer can be written, and no line end occurs within a line.
        content = "".join(json.dumps(line) + "\n" for line in lines)
        self._file.write(content.encode("ascii"))
        self._file.flush()
        os.fsync(self._file.fileno())


def _short(value: Any) -> str:
    written = json.dumps(value, ensure_ascii=False)
    return written if len(written) <= 60 else f"{written[:59]}…"
