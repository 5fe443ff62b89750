"""Where a dataset's files are: asked before libraries that read tables are imported."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from beekit.errors import DataError

HUB = "hf://datasets/"
"""What the name of a dataset on the Hugging Face Hub begins with."""

_SUCH_AS = {"interactions": "ratings.csv", "items": "movies.csv"}
_ON_HUB = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?/?")


def on_hub(named: str | Path) -> re.Match[str] | None:
    """The parts `repo` and `revision` of `hf://datasets/user/name@revision`; None for a folder.

    Raises:
        DataError: if the name begins like one of the Hub, and is none.
    """
    if not str(named).startswith(HUB):
        return None
    found = _ON_HUB.fullmatch(str(named).removeprefix(HUB))
    if found is None:
        remedy = "Name files in it with `interactions` and `items`."
        raise DataError(f"data={named}", expected=f"{HUB}user/name", remedy=remedy)
    return found


def dataset_name(named: str | Path) -> str:
    """What a dataset is called: by its folder, or by its repository on the Hub."""
    found = on_hub(named)
    return Path(named).resolve().name if found is None else found["repo"].partition("/")[2]


def require_data_folder(folder: str | Path) -> None:
    """Check that a dataset folder exists; one on the Hub is looked for when it is read.

    Raises:
        DataError: if there is no such folder.
    """
    if on_hub(folder):
        return
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder}, which is no folder" if folder.exists() else f"no folder {folder}",
            expected="a dataset folder with interactions.parquet|csv and items.parquet|csv",
            remedy="Check the path given as `data`.",
        )


def named_files(folder: Path, key: str, name: str) -> list[Path]:
    """The files, or folders of parts, that `interactions` or `items` names: one, or those of a
    pattern in order, without hidden ones.

    Raises:
        DataError: if there is none.
    """
    path = folder / name
    try:
        if path.exists():
            return [path]
        if found := sorted(p for p in folder.glob(name) if not is_hidden(p.relative_to(folder))):
            return found
    except (ValueError, OSError) as error:  # a pattern or a name that no file can have
        remedy = "Correct the name."
        raise DataError(f"{key}={name!r} ({error})", expected="a file", remedy=remedy) from error
    near = difflib.get_close_matches(name, [p.name for p in folder.iterdir()], n=1)
    raise DataError(
        f"no {name} in {folder}, which holds {present(folder)}",
        expected=f"the file that `{key}` names",
        remedy=f"Did you mean {near[0]}?" if near else "Correct the name.",
    )


def require_table(folder: Path, key: str) -> None:
    """Check that a folder holds a file or folder of the usual name of a table.

    Raises:
        DataError: if it holds none.
    """
    if not any(p.name == key or p.name.startswith(f"{key}.") for p in folder.iterdir()):
        raise not_one_table(folder, key, present(folder))


def not_one_table(folder: Path, key: str, holds: str) -> DataError:
    """The error for a folder that does not hold one table of the usual name."""
    return DataError(
        f"{folder} holds {holds}",
        expected=f"{key}.parquet or {key}.csv in it",
        remedy=f"Name it, such as {key}: {_SUCH_AS.get(key, 'FILE')}, or correct `data`.",
    )


def present(folder: Path) -> str:
    """The names of a folder's first files, for messages."""
    return ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"


def is_hidden(path: Path) -> bool:
    """Whether a part of a path begins with a dot, or with an underscore, as Spark's marks do."""
    return any(name.startswith((".", "_")) for name in path.parts)
