"""Where the pictures of a catalog lie: as files, or inside the items table itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beekit.data.columns import decoded, is_bytes
from beekit.data.header import require_picture_column
from beekit.data.ids import is_text
from beekit.data.images import EMPTY, MISSING, UNREADABLE, UnusableImageError
from beekit.data.table_parts import PARQUET, kind_of
from beekit.errors import DataError

# Rows of a Parquet file read at once: a few MB of pictures.
_ROWS = 64


@dataclass(frozen=True)
class ImageColumn:
    """The picture of each item; files are read when they are asked for, a few at a time."""

    # (items,) relative to the folder; null where an item has none, or an embedded picture.
    paths: pa.ChunkedArray
    folder: Path
    name: str = "image"  # of the column
    # Parquet files, one after the other, whose column holds bytes, or structs of `bytes` and
    # perhaps `path`, as the `datasets` library keeps images; none where there are only paths.
    tables: tuple[Path, ...] = ()
    rows: np.ndarray | None = None  # (items,) rows of the items in those files
    # Bytes that are in memory, or mapped into it, of a table that is no Parquet.
    held: pa.ChunkedArray | None = None

    @classmethod
    def of(
        cls, fields: pa.Table, name: str, folder: Path, tables: tuple[Path, ...] = ()
    ) -> ImageColumn:
        """The column of an items table as `load_table` leaves it, of a dataset's folder.

        Args:
            fields: the table.
            name: of the column.
            folder: of the dataset; paths are those of files below `images/` in it.
            tables: the files of the table; `items.parquet` without them.

        Raises:
            DataError: if the table has no such column, or if the column holds neither paths nor
                bytes nor structs of them.
        """
        require_picture_column(name, fields.column_names)
        remedy = "Name the column that holds the pictures."
        column = decoded(fields.column(name))
        tables = tables or (folder / "items.parquet",)
        if not all(kind_of(table) == PARQUET for table in tables):
            tables = ()
        rows = np.arange(len(column))
        inside = column.type if pa.types.is_struct(column.type) else pa.struct([])
        path = pa.chunked_array([pa.nulls(len(column), pa.large_string())])
        if inside.get_field_index("path") >= 0:
            path = decoded(pc.struct_field(column, "path"))
        if not tables and inside.get_field_index("bytes") >= 0:
            return cls(path, folder / "images", name, (), rows, pc.struct_field(column, "bytes"))
        if not tables and is_bytes(column.type):
            return cls(path, folder / "images", name, (), rows, column)
        if inside.get_field_index("path") >= 0:
            return cls(path, folder / "images", name, tables, rows)
        if pa.types.is_null(column.type) or is_text(column.type):
            if tables and tables[0].is_file() and _holds_bytes(tables[0], name):
                return cls(path, folder / "images", name, tables, rows)
            return cls(column.cast(pa.large_string()), folder / "images", name)
        raise DataError(
            f"column {name!r} of the items has type {column.type}",
            expected="paths below images/, bytes, or structs of bytes and path",
            remedy=remedy,
        )

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, item_indices: np.ndarray) -> ImageColumn:
        """The pictures of some items, in that order."""
        rows = None if self.rows is None else self.rows[item_indices]
        return replace(self, paths=self.paths.take(pa.array(item_indices)), rows=rows)

    @cached_property
    def digests(self) -> list[str]:
        """(items,) SHA-256 of each picture's file; "-" and the reason where there is none."""
        digests = [""] * len(self)
        for index, data in self.stream(np.arange(len(self))):
            if isinstance(data, UnusableImageError):
                digests[index] = f"-{data.kind}"
            else:
                digests[index] = hashlib.sha256(data).hexdigest()
        return digests

    def in_file_order(self, item_indices: np.ndarray) -> np.ndarray:
        """The same items as they follow each other in the file that holds their pictures."""
        if self.rows is None:
            return item_indices
        return np.asarray(item_indices[np.argsort(self.rows[item_indices], kind="stable")])

    def read(self, item_index: int) -> bytes:
        """The file of an item's picture.

        Raises:
            UnusableImageError: if there is no picture, or if it is empty or cannot be read.
        """
        ((_, data),) = self.stream(np.array([item_index]))
        if isinstance(data, UnusableImageError):
            raise data
        return data

    def stream(self, item_indices: np.ndarray) -> Iterator[tuple[int, bytes | UnusableImageError]]:
        """Distinct items and the files of their pictures, or why there is none.

        A few are in memory at a time. They come as `in_file_order` has them.
        """
        item_indices = self.in_file_order(np.asarray(item_indices))
        embedded = self._embedded(item_indices)
        for index, path in zip(
            item_indices.tolist(), self.paths.take(pa.array(item_indices)).to_pylist(), strict=True
        ):
            data = next(embedded, None)
            if data is not None:
                yield index, data or _none(EMPTY, f"the embedded picture of item {index}")
            else:
                yield index, self._file(index, path)

    def _embedded(self, item_indices: np.ndarray) -> Iterator[bytes | None]:
        """The bytes that the items table holds for these items."""
        if self.rows is None:
            return
        wanted = self.rows[item_indices]
        if self.held is not None:
            for row in wanted.tolist():
                yield self.held[row].as_py()
        first = 0
        for table in self.tables:
            with pq.ParquetFile(table, buffer_size=2**20) as file:
                rows = file.metadata.num_rows
                own = wanted[(wanted >= first) & (wanted < first + rows)] - first
                yield from _bytes_of(file, self.name, own)
                first += rows

    def _file(self, index: int, path: str | None) -> bytes | UnusableImageError:
        if not path:
            return _none(MISSING, f"no picture for item {index}")
        # Links below the folder are followed, as snapshots of the Hub consist of them; a path that
        # climbs out of it is not.
        inside = PurePath(path)
        if inside.is_absolute() or ".." in inside.parts:
            return _none(MISSING, f"the path {path}, which is not below {self.folder},")
        file = self.folder / inside
        try:
            if not file.is_file():
                return _none(MISSING, f"no file {path} in {self.folder}")
            return file.read_bytes() or _none(EMPTY, str(file))
        except (OSError, ValueError) as error:
            return _none(UNREADABLE, f"{path!r} ({error})")


def _holds_bytes(table: Path, name: str) -> bool:
    """Whether the column of a Parquet file holds bytes, alone or in structs."""
    kind = pq.read_schema(table).field(name).type
    return is_bytes(kind) or (pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _bytes_of(file: pq.ParquetFile, name: str, wanted: np.ndarray) -> Iterator[bytes | None]:
    """What the column of a file holds in these rows, which ascend."""
    kind = file.schema_arrow.field(name).type
    struct = pa.types.is_struct(kind)
    if not len(wanted) or (struct and kind.get_field_index("bytes") < 0):
        return
    column = [f"{name}.bytes" if struct else name]
    sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
    ends = np.cumsum(sizes)
    groups = np.unique(np.searchsorted(ends, wanted, side="right"))
    for group in groups.tolist():
        begin = int(ends[group]) - sizes[group]
        # Without threads, which a forked worker process must not count on.
        for batch in file.iter_batches(_ROWS, [group], column, use_threads=False):
            inside = wanted[(wanted >= begin) & (wanted < begin + len(batch))] - begin
            if len(inside):
                data = batch.column(0)
                data = pc.struct_field(data, "bytes") if struct else data
                yield from data.take(pa.array(inside)).to_pylist()
            begin += len(batch)


def _none(kind: str, found: str) -> UnusableImageError:
    return UnusableImageError(kind, f"{found} is empty" if kind == EMPTY else found)
