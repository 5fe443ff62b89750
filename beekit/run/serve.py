"""Recommendations from a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from beekit.config_model import require_type
from beekit.data import Catalog, ids
from beekit.data.rules import keeps, strong_enough
from beekit.data.tables import id_column, read_file, value_column
from beekit.errors import ConfigError, DataError, RunError
from beekit.finite import finite_vectors
from beekit.index import ItemIndex
from beekit.models import load_model
from beekit.ranking import Recommendations, Recommender
from beekit.run.folder import RunFolder
from beekit.run.known_items import KnownItems
from beekit.run_files import read_yaml

# Beside an index, of encoders that read text and picture: what of its vectors comes from the text.
_TEXT_PART = "text_part.npy"
_INDEX_AGAIN = "Make the index again with `beekit index RUN`."


def save_index(
    folder: RunFolder,
    index: ItemIndex,
    catalog: Catalog,
    trained: np.ndarray,
    text_part: np.ndarray | None = None,
) -> None:
    """Write the index, and beside it what each item is called and whether it is cold.

    Args:
        folder: the run.
        index: over the catalog.
        catalog: names of the items.
        trained: ids of the items with a training interaction; the others are cold.
        text_part: (items, dims) what of the vectors comes from the text, the rest from the picture.
    """
    index.save(folder.index)
    KnownItems.of(catalog, trained).save(folder.index)
    if text_part is not None:
        np.save(folder.index / _TEXT_PART, text_part)


@dataclass(frozen=True)
class Server:
    """An index or model with what is known of its items, ready to recommend.

    Attributes:
        recommender: the run's item index, or one of a comparison's models.
        items: in its order.
        text_part: (items, dims) what of the item vectors comes from texts, where it is known.
    """

    recommender: Recommender
    items: KnownItems
    text_part: np.ndarray | None = None

    @classmethod
    def open(cls, run: str | Path, model: str | None = None) -> Server:
        """Load what a run folder serves: its index, or a model kept by `beekit evaluate`.

        Raises:
            RunError: if there is no run, if it holds repeats or several datasets, or if it has no
                index or not that model.
        """
        folder = RunFolder(Path(run))
        if not folder.config.is_file():
            raise RunError(
                f"no config.yaml in {folder.path}",
                expected="a run folder made by `beekit train` or `beekit evaluate`",
                remedy="Check the path.",
            )
        folder.require_not_repeated()
        folder.require_one_dataset()
        if model is not None:
            place = folder.kept_model(model)
            return cls(load_model(place), KnownItems.load(place))
        if not folder.index.exists() and folder.kept_models():
            raise RunError(
                f"{folder.path} keeps the models {', '.join(folder.kept_models())}",
                expected="the name of one of them",
                remedy="Add --model NAME.",
            )
        index, items = ItemIndex.load(folder.index), KnownItems.load(folder.index)
        if len(items) != len(index):
            raise RunError(
                f"{len(items):,} items beside an index of {len(index):,} in {folder.index}",
                expected="the same items in both",
                remedy=_INDEX_AGAIN,
            )
        if not np.array_equal(index.item_ids.astype(str), items.item_ids.astype(str)):
            raise RunError(
                f"items.parquet and the index in {folder.index} differ in their items or the order",
                expected="the same items in both",
                remedy=_INDEX_AGAIN,
            )
        return cls(index, items, _load_text_part(folder.index / _TEXT_PART, index))

    def candidates(self, which: str) -> np.ndarray | None:
        """Item indices for "cold" or "all" (None: no restriction).

        Raises:
            ConfigError: if `which` is neither "cold" nor "all", or if it is "cold" and no item is
                cold.
        """
        if which not in ("cold", "all"):
            raise ConfigError(
                f"candidates {which!r}", expected="cold or all", remedy="Choose one of them."
            )
        if which == "all":
            return None
        if not self.items.cold.any():
            raise ConfigError(
                "candidates cold, and a run whose training saw every item",
                expected="items without a training interaction",
                remedy="Use --candidates all.",
            )
        return np.flatnonzero(self.items.cold)

    def histories(self, histories: Sequence[Sequence[object]]) -> sp.csr_array:
        """X (users, items) from the caller's item ids.

        Raises:
            DataError: if the run does not have an item with one of these ids.
        """
        flat = [item for history in histories for item in history]
        columns = ids.lookup(flat, self.items.item_ids)
        unknown = [str(item) for item, column in zip(flat, columns, strict=True) if column < 0]
        if unknown:
            known = ", ".join(map(str, self.items.item_ids[:3]))
            raise DataError(
                f"no item {', '.join(unknown[:5])} in the run",
                expected=f"item ids of the run's dataset, such as {known}",
                remedy="Correct the ids of the history.",
            )
        rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
        X = sp.csr_array(
            (np.ones(len(flat), dtype=np.float32), (rows, columns)),
            shape=(len(histories), len(self.items)),
        )
        X.data[:] = 1  # an id named twice counts once
        return X

    def recommend(self, X: sp.csr_array, k: int, candidates: str = "all") -> Recommendations:
        """The k best items of each history among the candidates."""
        if k < 1:
            raise ConfigError(f"k={k}", expected="at least 1", remedy="Ask for more.")
        k = min(k, len(self.items))  # lists are never longer
        return self.recommender.recommend(X, k, self.candidates(candidates))

    def describe(
        self, history: sp.csr_array, items: np.ndarray, scores: np.ndarray
    ) -> list[dict[str, Any]]:
        """One user's list for people and programs: item_id, label, score, cold.

        Of an encoder that reads text and picture also `text` and `image`, what of the score comes
        from which side of the recommended item.

        Args:
            history: (1, items) of the user.
            items, scores: (k,) recommended; -1 is no item.
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


