"""The dataset a configuration names."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from beekit.data import Catalog, Dataset, Interactions
from beekit.data.rules import strong_enough
from beekit.data.tables import id_column, read_file, value_column
from beekit.run.comparison import Comparison
from beekit.run.config import Config


def load_dataset(config: Config | Comparison, leave_out: np.ndarray | None = None) -> Dataset:
    """The dataset folder with the filters and policies of the configuration.

    Args:
        leave_out: ids of items to leave out.
    """
    return Dataset.load(
        str(config.data),
        text=config.text,
        image=config.image,
        leave_out=leave_out,
        min_value=config.min_value,
        user_min_support=config.user_min_support,
        item_min_support=config.item_min_support,
        unknown_items=config.unknown_items,
        missing_text=config.missing_text,
        duplicates=config.duplicates,
    )


def load_published(config: Comparison) -> tuple[Dataset, Interactions]:
    """A dataset that comes as a file of training and one of test interactions, without a catalog.

    Returns:
        all interactions, over items known by their ids alone; and the test interactions.

    Raises:
        DataError: if a file cannot be read, if a value is 0 or below or a boolean, or if a pair
            occurs twice, in one file or in both, and `duplicates` is not "merge".
    """
    folder = Path(config.data)
    names = (config.split.train or "train.parquet", config.split.test or "test.parquet")
    tables = [read_file(folder / name, id_columns=("user_id", "item_id")) for name in names]
    users, items = (
        [id_column(table, column, name) for table, name in zip(tables, names, strict=True)]
        for column in ("user_id", "item_id")
    )
    for table, name in zip(tables, names, strict=True):
        if "value" in table.column_names:
            remedy = f"Remove those rows of {name}, or its column value."
            strong_enough(value_column(table, name), None, remedy)
    test = Interactions.from_arrays(users[1], items[1], duplicates=config.duplicates)
    interactions = Interactions.from_arrays(
        pa.concat_arrays(users), pa.concat_arrays(items), duplicates=config.duplicates
    )
    catalog = Catalog(interactions.item_ids, pa.table({}))
    return Dataset(folder.resolve().name, interactions, catalog), test


def describe(dataset: Dataset) -> dict[str, Any]:
    """Name, counts, what the rules kept, and fingerprint; items are those somebody used."""
    return {
        "name": dataset.name,
        "users": dataset.interactions.n_users,
        "items": len(dataset.interactions.used_items),
        "catalog_items": len(dataset.catalog),
        "interactions": dataset.interactions.n_interactions,
        "rows_kept": [dataclasses.asdict(kept) for kept in dataset.interactions.kept],
        "fingerprint": dataset.fingerprint,
    }
