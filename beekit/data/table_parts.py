"""Finding a table in a dataset folder, and reading it whole: one file, or a folder of parts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from beekit.data.columns import decoded, is_bytes
from beekit.data.csv_table import PACKED, opened, read_csv, reason
from beekit.data.json_table import read_json_lines
from beekit.data.table_file import TableFile
from beekit.data_folder import is_hidden, named_files, not_one_table, present
from beekit.errors import DataError

PARQUET, JSON, CSV, SAVED = "Parquet", "JSON", "CSV", "a saved datasets folder"
_KINDS = {
    **dict.fromkeys((".parquet", ".pq", ".parq"), PARQUET),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), JSON),
    **dict.fromkeys((".csv", ".tsv"), CSV),
}
# What only other programs read; any other name than these is one of a text with separators.
_FOREIGN = (".zip", ".tar", ".tgz", ".rar", ".7z", ".xz", ".xlsx", ".xls", ".pkl", ".sqlite", ".db")
# What the `datasets` library writes beside a table of its own, and beside several.
_SAVED, _SEVERAL = "state.json", "dataset_dict.json"


@dataclass(frozen=True)
class FoundTable:
    """A table as it was read, where it was found, and how it was read."""

    table: pa.Table
    files: tuple[Path, ...]
    how: dict[str, Any]
    names: list[str]  # of all columns, also of those that were not read


def find_files(folder: Path, stem: str, named: TableFile | None) -> list[Path]:
    """The files of a table in order: of the name given, or else of its own.

    Without a name it is `<stem>.parquet`, then `<stem>.csv`, then what else has that name. Hidden
    files, and those that begin with an underscore, as Spark marks what it finished, are no parts.
    """
    if named is None:
        for path in (folder / f"{stem}.parquet", folder / f"{stem}.csv"):
            if path.exists():
                return _parts(path)
        other = sorted(p for p in folder.iterdir() if p.name == stem or _is_table(p, stem))
        if len(other) == 1:
            return _parts(other[0])
        listed = ", ".join(p.name for p in other) or present(folder)
        raise not_one_table(folder, stem, listed)
    return [part for one in named_files(folder, stem, named.file) for part in _parts(one)]


def has_table(folder: Path, stem: str) -> bool:
    """Whether a folder has a table of this name, in whatever form."""
    return folder.is_dir() and any(p.name == stem or _is_table(p, stem) for p in folder.iterdir())


def _is_table(path: Path, stem: str) -> bool:
    return path.name.startswith(f"{stem}.") and _suffix(path) in _KINDS


def _parts(path: Path) -> list[Path]:
    if not path.is_dir() or (path / _SAVED).is_file():
        return [path]
    if (path / _SEVERAL).is_file():
        splits = ", ".join(p.name for p in sorted(path.iterdir()) if p.is_dir())
        expected = "one of them"
        remedy = f"Name it, such as {path.name}/{splits.split(', ')[0]}."
        raise DataError(f"{path} holds the splits {splits}", expected=expected, remedy=remedy)
    parts = [p for p in sorted(path.rglob("*")) if not is_hidden(p.relative_to(path))]
    # What is empty holds no row: Spark writes such parts.
    parts = [part for part in parts if part.is_file() and part.stat().st_size]
    if not parts:
        found, expected = f"{path} holds no file with rows", "the parts of a table"
        raise DataError(found, expected=expected, remedy="Check how it was written.")
    return parts


def _suffix(path: Path) -> str:
    """Of the name, less the suffix of its compression."""
    name = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return name.suffix.lower()


def kind_of(path: Path) -> str:
    """The format of a file by its name; text with separators where that says nothing."""
    if path.is_dir():
        return SAVED
    if path.suffix.lower() in _FOREIGN:
        raise DataError(
            f"{path} is a {path.suffix} file",
            expected="Parquet, CSV or JSON lines, as they are or as .gz, .bz2 or .zst",
            remedy="Unpack it, or write it as one of these.",
        )
    return _KINDS.get(_suffix(path), CSV)


def read_parts(
    folder: Path,
    files: list[Path],
    named: TableFile,
    *,
    ids: Collection[str],
    numbers: Collection[str],
    wanted: Collection[str] | None,
    pictures: str | None,
) -> FoundTable:
    """All parts of a table as one, and how they were read.

    Args:
        folder: of the dataset.
        files: as `find_files` has them.
        named: the keys that say how CSV and JSON are written.
        ids: the columns that the table has to have, under the file's names.
        numbers: columns that are numbers or dates in CSV.
        wanted: keys to read of JSON; all without it.
        pictures: a column of pictures, whose bytes stay in their Parquet files.

    Raises:
        DataError: if a part cannot be read, if keys are given that have no effect on its format, or
            if the parts differ in format or columns.
    """
    files = [file for file in files if not files[1:] or _holds_something(file)] or files
    kinds = {kind_of(file): file for file in reversed(files)}
    if len(kinds) > 1:
        unlike = " and ".join(f"{file.name} ({kind})" for kind, file in kinds.items())
        raise DataError(
            f"the parts {unlike} of one table",
            expected="parts of one format",
            remedy="Name a pattern that fits the parts alone, such as part-*.parquet.",
        )
    ((kind, first),) = kinds.items()
    _require_effect(named, kind, first)
    if kind == JSON:
        table, found = read_json_lines(files, named.encoding, wanted)
        names = found.pop("keys")
        return FoundTable(table, tuple(files), {**found, **_number(files)}, names)
    tables: list[pa.Table] = []
    how: dict[str, Any] = {}
    for file in files:
        if kind == CSV:
            table, found = read_csv(file, named, ids, numbers)
        elif kind == PARQUET:
            table, found = read_parquet(file, pictures), {"format": PARQUET}
        else:
            table, found = _read_saved(file), {"format": SAVED}
        tables.append(_with_partitions(table, file.relative_to(folder)))
        if files[1:]:  # a column may be a dictionary in some parts, and plain in others
            plain = {name: decoded(tables[-1].column(name)) for name in tables[-1].column_names}
            tables[-1] = pa.table(plain)
        how = found if file is files[0] else how
        if found != how:
            raise _unlike(files[0], file, how, found)
        if set(tables[-1].column_names) != set(tables[0].column_names):
            raise _unlike(files[0], file, tables[0].column_names, tables[-1].column_names)
    try:
        table = tables[0]
        if tables[1:]:
            table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(
            f"the parts of {files[0].parent} do not fit together ({reason(error)})",
            expected="columns of the same types in every part",
            remedy="Write the table again.",
        ) from error
    return FoundTable(table, tuple(files), {**how, **_number(files)}, table.column_names)


def _holds_something(file: Path) -> bool:
    """Whether a part has a first byte, decompressed; Spark writes some that have none."""
    if file.is_dir() or kind_of(file) == PARQUET:
        return True
    try:
        with opened(file) as content:
            return bool(content.read(1))
    except (pa.ArrowException, OSError):
        return True  # damaged, as is said when it is read


def _number(files: list[Path]) -> dict[str, int]:
    return {"parts": len(files)} if len(files) > 1 else {}


def read_parquet(path: Path, pictures: str | None = None) -> pa.Table:
    """A Parquet file without the bytes of its pictures: of their structs only the path is read."""
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            table = file.read(columns=_without_pictures(schema, pictures))
        table.validate(full=True)  # text that is not UTF-8 shows nowhere else
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} cannot be read as Parquet ({reason(error)})",
            expected="a Parquet file",
            remedy="Write it again, or name it .csv if it is one.",
        ) from error
    if pictures in schema.names and pictures not in table.column_names:
        table = table.append_column(pictures, pa.nulls(len(table), pa.large_string()))
    return table


def _without_pictures(schema: pa.Schema, pictures: str | None) -> list[str]:
    """The columns to read: of embedded pictures their paths alone, however small the catalog."""
    columns = []
    for one in schema:
        inside = {f.name for f in one.type} if pa.types.is_struct(one.type) else set()
        if {"bytes", "path"} <= inside:
            columns.append(f"{one.name}.path")
        elif one.name != pictures or not ("bytes" in inside or is_bytes(one.type)):
            columns.append(one.name)
    return columns


def _read_saved(path: Path) -> pa.Table:
    """The table that the `datasets` library saved with `save_to_disk`."""
    import datasets

    try:
        table = datasets.load_from_disk(str(path)).with_format("arrow")[:]
    except Exception as error:  # whatever the library meets in a damaged folder
        raise DataError(
            f"{path} cannot be read by datasets.load_from_disk ({reason(error)})",
            expected="a folder as save_to_disk writes it",
            remedy="Write it again.",
        ) from error
    return table.replace_schema_metadata(None)


def _with_partitions(table: pa.Table, path: Path) -> pa.Table:
    """With the columns that the folders `name=value` of a part stand for."""
    for name in path.parts[:-1]:
        column, equals, value = name.partition("=")
        if equals and column not in table.column_names:
            values = pa.repeat(pa.scalar(unquote(value), pa.large_string()), len(table))
            table = table.append_column(column, values)
    return table


def _require_effect(named: TableFile, kind: str, path: Path) -> None:
    without = named.of_csv if kind != CSV else []
    if named.encoding is not None and kind not in (CSV, JSON):
        without.append("encoding")
    if without:
        raise DataError(
            f"{', '.join(without)} for {path.name}, which is {kind}",
            expected="keys that have an effect on this format",
            remedy="Remove them.",
        )


def _unlike(first: Path, other: Path, one: object, two: object) -> DataError:
    return DataError(
        f"the parts {first.name} and {other.name} differ ({one} and {two})",
        expected="parts written alike",
        remedy="Write the table again, or name a pattern that fits the parts alone.",
    )
