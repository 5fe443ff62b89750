"""The dataset a configuration names."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from beekit.data import Dataset
from beekit.matrices import Reads
from beekit.results import joint_hash
from beekit.run.data_config import DataConfig, DatasetKeys

# Keys that come into play after the dataset is loaded.
_LATER = ("missing_image", "split")


def load_dataset(config: DataConfig, leave_out: np.ndarray | None = None) -> Dataset:
    """The dataset folder with the filters and policies of the configuration.

    Args:
        config: its `DatasetKeys` are arguments of `Dataset.load` under the same names.
        leave_out: ids of items to leave out.
    """
    keys = [name for name in DatasetKeys.model_fields if name not in _LATER]
    given: dict[str, Any] = {name: getattr(config, name) for name in keys}
    missing_items = "error" if config.needs_catalog else "ids"
    return Dataset.load(str(config.data), leave_out=leave_out, missing_items=missing_items, **given)


def describe(dataset: Dataset, reads: Reads = "items") -> dict[str, Any]:
    """Name, counts, what the rules kept, fingerprint, and how tables were read; items are those
    somebody used. The fingerprint is also of the values or the order, where `reads` says so."""
    numbers = [] if reads == "items" else [dataset.interactions.fingerprint(reads)]
    return {
        "name": dataset.name,
        "users": dataset.interactions.n_users,
        "items": len(dataset.interactions.used_items),
        "catalog_items": len(dataset.catalog),
        "interactions": dataset.interactions.n_interactions,
        "rows_kept": [dataclasses.asdict(kept) for kept in dataset.interactions.kept],
        "fingerprint": joint_hash([dataset.fingerprint, *numbers]),
        **({"tables": dataset.tables} if dataset.tables else {}),
    }
