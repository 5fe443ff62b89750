"""The dataset a configuration names."""

from __future__ import annotations

from typing import Any

from beekit.data import Dataset
from beekit.run.config import Config


def load_dataset(config: Config) -> Dataset:
    """The dataset folder with the filters and policies of the configuration."""
    return Dataset.load(
        config.data,
        text=config.text,
        min_value=config.min_value,
        user_min_support=config.user_min_support,
        item_min_support=config.item_min_support,
        unknown_items=config.unknown_items,
        missing_text=config.missing_text,
        duplicates=config.duplicates,
    )


def describe(dataset: Dataset) -> dict[str, Any]:
    """Name, counts and fingerprint; items are those somebody used."""
    return {
        "name": dataset.name,
        "users": dataset.interactions.n_users,
        "items": len(dataset.interactions.used_items),
        "catalog_items": len(dataset.catalog),
        "interactions": dataset.interactions.n_interactions,
        "fingerprint": dataset.fingerprint,
    }
