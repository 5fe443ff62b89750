"""A dataset folder as interactions and catalog that fit together."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beekit.data import ids
from beekit.data.catalog import Catalog
from beekit.data.image_column import ImageColumn
from beekit.data.interactions import Interactions, require_policy
from beekit.data.rules import Duplicates, Kept, MissingText, UnknownItems, keeps
from beekit.data.tables import id_column, number_column, read_table, value_column
from beekit.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dataset:
    """Interactions whose columns are the rows of a catalog.

    Attributes:
        name: the folder's name.
        interactions: X (users, items).
        catalog: the same items in the same order, those nobody used included.
    """

    name: str
    interactions: Interactions
    catalog: Catalog

    def __post_init__(self) -> None:
        if not np.array_equal(self.interactions.item_ids, self.catalog.item_ids):
            raise DataError(
                "interactions and catalog list different items",
                expected="the same item ids in the same order",
                remedy="Build the interactions with catalog_ids=catalog.item_ids.",
            )

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        text: str | None = None,
        image: str | None = None,
        leave_out: np.ndarray | None = None,
        min_value: float | None = None,
        user_min_support: int = 1,
        item_min_support: int = 1,
        unknown_items: str = "error",
        missing_text: str = "error",
        duplicates: str = "error",
    ) -> Dataset:
        """Read a dataset folder: `interactions.parquet|csv` and `items.parquet|csv`.

        Users and items are in the order of their ids, whatever the order of rows in the files.

        Args:
            folder: holds user_id, item_id, optional value and timestamp in the one table, item_id
                and any further columns in the other.
            text: template over item columns; without it, and without `image`, `{text}` or
                `{title}`, where there is such a column.
            image: column of pictures: paths below `images/` in the folder, or the `datasets`
                library's structs of bytes and path.
            leave_out: ids of items to leave out, with their interactions.
            min_value: interactions below it are left out; needed where values of 0 or below, or
                booleans, say that some count and some do not.
            user_min_support: users with fewer interactions are left out.
            item_min_support: items with fewer interactions lose them, and stay in the catalog.
            unknown_items: "error", or "drop" interactions whose item is not in the catalog.
            missing_text: "error", "drop" items without text, and their interactions, or "keep"
                them for their picture.
            duplicates: "error", or "merge" repeated (user, item) pairs.

        Raises:
            DataError: if the folder or one of its tables is missing or not as described, if an
                argument does not fit them, or if no user or no text is left; a fault is repaired
                only where `unknown_items`, `missing_text` or `duplicates` says so.
        """
        require_policy("unknown_items", unknown_items, UnknownItems)
        require_policy("missing_text", missing_text, MissingText)
        require_policy("duplicates", duplicates, Duplicates)
        folder = Path(folder)
        items = read_table(folder, "items", id_columns=("item_id",))
        events = read_table(folder, "interactions", id_columns=("user_id", "item_id"))
        catalog_ids, event_items = ids.same_kind(
            id_column(items, "item_id", "items"), id_column(events, "item_id", "interactions")
        )
        fields = items.drop_columns("item_id")
        if text is None and image is None:
            named = (name for name in ("text", "title") if name in items.column_names)
            text = next((f"{{{name}}}" for name in named), None)
        images = None if image is None else ImageColumn.of(fields, image, folder)
        catalog = Catalog(ids.to_numpy(catalog_ids), fields, text, images)
        catalog = catalog.take(pc.array_sort_indices(catalog_ids).to_numpy())
        users = id_column(events, "user_id", "interactions")
        values = timestamps = None
        if "value" in events.column_names:
            values = value_column(events, "interactions")
        if "timestamp" in events.column_names:
            timestamps = number_column(events, "timestamp", "interactions")
        if missing_text == "keep" and (image is None or catalog.text is None):
            raise DataError(
                "missing_text=keep without both a text and a picture of items",
                expected="items known by the one where they lack the other",
                remedy="Name `text` and `image`, or use missing_text=drop.",
            )
        usable = _has_text(catalog, missing_text)
        known = ids.positions(event_items, catalog.item_ids)
        rules: tuple[Kept, ...] = ()
        keep = np.ones(len(event_items), dtype=bool)
        if unknown_items == "drop":
            keep = known >= 0
            rules += keeps("unknown_items=drop", int(keep.sum()), len(keep))
        steps = [("missing_text=drop", usable)]
        if leave_out is not None:
            steps.append(("leave_out", ids.positions(ids.as_ids(catalog.item_ids), leave_out) < 0))
        left = np.ones(len(catalog), dtype=bool)
        for rule, good in steps:
            before, items_before = int(keep.sum()), int(left.sum())
            left &= good
            keep &= (known < 0) | left[known]
            rules += keeps(rule, int(left.sum()), items_before, "items")
            rules += keeps(rule, int(keep.sum()), before)
        if not left.all():
            catalog = catalog.take(left)
        if not keep.all():
            mask = pa.array(keep)
            users, event_items = users.filter(mask), event_items.filter(mask)
            values = None if values is None else values[keep]
            timestamps = None if timestamps is None else timestamps[keep]
        interactions = Interactions.from_arrays(
            users,
            event_items,
            values,
            timestamps,
            catalog_ids=catalog.item_ids,
            min_value=min_value,
            user_min_support=user_min_support,
            item_min_support=item_min_support,
            duplicates=duplicates,
        )
        interactions = replace(interactions, kept=(*rules, *interactions.kept))
        dataset = cls(folder.resolve().name, interactions, catalog)
        logger.info(
            f"{dataset.name}: {interactions.n_users:,} users, {len(interactions.used_items):,} "
            f"used items of {len(catalog):,}, {interactions.n_interactions:,} interactions"
        )
        return dataset

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, interactions, texts and pictures: what a result was computed on."""
        order = np.argsort(self.catalog.item_ids, kind="stable")
        texts = [] if self.catalog.text is None else [self.catalog.texts[i] for i in order]
        parts = [self.interactions.fingerprint()]
        if self.catalog.images is not None:
            parts += [self.catalog.images.digests[item] for item in order]
        return ids.digest(pa.array(texts, pa.large_string()), pa.array(parts))


def _has_text(catalog: Catalog, missing_text: str) -> np.ndarray:
    if catalog.text is None or missing_text == "keep":
        return np.ones(len(catalog), dtype=bool)
    has_text = np.array([bool(text) for text in catalog.texts])
    missing = int(np.count_nonzero(~has_text))
    if missing == len(catalog) or (missing and missing_text == "error"):
        first = ids.plain(catalog.item_ids[int(np.argmin(has_text))])
        raise DataError(
            f"{missing:,} of {len(catalog):,} items have no text from {catalog.text!r} "
            f"(first: {first!r})",
            expected="a text for every item",
            remedy="Name more columns in `text`, or set missing_text=drop to leave such items out.",
        )
    return has_text
