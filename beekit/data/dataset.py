"""A dataset folder as interactions and catalog that fit together."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beekit.data import ids
from beekit.data.catalog import Catalog
from beekit.data.columns import id_column, number_column, value_column
from beekit.data.hub_folder import dataset_folder
from beekit.data.image_column import ImageColumn
from beekit.data.interactions import Interactions, require_policy
from beekit.data.rules import Duplicates, Kept, MissingItems, MissingText, UnknownItems, keeps
from beekit.data.table_file import as_columns, as_table
from beekit.data.table_parts import has_table
from beekit.data.tables import load_table
from beekit.data.template import template_columns
from beekit.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dataset:
    """Interactions whose columns are the rows of a catalog.

    Attributes:
        name: the folder's name.
        interactions: X (users, items).
        catalog: the same items in the same order, those nobody used included.
        tables: how `interactions` and `items` were read; empty where they come from no folder.
    """

    name: str
    interactions: Interactions
    catalog: Catalog
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

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
        interactions: str | Mapping[str, Any] | None = None,
        items: str | Mapping[str, Any] | None = None,
        columns: Mapping[str, str] | None = None,
        text: str | None = None,
        image: str | None = None,
        leave_out: np.ndarray | None = None,
        min_value: float | None = None,
        user_min_support: int = 1,
        item_min_support: int = 1,
        unknown_items: str = "error",
        missing_text: str = "error",
        duplicates: str = "error",
        missing_items: str = "error",
    ) -> Dataset:
        """Read a dataset folder: `interactions.parquet|csv` and `items.parquet|csv`, or the files
        that are named.

        Users and items are in the order of their ids, whatever the order of rows in the files.

        Args:
            folder: holds user_id, item_id, optional value and timestamp in the one table, item_id
                and any further columns in the other; or `hf://datasets/user/name`, a dataset of the
                Hub.
            interactions, items: their files in the folder, where they have other names; as keys and
                values, such as `{"file": "u.data", "separator": "tab"}`, also how they are written:
                see `TableFile`.
            columns: what the files call user_id, item_id, value and timestamp, where it is
                something else: `{"user_id": "userId"}`. A timestamp may also be a place in the
                user's history.
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
            duplicates: "error", or "merge" repeated (user, item) pairs, and rows of items that are
                the same in every column.
            missing_items: "error", or "ids" to know items by their ids alone where the folder has
                no items table.

        Raises:
            DataError: if the folder or one of its tables is missing or not as described, if an
                argument does not fit them, or if no user or no text is left; a fault is repaired
                only where `unknown_items`, `missing_text` or `duplicates` says so.
            ConfigError: if `interactions`, `items` or `columns` have unknown keys or values.
        """
        require_policy("unknown_items", unknown_items, UnknownItems)
        require_policy("missing_text", missing_text, MissingText)
        require_policy("duplicates", duplicates, Duplicates)
        require_policy("missing_items", missing_items, MissingItems)
        named = {"interactions": as_table("interactions", interactions)}
        named["items"] = as_table("items", items)
        called = as_columns(columns)
        folder, name = dataset_folder(folder)
        shown = ("text", "title", *([image] if image else []))
        by_id = missing_items == "ids" and items is text is image is None
        item_table = None
        if not by_id or has_table(folder, "items"):
            item_table = load_table(
                folder,
                "items",
                named["items"],
                called,
                id_columns=("item_id",),
                wanted=[*shown, *(template_columns(text) if text else ())],
                pictures=image,
            )
        event_table = load_table(
            folder,
            "interactions",
            named["interactions"],
            called,
            id_columns=("user_id", "item_id"),
            wanted=(),
        )
        events = event_table.table
        if item_table is None:
            logger.info("items: no table, so that they are known by their ids alone")
            goods = pa.table({"item_id": id_column(events, "item_id", "interactions").unique()})
        else:
            goods = item_table.table
        if duplicates == "merge":
            goods = _once(goods)
        catalog_ids, event_items = ids.same_kind(
            id_column(goods, "item_id", "items"), id_column(events, "item_id", "interactions")
        )
        fields = goods.drop_columns("item_id")
        if text is None and image is None:
            usual = (name for name in ("text", "title") if name in goods.column_names)
            text = next((f"{{{name}}}" for name in usual), None)
        files = () if item_table is None else item_table.files
        images = None if image is None else ImageColumn.of(fields, image, folder, files)
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
            if not keep.all():
                unknown = event_items.filter(pa.array(~keep))
                if near := ids.nearly(unknown, ids.as_ids(catalog.item_ids)):
                    logger.warning("unknown_items=drop: of the items left out, %s", near)
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
        matrix = Interactions.from_arrays(
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
        matrix = replace(matrix, kept=(*rules, *matrix.kept))
        read = {"interactions": event_table.how}
        read |= {} if item_table is None else {"items": item_table.how}
        dataset = cls(name, matrix, catalog, read)
        logger.info(
            f"{dataset.name}: {matrix.n_users:,} users, {len(matrix.used_items):,} "
            f"used items of {len(catalog):,}, {matrix.n_interactions:,} interactions"
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


def _once(items: pa.Table) -> pa.Table:
    """The items table with a row that is repeated as a whole once; rows of one id may differ."""
    counts = pc.value_counts(items["item_id"].combine_chunks())
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    of_these = pc.is_in(items["item_id"], value_set=repeated)
    rows = np.flatnonzero(of_these.to_numpy(zero_copy_only=False))
    seen, again = set(), np.zeros(len(items), dtype=bool)
    for row, content in zip(rows, items.take(pa.array(rows)).to_pylist(), strict=True):
        again[row] = (text := repr(content)) in seen
        seen.add(text)
    keeps("duplicates=merge", len(items) - int(again.sum()), len(items), "items")
    return items.filter(pa.array(~again)) if again.any() else items


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
