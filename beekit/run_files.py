"""Reading the files of a run; a broken file is an error in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from beekit.errors import RunError
from beekit.finite import finite_vectors
from beekit.lazy_names import LazyModule

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
else:
    pa = LazyModule("pyarrow")
    pq = LazyModule("pyarrow.parquet")

_AGAIN = "Make the run again with this version of beekit, or restore the file from a copy."


def read_json(path: str | Path, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """The object in a JSON file of a run.

    Raises:
        RunError: if the file holds no object, or if a key is missing.
    """
    content = parse_json(path)
    if not isinstance(content, dict):
        raise broken(path, f"a {type(content).__name__}", "a JSON object written by beekit")
    missing = [key for key in keys if key not in content]
    if missing:
        raise broken(path, f"no {', '.join(missing)}", "JSON written by beekit")
    return content


def parse_json(path: str | Path) -> Any:
    """The content of a JSON file of a run.

    Raises:
        RunError: if it cannot be read.
    """
    try:
        content: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        json.dumps(content, ensure_ascii=False).encode()  # fails for half of a surrogate pair
    except (ValueError, OSError, RecursionError) as problem:
        raise broken(path, _one_line(problem), "JSON written by beekit") from problem
    return content


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file of a run.

    Raises:
        RunError: if the file cannot be read or holds no mapping.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, OSError, RecursionError) as problem:
        raise broken(path, _one_line(problem), "YAML written by beekit") from problem
    if not isinstance(content, dict):
        raise broken(path, f"a {type(content).__name__}", "keys and values written by beekit")
    return content


def read_vectors(path: str | Path, like: np.ndarray, item_ids: np.ndarray) -> np.ndarray:
    """The vectors in a .npy file of a run's index.

    Raises:
        RunError: if they cannot be read, are not finite, or do not have the shape of `like`.
    """
    again = "Make the index again with `beekit index RUN`."
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as problem:
        expected = "the file written with the index"
        raise broken(path, _one_line(problem), expected, again) from problem
    rows, dims = like.shape
    return finite_vectors(
        found, str(path), item_ids, rows=rows, dims=dims, remedy=again, error=RunError
    )


def read_parquet(path: str | Path, columns: tuple[str, ...]) -> pa.Table:
    """The table in a Parquet file of a run.

    Raises:
        RunError: if the file cannot be read, or if a column is missing.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, ValueError, OSError) as problem:
        raise broken(path, _one_line(problem), "Parquet written by beekit") from problem
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise broken(path, f"no column {', '.join(missing)}", "Parquet written by beekit")
    return table


def broken(path: str | Path, found: str, expected: str, remedy: str = _AGAIN) -> RunError:
    """The error for a file of a run that cannot be used."""
    return RunError(f"{path} cannot be read ({found})", expected=expected, remedy=remedy)


def _one_line(problem: Exception) -> str:
    return " ".join(str(problem).split())[:120] or type(problem).__name__
