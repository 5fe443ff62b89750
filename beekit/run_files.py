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
    shape = _RESULTS | (_OF_SEVERAL if "datasets" in results else _OF_ONE)
    if "repeats" in results:
        shape |= _OF_REPEATS
    wrong = misfit(results, shape)
    if wrong:
        raise broken(path, f"nothing of use under {wrong}", "what a finished run writes")
    return results


_NUMBER = (int, float, type(None))
_SPLIT = {
    **{"kind": str, "hash": str, "settings?": dict},
    **{f"{part}?": dict for part in ("train", "validation", "test", "warm", "overall")},
}
_DATASET = {
    **{"name": str, "fingerprint?": str},
    **{f"{count}?": _NUMBER for count in ("users", "items", "interactions", "catalog_items")},
}
_METRIC = {"value": _NUMBER, "ci95?": [_NUMBER], "ci95_items?": [_NUMBER]}
_ROW = {"model": str, "scenario": str, "users?": _NUMBER, "metrics": {"*": _METRIC}}
_RESULTS: dict[str, Any] = {
    **{"rows": [_ROW], "environment?": dict, "training?": dict, "notes?": [str], "note?": str},
    "comparisons?": [{"first": str, "second": str, "metric": str, "difference": _NUMBER}],
    "left_out?": [{"model": str, "reason": str}],
}
_OF_ONE: dict[str, Any] = {"dataset": _DATASET, "split": _SPLIT}
_OF_SEVERAL: dict[str, Any] = {
    **{"dataset?": dict, "split?": dict},
    "datasets": [{**_DATASET, "split": _SPLIT}],
}
_OF_REPEATS: dict[str, Any] = {
    "repeats": {"count": int, "folders": [str]},
    "order": [{"models": [str], "same": bool, "swaps": list}],
}


def misfit(content: Any, shape: Any, place: str = "") -> str | None:
    """Where content first differs from a shape, such as "rows.metrics"; None if it fits.

    Args:
        content: of a JSON or YAML file.
        shape: a type or several; a list of one shape, for lists of any length; or a mapping of keys
            to shapes, in which a key with "?" may be missing or null, and "*" is any key. Keys that
            it does not name may hold anything.
        place: what the content is, for the answer.
    """
    if isinstance(shape, list):
        if not isinstance(content, list):
            return place
        return next((m for one in content if (m := misfit(one, shape[0], place))), None)
    if not isinstance(shape, dict):
        kinds = shape if isinstance(shape, tuple) else (shape,)
        fits = isinstance(content, kinds) and (bool in kinds or not isinstance(content, bool))
        return None if fits else place
    if not isinstance(content, dict):
        return place
    for key, inside in shape.items():
        name, optional = key.removesuffix("?"), key.endswith("?")
        for named in content if name == "*" else [name]:
            if optional and content.get(named) is None:
                continue
            here = f"{place}.{named}".lstrip(".")
            wrong = misfit(content[named], inside, here) if named in content else here
            if wrong:
                return wrong
    return None


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
