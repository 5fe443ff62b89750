"""Recommendations from a run folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from beekit.config_model import require_type
from beekit.data import Catalog, ids
from beekit.data.columns import id_column, number_column, value_column
from beekit.data.rules import keeps, strong_enough
from beekit.data.table_file import ColumnNames, as_columns
from beekit.data.tables import read_file
from beekit.errors import ConfigError, DataError, RunError
from beekit.files import replacing_folder
from beekit.hub.manifest import MANIFEST
from beekit.index import ItemIndex
from beekit.index_files import ITEMS, TEXT_PART
from beekit.matrices import Reads
from beekit.models import load_model
from beekit.ranking import Recommendations, Recommender
from beekit.run.first_checks import require_served
from beekit.run.known_items import KnownItems
from beekit.run_files import read_vectors, read_yaml
from beekit.run_folder import RunFolder

logger = logging.getLogger(__name__)


def save_index(
    folder: RunFolder,
    index: ItemIndex,
    catalog: Catalog,
    trained: np.ndarray,
    text_part: np.ndarray | None = None,
) -> None:
    """Write the index with what each item is called and whether it is cold, all or nothing.

    Items with ids in `trained` had a training interaction, the others are cold. `text_part` (items,
    dims) is what of the vectors comes from the text, the rest comes from the picture.
    """
    with replacing_folder(folder.index) as staging:
        index.write(staging)
        KnownItems.of(catalog, trained).save(staging)
        if text_part is not None:
            np.save(staging / TEXT_PART, text_part)


@dataclass(frozen=True)
class Server:
    """An index or model with what is known of its items, in its order, ready to recommend.

    `text_part` (items, dims) is what of the item vectors comes from texts, if that is known.
    """

    recommender: Recommender
    items: KnownItems
    text_part: np.ndarray | None = None

    @classmethod
    def open(cls, run: str | Path, model: str | None = None) -> Server:
        """Load what a run folder serves: its index, or a model kept by `beekit evaluate`.

        Raises:
            RunError: if there is no run on one dataset, or if it has no index or not that model.
        """
        folder = require_served(run, model)
        if model is not None:
            place = folder.kept_model(model)
            own = not (folder.path / MANIFEST).is_file()  # of a pulled folder others chose the code
            return cls(load_model(place, trust_foreign_code=own), KnownItems.load(place))
        index, items = ItemIndex.load(folder.index), KnownItems.load(folder.index)
        if not np.array_equal(index.item_ids.astype(str), items.item_ids.astype(str)):
            raise RunError(
                f"{ITEMS} with {len(items):,} items and an index of {len(index):,} in "
                f"{folder.index} that differ in their items or the order",
                expected="the same items in both",
                remedy="Make the index again with `beekit index RUN`.",
            )
        path = folder.index / TEXT_PART
        noted = path.is_file()
        part = read_vectors(path, index.item_vectors, index.item_ids) if noted else None
        return cls(index, items, part)

    def candidates(self, which: str) -> np.ndarray | None:
        """Item indices for "cold", or None for "all".

        Raises:
            ConfigError: if `which` is another word, if no item is cold, or if the recommender
                cannot know cold items.
        """
        if which not in ("cold", "all"):
            found, remedy = f"candidates {which!r}", "Choose one of them."
            raise ConfigError(found, expected="cold or all", remedy=remedy)
        if which == "all":
            return None
        if not self.items.cold.any():
            found = "candidates cold, and a run whose training saw every item"
            remedy = "Use --candidates all."
            raise ConfigError(found, expected="items without a training interaction", remedy=remedy)
        if not self._knows_cold_items:
            name = type(self.recommender).__name__
            raise ConfigError(
                f"candidates cold, and {name}, which knows items by their interactions alone: any "
                "list of cold ones would mean nothing",
                expected="a model that knows items by their content",
                remedy="Use --candidates all, or a run or --model with an encoder.",
            )
        return np.flatnonzero(self.items.cold)

    @property
    def _knows_cold_items(self) -> bool:
        return bool(getattr(self.recommender, "scores_cold_items", True))

    @property
    def reads(self) -> Reads:
        """What the recommender reads of a history: its items, or also their order or ratings."""
        reads: Reads = getattr(self.recommender, "reads", "items")
        return reads

    def histories(self, histories: Sequence[Sequence[object]]) -> sp.csr_array:
        """X (users, items) from item ids, of which the first is the earliest.

        Raises:
            DataError: if the run does not have an item.
            ConfigError: if the recommender reads ratings, which a list of ids does not hold.
        """
        if self.reads == "values":
            found = f"a list of items, and {type(self.recommender).__name__}, which reads ratings"
            remedy = "Give a table with a column value (--users)."
            raise ConfigError(found, expected="a rating of each", remedy=remedy)
        flat = [item for history in histories for item in history]
        rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
        places = np.arange(1.0, len(flat) + 1)
        return self._matrix(rows, flat, np.arange(len(flat)), len(histories), places)

    def histories_of(
        self, user_ids: pa.Array, item_ids: pa.Array, numbers: np.ndarray | None = None
    ) -> tuple[np.ndarray, sp.csr_array]:
        """Distinct users and X (users, items) of pairs of ids, as `read_histories` has them."""
        users, rows = ids.encode(user_ids)
        items, which = ids.encode(item_ids)
        return users, self._matrix(rows, items.tolist(), which, len(users), numbers)

    def _matrix(
        self,
        rows: np.ndarray,
        item_ids: Sequence[object],
        which: np.ndarray,
        n_users: int,
        numbers: np.ndarray | None,
    ) -> sp.csr_array:
        """X of pairs: (pairs,) user indices, `which` of some ids each is of, and its number.

        Ones where the recommender reads items alone. A pair that is there twice counts once: at its
        first place, or with the mean of its ratings.

        Raises:
            DataError: if an item is not in the run, or if numbers are read and there are none.
        """
        columns = ids.lookup(item_ids, self.items.item_ids)[which]
        order = np.argsort(rows, kind="stable")
        unknown = order[columns[order] < 0]
        if len(unknown):
            known = ", ".join(map(str, self.items.item_ids[:3]))
            absent = ids.written(item_ids[one] for one in np.unique(which[unknown]))
            near = ids.nearly(absent, ids.as_ids(self.items.item_ids))
            raise DataError(
                f"no item {', '.join(str(item_ids[one]) for one in which[unknown[:5]])} in the run"
                f"{near and f' ({near})'}",
                expected=f"item ids of the run's dataset, such as {known}",
                remedy="Correct the ids of the history.",
            )
        shape = (n_users, len(self.items))
        if numbers is None and self.reads != "items":
            found = f"histories without numbers for a model that reads {self.reads}"
            expected = "a number for each pair"
            raise DataError(found, expected=expected, remedy="Give times or ratings.")
        if self.reads == "items" or numbers is None:
            X = sp.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
            X.data[:] = 1  # an id named twice counts once
            return X
        order = np.lexsort((numbers, columns, rows))
        rows, columns, numbers = rows[order], columns[order], numbers[order]
        first = np.ones(len(rows), dtype=bool)
        first[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
        begins = np.flatnonzero(first)
        counted = numbers[begins]
        if self.reads == "values" and len(begins):
            counted = np.add.reduceat(numbers, begins) / np.diff(begins, append=len(numbers))
        return sp.csr_array((counted, (rows[begins], columns[begins])), shape=shape)

    def recommend(self, X: sp.csr_array, k: int, candidates: str = "all") -> Recommendations:
        """The k best items of each history among the candidates; lists that mean nothing are named
        in the log."""
        if k < 1:
            raise ConfigError(f"k={k}", expected="at least 1", remedy="Ask for more.")
        k = min(k, len(self.items))  # lists are never longer
        # Two at least, to see whether the first is better than any other.
        asked = min(max(k, 2), len(self.items))
        items, scores = self.recommender.recommend(X, asked, self.candidates(candidates))
        self._say_what_means_nothing(items, scores)
        return items[:, :k], scores[:, :k]

    def _say_what_means_nothing(self, items: np.ndarray, scores: np.ndarray) -> None:
        """Log how many lists have one score for all, and how many name what nobody can know."""
        listed = items >= 0
        highest = np.where(listed, scores, -np.inf).max(axis=1)
        lowest = np.where(listed, scores, np.inf).min(axis=1)
        alike = int(((listed.sum(axis=1) > 1) & (highest == lowest)).sum())
        if alike:
            logger.warning(
                "%d of %d lists give every item the same score: their choice and order mean "
                "nothing, since %s knows nothing of the history",
                *(alike, len(items), type(self.recommender).__name__),
            )
        elif not self._knows_cold_items:
            cold = int((listed & self.items.cold[items]).any(axis=1).sum())
            if cold:
                logger.warning(
                    "%d of %d lists name cold items, which %s cannot know: their places mean "
                    "nothing",
                    *(cold, len(items), type(self.recommender).__name__),
                )

    def describe(
        self, history: sp.csr_array, items: np.ndarray, scores: np.ndarray
    ) -> list[dict[str, Any]]:
        """One user's list for people and programs: item_id, label, score, cold.

        If the encoder reads text and picture, also `text` and `image`: what of the score comes from
        which of the two. `history` is (1, items), `items` and `scores` are (k,); -1 is no item.
        """
        items, scores = items[items >= 0], scores[items >= 0]
        described: list[dict[str, Any]] = [
            {
                "item_id": ids.plain(self.items.item_ids[item]),
                "label": self.items.labels[item],
                "score": round(float(score), 6),
                "cold": bool(self.items.cold[item]),
            }
            for item, score in zip(items, scores, strict=True)
        ]
        if self.text_part is not None and isinstance(self.recommender, ItemIndex):
            user = (history @ self.recommender.item_vectors).ravel()
            for entry, text in zip(described, (self.text_part[items] @ user).tolist(), strict=True):
                entry["text"] = round(text, 6)
                entry["image"] = round(entry["score"] - text, 6)
        return described


def least_value(run: str | Path) -> float | None:
    """The `min_value` of the configuration that made a run."""
    value: float | None = read_yaml(RunFolder(Path(run)).config).get("min_value")
    require_type("min_value", value, float | None)
    return value


def columns_of_run(run: str | Path) -> ColumnNames:
    """What the configuration of a run says that its files call columns."""
    return as_columns(read_yaml(RunFolder(Path(run)).config).get("columns"))


class Pairs(NamedTuple):
    """Histories as rows of a table."""

    user_ids: pa.Array
    item_ids: pa.Array
    numbers: np.ndarray | None = None  # (pairs,) float64, where they are read


def read_histories(
    path: str | Path,
    min_value: float | None = None,
    columns: ColumnNames | None = None,
    reads: Reads = "items",
) -> Pairs:
    """Histories from a Parquet or CSV table with user_id, item_id and perhaps value and timestamp,
    or as `columns` call them.

    Rows below `min_value` are left out, and users with no other. Without values all rows count, as
    a warning says if there is a `min_value`. The numbers are the timestamps or values that the
    recommender `reads`.

    Raises:
        DataError: if there is no such table, if a value is 0 or below or a boolean and `min_value`
            is None, if no row is left, or if there is no column of what is read.
    """
    id_columns = ("user_id", "item_id")
    try:
        table = read_file(path, id_columns=id_columns, columns=columns)
    except DataError:
        if columns is None:
            raise
        table = read_file(path, id_columns=id_columns)
        if columns.value in table.column_names:
            raise  # values that would not be looked at
    name = Path(path).name
    read = {"items": None, "order": "timestamp", "values": "value"}[reads]
    if read is not None and read not in table.column_names:
        found, remedy = f"{name} without a column {read}", "Add it, or name another --model."
        raise DataError(found, expected=f"one, for a model that reads {reads}", remedy=remedy)
    if "value" not in table.column_names and min_value is not None:
        logger.warning("%s has no column value: all its rows count", name)
    if "value" in table.column_names:
        remedy = f"Remove those rows of {name}, or its column value."
        strong = strong_enough(value_column(table, name), min_value, remedy)
        keeps(f"min_value={min_value}", int(strong.sum()), len(strong))
        if not strong.any():
            found = f"{name} has no value of at least {min_value}, the min_value of the run"
            raise DataError(found, expected="a value that counts", remedy="Check the column value.")
        table = table.filter(pa.array(strong))
    numbers = None
    if read is not None:
        timed = read == "timestamp"
        numbers = number_column(table, read, name) if timed else value_column(table, name)
        numbers = numbers.astype(np.float64)
    return Pairs(id_column(table, "user_id", name), id_column(table, "item_id", name), numbers)
