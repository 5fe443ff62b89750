"""The columns of an items table, read in a moment, so that a wrong name shows at once."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from beekit.data.template import require_columns
from beekit.errors import DataError


def require_item_columns(items: Path, text: str | None, image: str | None) -> None:
    """Check that an items table has the columns that a text template and `image` name.

    Tables whose columns take reading to know, such as CSV with another separator, are not checked.

    Raises:
        DataError: if a column is missing.
    """
    names = _names(items)
    if names is None or "item_id" not in names:
        return
    fields = [name for name in names if name != "item_id"]
    if text is not None:
        require_columns(text, fields)
    if image is not None:
        require_picture_column(image, fields)


def require_picture_column(image: str, fields: list[str]) -> None:
    """Check that `image` is one of the columns of an items table.

    Raises:
        DataError: if it is not.
    """
    if image not in fields:
        found, known = f"no column {image!r} in the items table", ", ".join(fields)
        remedy = "Name the column that holds the pictures."
        raise DataError(found, expected=f"one of {known}", remedy=remedy)


def _names(path: Path) -> list[str] | None:
    if path.suffix == ".parquet" and path.is_file():
        try:
            return list(pq.read_schema(path).names)
        except (pa.ArrowException, OSError):
            return None  # as is said when it is read
    if path.suffix != ".csv" or not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file), None)
    except (csv.Error, UnicodeError):
        return None
