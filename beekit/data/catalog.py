"""What is known of items: ids, fields, and the text and picture an encoder reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from beekit.data import ids
from beekit.data.image_column import ImageColumn
from beekit.data.template import render
from beekit.errors import DataError


@dataclass(frozen=True)
class Catalog:
    """Items in item order; row i is item_index i everywhere in beekit.

    Attributes:
        item_ids: (items,) the caller's ids, distinct.
        fields: one row an item, the columns of the items table without item_id.
        text: template over the fields, or None for a catalog without text.
        images: where the items' pictures are, or None for a catalog without.

    Raises:
        DataError: if an id is missing or occurs twice, if ids are neither integers nor strings, or
            if `fields` has columns but not one row for each item.
    """

    item_ids: np.ndarray
    fields: pa.Table
    text: str | None = None
    images: ImageColumn | None = None

    def __post_init__(self) -> None:
        if self.fields.num_columns and self.fields.num_rows != len(self.item_ids):
            raise DataError(
                f"{self.fields.num_rows:,} rows of fields for {len(self.item_ids):,} items",
                expected="one row an item",
                remedy="Pass fields of the same items.",
            )
        ids.require_distinct(self.item_ids, "the items table")

    def __len__(self) -> int:
        return len(self.item_ids)

    @cached_property
    def texts(self) -> list[str]:
        """(items,) rendered texts; "" for an item whose named fields are all empty."""
        if self.text is None:
            raise DataError(
                "the catalog has no text template",
                expected="a template such as '{title}'",
                remedy="Pass text='{title}' or another column of the items table.",
            )
        texts: list[str] = render(self.text, self.fields).to_pylist()
        return texts

    def labels(self, item_indices: np.ndarray) -> list[str]:
        """Short names of items for people: the title where there is one, else the id."""
        if "title" in self.fields.column_names:
            titles = self.fields.column("title").take(pa.array(item_indices)).to_pylist()
        else:
            titles = [None] * len(item_indices)
        return [
            str(title) if title else str(self.item_ids[index])
            for title, index in zip(titles, item_indices, strict=True)
        ]

    def take(self, items: np.ndarray) -> Catalog:
        """The catalog of some items: a mask (bool, items), or item indices in another order."""
        chosen = np.flatnonzero(items) if items.dtype == bool else items
        images = None if self.images is None else self.images.take(chosen)
        return Catalog(self.item_ids[chosen], self.fields.take(chosen), self.text, images)
