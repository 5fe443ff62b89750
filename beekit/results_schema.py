"""The schema of `results.json`, and reading the file with a check of the schema.

A key that ends in "?" is optional, because results of earlier versions, of comparisons and of
pulled runs do not have it. Keys that are not named here may hold anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import NoneType
from typing import Any

from beekit.errors import RunError
from beekit.results import SCHEMA, SPLIT_PARTS, dataset_results, is_joint, is_repeated, part_of
from beekit.run_files import broken, read_json

# How many wrong places in a file an error names.
_SHOWN = 3
# The key of a shape for all values of a mapping.
_EACH = "*"


def read_results(path: str | Path) -> dict[str, Any]:
    """The content of a finished run's `results.json`, after checking its schema.

    Raises:
        RunError: if the run is not finished, if the file is broken, or if it has another schema.
    """
    path = Path(path)
    if not path.is_file():
        found = f"no {path.name} in {path.parent}"
        remedy = "Check the path, or finish the run."
        raise RunError(found, expected="a finished run folder", remedy=remedy)
    results = read_json(path)
    schema = results.get("schema")
    if schema != SCHEMA:
        raise broken(path, f"schema {schema!r}", f"results of schema {SCHEMA}")
    wrong = list(islice(misfits(results), _SHOWN))
    if wrong:
        found = f"wrong or missing values at {', '.join(wrong)}"
        raise broken(path, found, "the content that a finished run writes")
    return results


def misfits(results: Mapping[str, Any]) -> Iterator[str]:
    """The places in results with missing or wrong values, such as "rows.0.metrics"."""
    repeated = is_repeated(results)
    shape = {**_RESULTS, **(_OF_REPEATS if repeated else _OF_ONE)}
    found = list(_misfits(results, shape, ""))
    yield from found
    if not found:  # contradictions can only be searched in results of the right shape
        yield from _unmeasured(results)
        if repeated:
            yield from _uneven(results)


def _misfits(content: Any, shape: Any, place: str) -> Iterator[str]:
    """The places where the content of a JSON file does not have a shape.

    A shape is a function from a value to whether it fits, a list with the one shape of all its
    elements, or a mapping from keys to shapes.
    """
    if callable(shape):
        if not shape(content):
            yield place
    elif isinstance(shape, list):
        if not isinstance(content, list):
            yield place
            return
        for number, inside in enumerate(content):
            yield from _misfits(inside, shape[0], f"{place}.{number}")
    elif not isinstance(content, dict):
        yield place
    else:
        for key, inside in shape.items():
            name = key.removesuffix("?")
            for one in content if key == _EACH else [name]:
                within = f"{place}.{one}".removeprefix(".")
                if one in content:
                    yield from _misfits(content[one], inside, within)
                elif name == key:
                    yield within


def _unmeasured(results: Mapping[str, Any]) -> Iterator[str]:
    """Rows with other metrics than the first row, or of a part that the split does not have."""
    datasets, several = dataset_results(results), is_joint(results)
    for number, row in enumerate(results["rows"]):
        if row["metrics"].keys() != results["rows"][0]["metrics"].keys():
            yield f"rows.{number}.metrics"
        of, part = row["scenario"].partition("/")[0], part_of(row["scenario"])
        splits = [one.split for one in datasets if not several or one.name == of]
        # For repeats, the split of each is described in its own results.
        if not is_repeated(results) and not any(part in split for split in splits):
            yield f"rows.{number}.scenario"


def _uneven(results: Mapping[str, Any]) -> Iterator[str]:
    """Lists without an entry for each repeat, and models in the order that have no row."""
    repeats = results["repeats"]
    count = repeats["count"]
    if count < 1:
        yield "repeats.count"
    for key in ("seeds", "splits", "folders"):
        if len(repeats[key]) != count:
            yield f"repeats.{key}"
    measured = set()
    for number, row in enumerate(results["rows"]):
        for name, metric in row["metrics"].items():
            measured.add((row["scenario"], row["model"], name))
            if len(metric["values"]) != count:
                yield f"rows.{number}.metrics.{name}.values"
    for number, order in enumerate(results["order"]):
        named = {(order["scenario"], model, order["metric"]) for model in order["models"]}
        if not named or not named <= measured:
            yield f"order.{number}.models"


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _pair(inside: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) == 2 and all(map(inside, value))


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _number(value: Any) -> bool:
    """Whether this is a number that a float can hold; it may be infinite or NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, float) or abs(value) < 2**63


