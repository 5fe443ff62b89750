"""Files of a run as they are read again: whole and as written, or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from beekit.errors import RunError
from beekit.files import file_digest
from beekit.finite import finite_vectors
from beekit.results_shape import misfits

_SCHEMA = 1
# Says what a model is, not what it does.
_CARD = "README.md"
# Of what is wrong in a file, how many places a line names.
_SHOWN = 3
_AGAIN = "Make the run again with this version of beekit, or restore the file from a copy."


def read_results(folder: str | Path) -> dict[str, Any]:
    """What a finished run measured: `results.json`, of the shape that every reader relies on.

    Raises:
        RunError: if the run is not finished, or if the file is broken, of another schema, lacks a
            key, or holds under one what no run writes there.
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
    wrong = list(islice(misfits(results), _SHOWN))
    if wrong:
        raise broken(path, f"nothing of use under {', '.join(wrong)}", "what a finished run writes")
    return results


def require_same_datasets(
    config: Mapping[str, Any], results: Mapping[str, Any], folder: str | Path
) -> None:
    """Refuse a configuration and results of different runs.

    Args:
        config: the content of `config.yaml`, and `results` that of `results.json`.
        folder: where both lie.

    Raises:
        RunError: if one is of a training and the other of a comparison, or if they do not name as
            many datasets, in the same order. A single dataset may lie in a folder of any name.
    """
    stated = [dataset["name"] for dataset in results.get("datasets", [results["dataset"]])]
    data = config.get("data")
    entries = data if isinstance(data, list) else [data]
    named = [entry.get("data") if isinstance(entry, dict) else entry for entry in entries]
    kinds = [
        "comparison" if "models" in config else "training",
        "training" if "training" in results else "comparison",
    ]
    places = [Path(one) for one in named if isinstance(one, str)]
    alike = len(stated) == len(places) == len(named) and kinds[0] == kinds[1]
    if alike and (
        len(stated) == 1
        or all(name in (p.name, p.resolve().name) for name, p in zip(stated, places, strict=True))
    ):
        return
    raise RunError(
        f"config.yaml in {folder} is of a {kinds[0]} on "
        f"{', '.join(place.name for place in places) or 'no dataset'}, results.json of a "
        f"{kinds[1]} on {', '.join(stated) or 'no dataset'}",
        expected="both of one run, with the same datasets in the same order",
        remedy="Restore config.yaml from a copy.",
    )


def read_json(path: str | Path, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """The object in a JSON file of a run, which has at least these keys.

    Raises:
        RunError: if the file cannot be read, if it does not hold an object, or if it lacks one of
            `keys`.
    """
    content = parse_json(path)
    if not isinstance(content, dict):
        raise broken(path, f"a {type(content).__name__}", "a JSON object as beekit writes it")
    missing = [key for key in keys if key not in content]
    if missing:
        raise broken(path, f"no {', '.join(missing)}", "JSON as beekit writes it")
    return content


def parse_json(path: str | Path) -> Any:
    """What a JSON file of a run holds.

    Raises:
        RunError: if the file cannot be read.
    """
    try:
        content: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        json.dumps(content, ensure_ascii=False).encode()  # half a character cannot be written again
    except (ValueError, OSError, RecursionError) as problem:
        raise broken(path, _one_line(problem), "JSON as beekit writes it") from problem
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


def read_vectors(path: str | Path, like: np.ndarray, item_ids: np.ndarray) -> np.ndarray:
    """Finite vectors in a .npy file of a run's index, of the items and dimensions of `like`.

    Raises:
        RunError: if the file cannot be read, if it is of another shape, or if it holds numbers
            that are not finite.
    """
    again = "Make the index again with `beekit index RUN`."
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as problem:
        raise RunError(
            f"{path} cannot be read ({_one_line(problem)})",
            expected="the file written with the index",
            remedy=again,
        ) from problem
    rows, dims = like.shape
    return finite_vectors(
        found, str(path), item_ids, rows=rows, dims=dims, remedy=again, error=RunError
    )


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


def model_digests(model: Path) -> dict[str, str]:
    """SHA-256 of each file of a saved model, by its path inside; of its card not."""
    files = (path for path in sorted(model.rglob("*")) if path.is_file() and path.name != _CARD)
    return {path.relative_to(model).as_posix(): file_digest(path) for path in files}


def require_noted(model: Path, noted: Mapping[str, str] | None) -> None:
    """Refuse a saved model whose files are not those that training noted; None refuses none.

    Raises:
        RunError: if a file of the model is missing or changed. What was added is no part of it.
    """
    if noted is None:
        return
    found = model_digests(model)
    for name in noted:
        if noted[name] != found.get(name):
            state = "changed" if name in found else "missing"
            raise RunError(
                f"{model / name} is {state} since the model was trained and measured",
                expected="the model's files as training wrote them",
                remedy="Restore the file from a copy, or train again; use a changed model from a "
                "folder outside of the run.",
            )


def broken(path: str | Path, found: str, expected: str) -> RunError:
    """The error for a file of a run that is not as it was written."""
    return RunError(f"{path} cannot be read ({found})", expected=expected, remedy=_AGAIN)


def _one_line(problem: Exception) -> str:
    return " ".join(str(problem).split())[:120] or type(problem).__name__
