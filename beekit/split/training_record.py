"""A record of the interactions that a model was trained on, for finding leakage into splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

from beekit.data import Catalog, Interactions, ids
from beekit.data.content_digests import content_digests, id_hashes
from beekit.run_files import broken, read_parquet
from beekit.split.split import Split

ITEMS = "training_items.parquet"
PAIRS = "training_pairs.parquet"
# How many pairs a record holds: all of a small dataset, and a sample of a larger one.
_NOTED = 2**17
_ALL = 2**64 - 1
# Keys in the metadata of the items: `content` leaves out numbers; the digest of the pairs.
_TEXTS, _OF_PAIRS = b"beekit.texts", b"beekit.pairs"


@dataclass(frozen=True)
class TrainingRecord:
    """The items and interactions that a model was trained on.

    Attributes:
        item_ids: (items,) ids of the items with a training interaction.
        contents: (items,) `content_digests` of each item; None if the record has none.
        pairs: hashes of pairs of user and item, ascending; None if the record has none.
        below: the record holds all pairs with a hash up to this one, and no others.
        numbers: whether `contents` include numbers, as in records of earlier versions.
    """

    item_ids: pa.Array
    contents: list[list[str]] | None
    pairs: np.ndarray | None
    below: int
    numbers: bool = False

    def knows(self, hashes: np.ndarray) -> tuple[np.ndarray, float]:
        """Which pairs were trained on, as far as the record knows.

        Args:
            hashes: (pairs,) from `pair_hashes`.

        Returns:
            (pairs,) bool: which of them are in the record; and their share among the pairs that the
            record would hold if they had been trained on.
        """
        asked = hashes <= np.uint64(self.below)
        if self.pairs is None or not asked.any():
            return np.zeros(len(hashes), dtype=bool), 0.0
        known = asked.copy()
        known[asked] = np.isin(hashes[asked], self.pairs)
        return known, float(known.sum() / asked.sum())


def record_training(split: Split, catalog: Catalog) -> TrainingRecord:
    """The record of a training on the training part of a split; `catalog` has its items."""
    trained = ids.positions(ids.as_ids(split.training_item_ids), split.interactions.item_ids)
    digests = content_digests(catalog)
    pairs = np.sort(pair_hashes(split.interactions, split.train))
    return TrainingRecord(
        ids.as_ids(split.training_item_ids),
        [digests[item] for item in trained],
        pairs[:_NOTED],
        int(pairs[_NOTED - 1]) if len(pairs) >= _NOTED else _ALL,
    )


def save_training_record(folder: Path, record: TrainingRecord) -> None:
    """Write a record to the folder of a split.

    Items get a column `content` beside their ids. Pairs have a file of their own, which is never
    pushed, because it is about users. What is None is left out.
    """
    columns, said = {"item_id": record.item_ids}, {}
    if record.contents is not None:
        columns["content"] = pa.array(record.contents, pa.list_(pa.string()))
        if not record.numbers:
            said[_TEXTS] = b"1"
    if record.pairs is not None:
        said[_OF_PAIRS] = ids.digest(record.pairs).encode()
        pq.write_table(pa.table({"pair": record.pairs}), folder / PAIRS)
    pq.write_table(pa.table(columns).replace_schema_metadata(said), folder / ITEMS)


def load_training_record(folder: str | Path) -> TrainingRecord:
    """The record in the folder of a saved split.

    Raises:
        RunError: if `training_items.parquet`, which every version writes, is missing, or if one of
            the two files is not as it was written.
    """
    path = Path(folder) / ITEMS
    if not path.is_file():
        raise broken(path, "no such file", "the ids of the training items, written by beekit")
    items = read_parquet(path, ("item_id",))
    kind = items["item_id"].type
    known = pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not known or items["item_id"].null_count:
        raise broken(path, f"item_id: {_described(items['item_id'])}", "an id for every item")
    contents, said = None, items.schema.metadata or {}
    if "content" in items.column_names:
        contents = _contents(items["content"], path)
    pairs, below = None, _ALL
    if (Path(folder) / PAIRS).is_file():
        pairs = _pairs(Path(folder) / PAIRS, len(items), said.get(_OF_PAIRS))
        below = int(pairs[-1]) if len(pairs) == _NOTED else _ALL
    numbers = contents is not None and _TEXTS not in said
    return TrainingRecord(ids.as_ids(items["item_id"]), contents, pairs, below, numbers)


def _contents(column: pa.ChunkedArray, path: Path) -> list[list[str]]:
    expected = "a list of digests for every item"
    kind = column.type
    if not (pa.types.is_list(kind) and pa.types.is_string(kind.value_type)):
        raise broken(path, f"content: {_described(column)}", expected)
    if column.null_count or any(chunk.flatten().null_count for chunk in column.chunks):
        raise broken(path, "content: some are missing", expected)
    contents: list[list[str]] = column.to_pylist()
    return contents


def _pairs(path: Path, n_items: int, digest: bytes | None) -> np.ndarray:
    """The pairs in a file. There is at least one for each item, and they have the given digest."""
    column = read_parquet(path, ("pair",))["pair"]
    expected = "hashes of pairs in ascending order, written by beekit"
    if column.type != pa.uint64() or column.null_count:
        raise broken(path, f"pair: {_described(column)}", expected)
    pairs: np.ndarray = column.to_numpy()
    if len(pairs) < min(n_items, _NOTED):
        raise broken(path, f"{len(pairs):,} pairs of {n_items:,} items", expected)
    if np.any(pairs[1:] < pairs[:-1]):
        raise broken(path, "pairs in another order", expected)
    if digest is not None and ids.digest(pairs).encode() != digest:
        raise broken(path, "pairs that were not written together with the items", expected)
    return pairs


def _described(column: pa.ChunkedArray) -> str:
    return f"{column.type} with {column.null_count:,} of {len(column):,} missing"


def pair_hashes(
    interactions: Interactions,
    matrix: sp.csr_array,
    *,
    user_ids: np.ndarray | None = None,
    item_ids: np.ndarray | None = None,
) -> np.ndarray:
    """A hash (nnz,) uint64 of the user id and the item id of each stored entry of `matrix`.

    `matrix` has the users and items of X. `user_ids` and `item_ids` replace those of X.
    """
    user_ids = interactions.user_ids if user_ids is None else user_ids
    users = np.repeat(id_hashes(user_ids), np.diff(matrix.indptr))
    items = _mixed(id_hashes(interactions.item_ids if item_ids is None else item_ids))
    return _mixed(users ^ items[matrix.indices])


def _mixed(values: np.ndarray) -> np.ndarray:
    """Mix bits so that every bit of the result depends on every bit of the value (splitmix64,
    Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
