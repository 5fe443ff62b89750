"""Recommendations from a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

from beekit.data import Catalog, ids
from beekit.data.tables import id_column, read_file
from beekit.errors import ConfigError, DataError, RunError
from beekit.index import ItemIndex
from beekit.ranking import Recommendations
from beekit.run.folder import RunFolder


def save_index(folder: RunFolder, index: ItemIndex, catalog: Catalog, trained: np.ndarray) -> None:
    """Write the index, and beside it what each item is called and whether it is cold.

    Args:
        folder: the run.
        index: over the catalog.
        catalog: names of the items.
        trained: ids of the items with a training interaction; the others are cold.
    """
    index.save(folder.index)
    item_ids, trained_ids = ids.as_ids(catalog.item_ids), ids.as_ids(trained)
    if item_ids.type != trained_ids.type:  # one new text id among integers makes all ids text
        item_ids, trained_ids = (one.cast(pa.large_string()) for one in (item_ids, trained_ids))
    cold = ids.positions(item_ids, trained_ids) < 0
    described = pa.table(
        {
            "item_id": item_ids,
            "label": pa.array(catalog.labels(np.arange(len(catalog))), pa.string()),
            "cold": pa.array(cold),
        }
    )
    partial = folder.index / ".items.parquet.partial"
    pq.write_table(described, partial)
    partial.rename(folder.index / "items.parquet")


@dataclass(frozen=True)
class Server:
    """An index with names and the set of cold items, ready to recommend.

    Attributes:
        index: the run's item index.
        labels: (items,) names for people.
        cold: (items,) bool, no interaction in training.
    """

    index: ItemIndex
    labels: list[str]
    cold: np.ndarray

    @classmethod
    def open(cls, run: str | Path) -> Server:
        """Load what a run folder serves.

        Raises:
            RunError: no run, or one without an index.
        """
        folder = RunFolder(Path(run))
        if not folder.config.is_file():
            raise RunError(
                f"no config.yaml in {folder.path}",
                expected="a run folder made by `beekit train`",
                remedy="Check the path.",
            )
        index = ItemIndex.load(folder.index)
        if not (folder.index / "items.parquet").is_file():
            raise RunError(
                f"no items.parquet in {folder.index}",
                expected="an index made by `beekit index`",
                remedy="Make it again with `beekit index RUN`.",
            )
        items = pq.read_table(folder.index / "items.parquet")
        return cls(index, items["label"].to_pylist(), np.asarray(items["cold"]))

    def candidates(self, which: str) -> np.ndarray | None:
        """Item indices for "cold" or "all" (None: no restriction).

        Raises:
            ConfigError: anything else, or no cold items.
        """
        if which not in ("cold", "all"):
            raise ConfigError(
                f"candidates {which!r}", expected="cold or all", remedy="Choose one of them."
            )
        if which == "all":
            return None
        if not self.cold.any():
            raise ConfigError(
                "candidates cold, and a run whose training saw every item",
                expected="items without a training interaction",
                remedy="Use --candidates all.",
            )
        return np.flatnonzero(self.cold)

    def histories(self, histories: Sequence[Sequence[object]]) -> sp.csr_array:
        """X (users, items) from the caller's item ids.

        Raises:
            DataError: an id the index does not have.
        """
        flat = [item for history in histories for item in history]
        columns = self.index.indices_of(flat)
        unknown = [str(item) for item, column in zip(flat, columns, strict=True) if column < 0]
        if unknown:
            known = ", ".join(map(str, self.index.item_ids[:3]))
            raise DataError(
                f"no item {', '.join(unknown[:5])} in the index",
                expected=f"item ids of the run's dataset, such as {known}",
                remedy="Correct the ids of the history.",
            )
        rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
        X = sp.csr_array(
            (np.ones(len(flat), dtype=np.float32), (rows, columns)),
            shape=(len(histories), len(self.index)),
        )
        X.data[:] = 1  # an id named twice counts once
        return X

    def recommend(self, X: sp.csr_array, k: int, candidates: str = "all") -> Recommendations:
        """The k best items of each history among the candidates."""
        if k < 1:
            raise ConfigError(f"k={k}", expected="at least 1", remedy="Ask for more.")
        return self.index.recommend(X, k, self.candidates(candidates))

    def describe(self, items: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
        """One user's list for people and programs: item_id, label, score, cold."""
        return [
            {
                "item_id": ids.plain(self.index.item_ids[item]),
                "label": self.labels[item],
                "score": round(float(score), 6),
                "cold": bool(self.cold[item]),
            }
            for item, score in zip(items, scores, strict=True)
            if item >= 0
        ]


def read_histories(path: str | Path) -> tuple[list[Any], list[list[Any]]]:
    """Users and their item ids from a table with user_id and item_id.

    Raises:
        DataError: no such file, or not such a table.
    """
    table = read_file(path, id_columns=("user_id", "item_id"))
    name = Path(path).name
    users, rows = ids.encode(id_column(table, "user_id", name))
    items = id_column(table, "item_id", name).to_pylist()
    histories: list[list[Any]] = [[] for _ in users]
    for row, item in zip(rows, items, strict=True):
        histories[row].append(item)
    return [ids.plain(user) for user in users], histories
