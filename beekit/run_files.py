"""Files of a run as they are read again: whole and as written, or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from beekit.errors import RunError

_SCHEMA = 1
_AGAIN = "Make the run again with this version of beekit, or restore the file from a copy."


def read_results(folder: str | Path) -> dict[str, Any]:
    """What a finished run measured: `results.json`, with the keys that every reader needs.

    Raises:
        RunError: if the run is not finished, or if the file is broken, of another schema, or lacks
            a key.
    """
    path = Path(folder) / "results.json"
    if not path.is_file():
        raise RunError(
            f"no results.json in {folder}",
            expected="a finished run folder",
            remedy="Check the path, or finish the run.",
        )
    results = read_json(path)
    schema = results.get("schema")
    if schema != _SCHEMA:
        raise broken(path, f"schema {schema!r}", f"results of schema {_SCHEMA}")
    several = "datasets" in results
    kinds = {"rows": list, **({"datasets": list} if several else {"dataset": dict, "split": dict})}
    wrong = [key for key, kind in kinds.items() if not isinstance(results.get(key), kind)]
    about = results["datasets"] if several and not wrong else [results]
    if not wrong:
        wrong += [f"rows.{key}" for key in _missing(results["rows"], _OF_ROW)]
        wrong += (
            [f"dataset.{key}" for key in _missing(results["datasets"], ("name", "split"))]
            if (several)
            else []
        )
        wrong += [
            f"split.{key}" for key in _missing([one.get("split") for one in about], _OF_SPLIT)
        ]
    if wrong:
        raise broken(path, f"nothing of use under {', '.join(wrong)}", "what a finished run writes")
    return results


_OF_ROW = ("model", "scenario", "metrics")
_OF_SPLIT = ("kind", "hash")


def _missing(sections: list[Any], names: tuple[str, ...]) -> list[str]:
    """Names that some of the sections lack."""
    return [
        name for name in names if not all(isinstance(one, dict) and name in one for one in sections)
    ]


def read_json(path: str | Path, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """The object in a JSON file of a run, which has at least these keys.

    Raises:
        RunError: if the file cannot be read, if it does not hold an object, or if it lacks one of
            `keys`.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as problem:
        raise broken(path, _one_line(problem), "JSON as beekit writes it") from problem
    if not isinstance(content, dict):
        raise broken(path, f"a {type(content).__name__}", "a JSON object as beekit writes it")
    missing = [key for key in keys if key not in content]
    if missing:
        raise broken(path, f"no {', '.join(missing)}", "JSON as beekit writes it")
    return content


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file of a run.

    Raises:
        RunError: if the file cannot be read, or if it does not hold keys and values.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, OSError, RecursionError) as problem:
        raise broken(path, _one_line(problem), "YAML as beekit writes it") from problem
    if not isinstance(content, dict):
        raise broken(path, f"a {type(content).__name__}", "keys and values as beekit writes them")
    return content


def read_parquet(path: str | Path, columns: tuple[str, ...]) -> pa.Table:
    """A Parquet file of a run, which has at least these columns.

    Raises:
        RunError: if the file cannot be read, or if it lacks one of `columns`.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, ValueError, OSError) as problem:
        raise broken(path, _one_line(problem), "Parquet as beekit writes it") from problem
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise broken(path, f"no column {', '.join(missing)}", "Parquet as beekit writes it")
    return table


def broken(path: str | Path, found: str, expected: str) -> RunError:
    """The error for a file of a run that is not as it was written."""
    return RunError(f"{path} cannot be read ({found})", expected=expected, remedy=_AGAIN)


def _one_line(problem: Exception) -> str:
    return " ".join(str(problem).split())[:120] or type(problem).__name__
