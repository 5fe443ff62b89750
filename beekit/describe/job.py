"""Descriptions of items by a language model, as a new column of a dataset folder.

In beeFormer (Vančura et al., RecSys 2024) the text of an item is a paragraph that a chat model
wrote from its title, authors, tags and other fields. Items that the model refused to describe were
left out. Here they get no text, so `missing_text` of `Dataset.load` decides what happens to them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from beekit.data import ids
from beekit.data.catalog import Catalog
from beekit.data.columns import id_column
from beekit.describe.chat import ChatModel, Reply
from beekit.describe.journal import Entry, Journal
from beekit.describe.judge import judge
from beekit.describe.table import items_file, read_items, write_column
from beekit.describe.task import Task
from beekit.errors import DataError, DescribeError
from beekit.files import write_json, write_text
from beekit.progress import progress_bar

logger = logging.getLogger(__name__)

NO_FIELDS = "no text in its fields"


@dataclass(frozen=True)
class Described:
    """The result of a call of `describe`.

    Attributes:
        items: number of items in the table.
        described: number of items with a description.
        refused: the last journal entry of each item whose answer is not usable, with the reason.
        without_fields: number of items without text in their fields, which are not asked about.
        unanswered: number of items whose question kept failing; the next call asks again.
        left: number of items not asked about yet, because of `limit`.
        trimmed: number of descriptions that were cut off and end at their last complete sentence.
        tokens: tokens read and written for all answers in the journal, also replaced ones.
        asked: number of questions answered in this call.
        written: whether the items table has the column now.
    """

    items: int
    described: int
    refused: list[Entry]
    without_fields: int
    unanswered: int
    left: int
    trimmed: int
    tokens: tuple[int, int]
    asked: int
    written: bool


def describe(
    folder: str | Path,
    model: ChatModel,
    task: Task,
    *,
    limit: int | None = None,
    retry_refusals: bool = False,
) -> Described:
    """Ask the model about every item of a dataset folder, then add its answers to the items table.

    Answers are written to the journal `descriptions.jsonl` in the folder as they arrive. A later
    call asks only about items without an answer there, and about items whose fields have changed
    since. When all items have been asked about, `items.parquet|csv` gets the column (null for an
    item without a usable answer), `refusals.csv` lists the items without description, and
    `descriptions.json` records settings and counts. If the column is not `description`, the names
    of these three files contain the name of the column.

    Args:
        folder: a dataset folder.
        model: the chat model, which is asked one question about each item.
        task: the question, and the name of the column.
        limit: ask about at most this many items. The table is not changed while items are left.
        retry_refusals: ask again about items whose answer was not usable.

    Raises:
        DataError: if the items table cannot be read, if an id is missing or repeated, if
            `task.fields` names no column or one that the table does not have, or if the table has a
            column `task.column` with texts that are not from the journal.
        DescribeError: if the model cannot be asked, if the journal is in use or belongs to another
            task or model, or if the items in the table have changed during the call. Answers are
            kept.
    """
    folder = Path(folder)
    items = read_items(folder)
    catalog = Catalog(_item_ids(items), items.drop_columns("item_id"), task.fields)
    texts = catalog.texts  # raises an error if a field is not a column
    column = items.column(task.column) if task.column in items.column_names else None
    journal_path = task.beside(folder, "descriptions", ".jsonl")
    if column is not None and not journal_path.is_file():
        raise _foreign(task.column, f"there is no journal {journal_path.name}")
    header = {**asdict(task), **model.identity}
    with Journal(journal_path, header) as journal:
        work = _Work(catalog, texts, task, journal)
        if column is not None:
            work.require_own(column)
        pending = work.pending(retry_refusals)
        now = pending if limit is None else pending[: max(limit, 0)]
        unanswered = work.ask(model, now)
        result = work.result(len(now) - unanswered, unanswered, len(pending) - len(now))
        if result.written:
            _write(folder, column, work, result, header)
    return result


class _Work:
    """The questions about the items, and the journal with their answers."""

    def __init__(self, catalog: Catalog, texts: list[str], task: Task, journal: Journal) -> None:
        self.catalog = catalog
        self.item_ids = [ids.plain(item_id) for item_id in catalog.item_ids]
        self.journal = journal
        self.texts = texts
        self.task = task
        self.hashes = [_hash(task.question(text)) if text else "" for text in texts]

    def require_own(self, column: pa.ChunkedArray) -> None:
        """Check that a column holds only descriptions from the journal.

        Raises:
            DataError: if it holds another text.
        """
        ours = {(entry.item_id, entry.text) for entry in self.journal.entries}
        for item_id, value in zip(self.item_ids, column.to_pylist(), strict=True):
            if value and (item_id, value) not in ours:
                why = f"its text for item {item_id!r} is not in the journal"
                raise _foreign(self.task.column, why)

    def latest(self) -> list[Entry | None]:
        """(items,) the last answer to the current question about each item, or None."""
        known = {entry.item_id: entry for entry in self.journal.entries}
        found = (known.get(item_id) for item_id in self.item_ids)
        return [
            entry if entry and entry.asked == asked else None
            for entry, asked in zip(found, self.hashes, strict=True)
        ]

    def pending(self, retry_refusals: bool) -> list[int]:
        """The row numbers of the items to ask about."""
        return [
            row
            for row, (entry, asked) in enumerate(zip(self.latest(), self.hashes, strict=True))
            if asked and (entry is None or (retry_refusals and entry.reason))
        ]

    def ask(self, model: ChatModel, rows: list[int]) -> int:
        """Ask about these items, write the answers to the journal, and return how many got none."""
        questions = [self.task.question(self.texts[row]) for row in rows]
        unanswered = written = 0
        with (
            progress_bar(total=len(rows), desc="describing", unit=" items") as bar,
            closing(_generator(model.answers(questions))) as batches,
        ):
            for batch in batches:
                answered = [(at, reply) for at, reply in batch if not reply.unanswered]
                unanswered += len(batch) - len(answered)
                entries = [self._entry(rows[at], questions[at], reply) for at, reply in answered]
                self.journal.append(entries)
                written += sum(entry.tokens[1] for entry in entries)
                bar.set_postfix_str(f"{written:,} tokens written", refresh=False)
                bar.update(len(batch))
        return unanswered

    def result(self, asked: int, unanswered: int, left: int) -> Described:
        latest = self.latest()
        answers = [entry for entry in latest if entry is not None]
        tokens = [entry.tokens for entry in self.journal.entries]
        return Described(
            items=len(latest),
            described=sum(bool(entry.text) for entry in answers),
            refused=[entry for entry in answers if entry.reason],
            without_fields=self.hashes.count(""),
            unanswered=unanswered,
            left=left,
            trimmed=sum(entry.trimmed for entry in answers),
            tokens=(sum(read for read, _ in tokens), sum(wrote for _, wrote in tokens)),
            asked=asked,
            written=left == 0,
        )

    def _entry(self, row: int, question: str, reply: Reply) -> Entry:
        text, reason, trimmed = judge(reply, question, self.texts[row])
        answer = reply.text if reason else ""
        tokens = (reply.prompt_tokens, reply.answer_tokens)
        return Entry(self.item_ids[row], self.hashes[row], text, reason, answer, trimmed, tokens)


def _item_ids(items: pa.Table) -> np.ndarray:
    return ids.to_numpy(id_column(items, "item_id", "items"))


def _generator(batches: Iterator[list[tuple[int, Reply]]]) -> Any:
    """The batches as a generator, because not every iterator has `close`."""
    yield from batches


def _foreign(column: str, why: str) -> DataError:
    return DataError(
        f"the items table has a column {column}, and {why}",
        expected="no column of that name, or one written from this journal",
        remedy="Choose another name with --column, or rename the column of the table.",
    )


def _write(
    folder: Path,
    present: pa.ChunkedArray | None,
    work: _Work,
    result: Described,
    header: dict[str, Any],
) -> None:
    """Write the column, the list of items without description, and the record of the settings."""
    texts = [entry.text if entry else "" for entry in work.latest()]
    if present is None or [value or "" for value in present.to_pylist()] != texts:
        # The table is read again, because it may have changed while the model was asked.
        items = read_items(folder)
        if not np.array_equal(_item_ids(items), work.catalog.item_ids):
            raise DescribeError(
                f"the items table in {folder} changed while its items were described",
                expected="the same items in the same order",
                remedy="Give the same command again; it asks only about new items.",
            )
        path, column = items_file(folder), work.task.column
        write_column(path, column, pa.array([text or None for text in texts], pa.large_string()))
        logger.info("%s has the column %s", path, column)
    listed = work.task.beside(folder, "refusals", ".csv")
    write_text(listed, _refusals(work, result))
    same = ("items", "described", "trimmed", "without_fields", "unanswered")
    write_json(
        work.task.beside(folder, "descriptions", ".json"),
        {
            "schema": 1,
            **header,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            **{name: getattr(result, name) for name in same},
            "refused": dict(Counter(entry.reason for entry in result.refused)),
            "refusals": listed.name,
            "tokens": dict(zip(("read", "written"), result.tokens, strict=True)),
        },
    )


def _refusals(work: _Work, result: Described) -> str:
    """The CSV of items without description: item_id, reason and answer."""
    content = io.StringIO()
    out = csv.writer(content, lineterminator="\n")
    out.writerow(["item_id", "reason", "answer"])
    for entry in result.refused:  # UTF-8 cannot hold half of a surrogate pair
        answer = entry.answer.encode("utf-8", "replace").decode("utf-8")
        out.writerow([entry.item_id, entry.reason, answer])
    asked = zip(work.item_ids, work.hashes, strict=True)
    out.writerows([item_id, NO_FIELDS, ""] for item_id, question in asked if not question)
    return content.getvalue()


def _hash(question: str) -> str:
    return hashlib.sha256(question.encode("utf-8", "replace")).hexdigest()[:16]