def _number_or_none(value: Any) -> bool:
    return value is None or _number(value)


def _id(value: Any) -> bool:
    return isinstance(value, str) or _number(value)


_text, _text_or_none, _truth = _is(str), _is(str, NoneType), _is(bool)
_interval, _point = _pair(_number), _pair(_number_or_none)
_PART = {"users": _count, "candidates": _count}
_SPLIT = {
    **{"kind": _text, "hash": _text, "settings?": {}, "train?": {}, "about?": {_EACH: _text}},
    **{f"{name}?": _PART for name in SPLIT_PARTS},
}
_COUNTS = dict.fromkeys(("users", "items", "interactions"), _count)
_DATASET = {"name": _text, "fingerprint": _text, "catalog_items?": _count, **_COUNTS}
_OF_SEVERAL = {**_DATASET, "split": _SPLIT, "text?": _text_or_none, "image?": _text_or_none}

_METRIC = {
    **{"value": _number, "ci95": _interval, "ci95_items?": _interval},
    "reaches_all?": _truth,  # no user has more candidates than the cut
}
_ROW = {
    **{"model": _text, "scenario": _text, "users": _count, "settings_chosen?": _text},
    **{"seconds?": _number_or_none, "fit_seconds?": _number_or_none},
    **{"parameters?": _number_or_none, "ratings?": _count},
    "fit_memory_mb?": _number_or_none,
}
_PAIRED = {
    **{"metric": _text, "first": _text, "second": _text, "difference": _number},
    **{"p_value?": _number_or_none, "p_holm?": _number_or_none, "family?": _count},
}
_MEASURED = {"value": _number_or_none, "ci95?": _interval}
_BY = {"metric": _text, "bins": [{"low": _number, "high": _number, "models": {_EACH: _MEASURED}}]}
_NEAR = {"label": _text, "score": _number, "together": _count, "item_id?": _id}
_NEIGHBOURS = {
    **{"item_id": _id, "label": _text, "users": _count, "text?": _text_or_none},
    **{
        f"{side}?": [{**_NEAR, "text?": _number, "image?": _number}] for side in ("before", "after")
    },
}
_TRAINING = {
    **{f"{name}?": _text_or_none for name in ("encoder", "image_encoder", "text", "image")},
    **{"prompt?": _text_or_none, "pooling?": _text_or_none, "dtypes?": {}},
    **{"metric?": _text, "base_models?": [_text], "model_files?": {_EACH: _text}},
    **{"best_step?": _number_or_none, "max_seq_length?": _number_or_none},
    **{"loss_curve?": [_point], "validation_curve?": [_point]},
    **{"steps?": _count, "users_per_step?": _count, "items_per_step?": _count},
}
_RESULTS: dict[str, Any] = {
    **{"dataset": _DATASET, "split": _SPLIT, "environment": {}},
    "task?": _text,
    **{"note?": _text, "notes?": [_text], "datasets?": [_OF_SEVERAL], "training?": _TRAINING},
    "left_out?": [{"model": _text, "reason": _text}],
}
_OF_ONE: dict[str, Any] = {
    "rows": [{**_ROW, "metrics": {_EACH: _METRIC}}],
    "comparisons?": [{**_PAIRED, "ci95?": _interval, "ci95_items?": _interval, "users?": _count}],
    **{"by_history?": _BY, "by_support?": _BY, "neighbours?": [_NEIGHBOURS]},
}
_OVER_REPEATS = {**_METRIC, "spread": _number, "values": [_number]}
_OF_REPEATS: dict[str, Any] = {
    "rows": [{**_ROW, "metrics": {_EACH: _OVER_REPEATS}}],
    "repeats": {"count": _count, "seeds": [_number], "splits": [_text], "folders": [_text]},
    "comparisons": [
        {**_PAIRED, "scenario": _text, "ci95": _interval, "held": _count, "repeats": _count}
    ],
    "order": [
        {
            **{"metric": _text, "scenario": _text, "models": [_text], "same": _truth},
            "swaps": [{"first": _text, "second": _text, "repeats": [_number]}],
        }
    ],
}
