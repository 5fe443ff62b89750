"""Reading a table of a dataset folder, with the columns that have a meaning under their names."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from beekit.data.columns import without_views
from beekit.data.ids import plain_integers
from beekit.data.table_file import ColumnNames, TableFile, as_columns
from beekit.data.table_parts import CSV, FoundTable, find_files, kind_of, read_parts
from beekit.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

# Columns that are numbers or times, in a file that does not say what its columns are.
_NUMBERS = ("value", "timestamp")


def read_table(folder: str | Path, stem: str, *, id_columns: tuple[str, ...]) -> pa.Table:
    """The table `stem` of a dataset folder: see `load_table`."""
    return load_table(folder, stem, id_columns=id_columns).table


def load_table(
    folder: str | Path,
    stem: str,
    named: TableFile | None = None,
    columns: ColumnNames | None = None,
    *,
    id_columns: tuple[str, ...],
    wanted: Collection[str] | None = None,
    pictures: str | None = None,
) -> FoundTable:
    """Read `<folder>/<stem>.parquet` or, where there is none, `<folder>/<stem>.csv`; or what is
    named instead.

    A CSV file is read as the text it holds, so that "007" stays "007"; only the columns `value` and
    `timestamp` become numbers or dates, and an id column becomes integers if all its values are
    plain integers.

    Args:
        folder: the dataset folder.
        stem: `interactions` or `items`.
        named: the file, and how it is written, where it is not called `stem`.
        columns: what files call columns that have a meaning; those of `named` go before.
        id_columns: columns that the table has to have.
        wanted: columns to read of JSON lines besides those with a meaning; all without it.
        pictures: a column of pictures; their bytes stay in their file.

    Raises:
        DataError: if there is no such folder or file, or if `read_file` refuses it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"no folder {folder}",
            expected="a dataset folder with interactions.parquet|csv and items.parquet|csv",
            remedy="Check the path given as `data`.",
        )
    files = find_files(folder, stem, named)
    return _read(folder, files, stem, named, columns, id_columns, wanted, pictures)


def read_file(
    path: str | Path, *, id_columns: tuple[str, ...], columns: ColumnNames | None = None
) -> pa.Table:
    """Read a file by its name, as Parquet, JSON lines or CSV, that has the id columns given.

    With `columns` the file may call columns as these say.

    Pictures embedded in Parquet stay there: of structs of `bytes` and `path` only the path is read.

    Raises:
        DataError: if there is no such file, if it is not what its name says, if it could be read in
            several ways, if an id column is missing, if a column name is repeated or differs only
            by spaces or capitals from a name that has a meaning, or if there are no rows.
    """
    path = Path(path)
    if not path.is_file():
        expected = "a Parquet or CSV file"
        raise DataError(f"no file {path}", expected=expected, remedy="Check the path.")
    return _read(path.parent, [path], "", None, columns, id_columns).table


def _read(
    folder: Path,
    files: list[Path],
    stem: str,
    named: TableFile | None,
    columns: ColumnNames | None,
    id_columns: tuple[str, ...],
    wanted: Collection[str] | None = None,
    pictures: str | None = None,
) -> FoundTable:
    """The files of a table as one, with the columns that have a meaning under their names."""
    path = files[0] if len(files) == 1 else files[0].parent
    own = as_columns(named and named.columns)
    means = (*id_columns, *(_NUMBERS if "user_id" in id_columns else ()))
    called = {ours: getattr(own, ours) or getattr(columns or own, ours) or ours for ours in means}
    idle = [key for key, name in own.content().items() if name and key not in means]
    if idle:
        expected = f"one of {', '.join(means)}"
        raise ConfigError(f"{stem}.columns.{idle[0]}", expected=expected, remedy="Leave it out.")
    if len(set(called.values())) < len(called):
        given = f"columns with one name for several of {', '.join(called)}"
        raise ConfigError(given, expected="a column for each", remedy="Correct the names.")
    numbers = [called.get(name, name) for name in _NUMBERS]
    found = read_parts(
        folder,
        files,
        named or TableFile.model_validate({"file": path.name}),
        ids=[called[name] for name in id_columns],
        numbers=numbers,
        wanted=None if wanted is None else [*called.values(), *wanted],
        pictures=pictures,
    )
    if kind_of(files[0]) == CSV and not (named and named.header):
        hint = ", or name the columns in `header` if the first line is none"
    else:
        hint = ""
    _require_names(found.names, called, id_columns, path.name, hint if stem else None)
    table = _renamed(found.table, called)
    if table.num_rows == 0:
        remedy = "Check how the file was written."
        raise DataError(f"{path} has no rows", expected="at least one row", remedy=remedy)
    for place, name in enumerate(table.column_names):
        column = without_views(table.column(place))
        if name in id_columns and kind_of(files[0]) == CSV:
            column = plain_integers(column.combine_chunks())
        if column is not table.column(place):
            table = table.set_column(place, name, column)
    names = {ours: theirs for ours, theirs in called.items() if ours in table.column_names}
    how = {"file": str(path.relative_to(folder)), **found.how, "columns": names}
    if stem:
        said = "".join(f", {key}={value!r}" for key, value in found.how.items() if key != "format")
        said += "".join(f", {ours} from {name}" for ours, name in names.items() if ours != name)
        unread = [name for name in found.names if name not in names.values()]
        if unread and "user_id" in names:
            said += f"; not read: {', '.join(unread)}"
        logger.info("%s: %s as %s%s", stem, how["file"], found.how["format"], said)
    return replace(found, table=table, how=how)


def _require_names(
    names: list[str],
    called: Mapping[str, str],
    id_columns: tuple[str, ...],
    source: str,
    hint: str | None,
) -> None:
    """Refuse names that occur twice, that are missing, or that a known one almost is.

    `hint` is what else may be done about a column that is not there, None where no configuration
    names columns.
    """
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            f"{source} has more than one column {', '.join(repeated)}",
            expected="distinct column names",
            remedy="Rename or remove the repeats.",
        )
    # Values that nobody reads would all count.
    for name in names:
        meant = name.strip().lower()
        if called.get(meant) == meant and meant not in names and name not in called.values():
            raise DataError(
                f"{source} has a column {name!r}",
                expected=f"the name {meant!r}, without spaces and capitals",
                remedy="Rename the column"
                + ("." if hint is None else f", or set columns: {{{meant}: {name!r}}}."),
            )
    for ours, theirs in called.items():
        if theirs not in names and (ours in id_columns or ours != theirs):
            remedy = f"Rename or add the column {theirs}."
            if hint is not None:
                near = difflib.get_close_matches(ours, names, n=1, cutoff=0.6)
                remedy = f"Name it, as in columns: {{{ours}: {near[0] if near else 'NAME'}}}{hint}."
            raise DataError(
                f"{source} has the columns {', '.join(names) or 'none'}",
                expected=f"a column {theirs}",
                remedy=remedy,
            )


def _renamed(table: pa.Table, called: Mapping[str, str]) -> pa.Table:
    """The table with the columns that have a meaning under the names they have here."""
    mapped = {ours: theirs for ours, theirs in called.items() if ours != theirs}
    if not mapped:
        return table
    # What is called as one of ours and is not meant has no name left.
    kept = [n for n in table.column_names if n not in mapped and n not in mapped.values()]
    columns = {ours: table.column(theirs) for ours, theirs in mapped.items()}
    return pa.table({**columns, **{name: table.column(name) for name in kept}})