def _load_text_part(path: Path, index: ItemIndex) -> np.ndarray | None:
    """What of an index's vectors comes from the text, where a file says so.

    Raises:
        RunError: if the file is broken, is of other vectors, or holds numbers that are not finite.
    """
    if not path.is_file():
        return None
    try:
        part = np.load(path, mmap_mode="r")
    except (ValueError, EOFError, OSError) as error:
        raise RunError(
            f"{path} cannot be read ({' '.join(str(error).split())[:100]})",
            expected="the file written with the index",
            remedy=_INDEX_AGAIN,
        ) from error
    rows, dims = index.item_vectors.shape
    return finite_vectors(
        part,
        str(path),
        index.item_ids,
        rows=rows,
        dims=dims,
        remedy=_INDEX_AGAIN,
        error=RunError,
    )


def least_value(run: str | Path) -> float | None:
    """The `min_value` of the configuration that made a run.

    Raises:
        RunError: if the configuration is missing or broken.
        ConfigError: if its `min_value` is not a finite number.
    """
    value: float | None = read_yaml(RunFolder(Path(run)).config).get("min_value")
    require_type("min_value", value, float | None)
    return value


def read_histories(
    path: str | Path, min_value: float | None = None
) -> tuple[list[Any], list[list[Any]]]:
    """Users and their item ids from a table with user_id and item_id, and perhaps value.

    Args:
        path: of a Parquet or CSV file.
        min_value: rows below it are left out, and users with no other.

    Raises:
        DataError: if there is no such file, if it is not such a table, if a value is 0 or below or
            a boolean and `min_value` is None, or if no row is left.
    """
    table = read_file(path, id_columns=("user_id", "item_id"))
    name = Path(path).name
    if "value" in table.column_names:
        remedy = f"Remove those rows of {name}, or its column value."
        strong = strong_enough(value_column(table, name), min_value, remedy)
        keeps(f"min_value={min_value}", int(strong.sum()), len(strong))
        if not strong.any():
            raise DataError(
                f"{name} has no value of at least {min_value}, the min_value of the run",
                expected="a value that counts",
                remedy="Check the column value.",
            )
        table = table.filter(pa.array(strong))
    users, rows = ids.encode(id_column(table, "user_id", name))
    items = id_column(table, "item_id", name).to_pylist()
    histories: list[list[Any]] = [[] for _ in users]
    for row, item in zip(rows, items, strict=True):
        histories[row].append(item)
    return [ids.plain(user) for user in users], histories
