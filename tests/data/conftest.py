"""Dataset folders written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

WriteFolder = Callable[..., Path]


@pytest.fixture
def write_folder(tmp_path_factory) -> WriteFolder:
    """A function that writes both tables and returns the folder.

    A table is columns (written as `kind`), or the bytes or text of a CSV file, or None for no file.
    """

    def write(interactions: Any, items: Any, kind: str = "parquet") -> Path:
        folder = tmp_path_factory.mktemp("dataset")
        for stem, content in (("interactions", interactions), ("items", items)):
            if content is None:
                continue
            if isinstance(content, str | bytes):
                raw = content.encode() if isinstance(content, str) else content
                (folder / f"{stem}.csv").write_bytes(raw)
            elif kind == "csv":
                pacsv.write_csv(pa.table(content), folder / f"{stem}.csv")
            else:
                pq.write_table(pa.table(content), folder / f"{stem}.parquet")
        return folder

    return write
