"""Where a dataset's files are: asked before libraries that read tables are imported."""

from __future__ import annotations

import difflib
from pathlib import Path

from beekit.errors import DataError

HUB = "hf://datasets/"
"""What the name of a dataset on the Hugging Face Hub begins with."""


def require_data_folder(folder: str | Path) -> None:
    """Check that a dataset folder exists; one on the Hub is looked for when it is read.

    Raises:
        DataError: if there is no such folder.
    """
    if str(folder).startswith(HUB):
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
    if path.exists():
        return [path]
    if found := sorted(p for p in folder.glob(name) if not is_hidden(p.relative_to(folder))):
        return found
    near = difflib.get_close_matches(name, [p.name for p in folder.iterdir()], n=1)
    raise DataError(
        f"no {name} in {folder}, which holds {present(folder)}",
        expected=f"the file that `{key}` names",
        remedy=f"Did you mean {near[0]}?" if near else "Correct the name.",
    )


def present(folder: Path) -> str:
    """The names of a folder's first files, for messages."""
    return ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"


def is_hidden(path: Path) -> bool:
    """Whether a part of a path begins with a dot, or with an underscore, as Spark's marks do."""
    return any(name.startswith((".", "_")) for name in path.parts)
