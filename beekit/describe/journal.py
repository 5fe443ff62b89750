"""The journal of answers: a file of JSON lines that stays valid after a kill at any moment."""

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
    """The answer to one question. In the file, empty attributes are left out.

    Attributes:
        item_id: the caller's id.
        asked: hash of the question.
        text: the description; "" if the answer is not usable.
        reason: why the answer is not usable; "" if it is.
        answer: what the model wrote, if it is not usable.
        trimmed: whether the answer was cut off and trimmed to complete sentences.
        tokens: tokens read and written.
    """

    item_id: int | str
    asked: str
    text: str = ""
    reason: str = ""
    answer: str = ""
    trimmed: bool = False
    tokens: tuple[int, int] = (0, 0)


class Journal:
    """An append-only file: the settings in the first line, then one `Entry` in each line.

    When `append` returns, its entries are on the disk. An incomplete last line, left by a kill, is
    removed when the journal is opened. Only one process may have a journal open, because two would
    pay for every answer twice. JSON lines are used rather than SQLite, because any tool can read
    them during a job, and because SQLite cannot store half of a surrogate pair.

    Attributes:
        entries: all entries in the order they were written; a later one for the same item replaces
            an earlier one.

    Raises:
        DescribeError: if another process has the file open, if it holds answers made with other
            settings, or if it has a line that beekit did not write.
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
                    expected="one process at a time",
                    remedy="Wait for that process, or end it.",
                ) from error
            self._read({"journal": 1, **header})
            self._open = opened.pop_all()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()  # this also releases the lock

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries, and wait until they are on the disk."""
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
        if whole < len(content):  # an incomplete last line
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
                    f"line {number} of {self.path} was not written by beekit",
                    expected="a journal of answers",
                    remedy="Remove that line, or move the file away to ask everything again.",
                ) from error
        if not self.entries:  # without answers, other settings do no harm
            self._file.truncate(0)
            self._write([header])
            return
        wanted = json.loads(json.dumps(header))  # in the form in which a file is read
        for name in sorted(begun.keys() | wanted.keys()):
            if begun.get(name) != wanted.get(name):
                raise DescribeError(
                    f"{self.path.name} was begun with {name}={_short(begun.get(name))}, "
                    f"not {_short(wanted.get(name))}",
                    expected="the settings it was begun with",
                    remedy="Use those settings, or another column for other descriptions.",
                )

    def _write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        # ASCII, so that any answer can be written and no line contains a line end.
        content = "".join(json.dumps(line) + "\n" for line in lines)
        self._file.write(content.encode("ascii"))
        self._file.flush()
        os.fsync(self._file.fileno())


def _short(value: Any) -> str:
    written = json.dumps(value, ensure_ascii=False)
    return written if len(written) <= 60 else f"{written[:59]}…"
