"""Saving models in a folder: `model.json` (class and plain fields) and `arrays.npz`, no pickle.

Models are dataclasses: fields of the constructor are settings, the others are what `fit` learnt.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import scipy.sparse as sp

from beekit.errors import BeekitError, DataError, RunError
from beekit.files import replacing_folder
from beekit.finite import require_finite
from beekit.models.finite_models import require_sound

_SCHEMA = 1
_SPARSE = ("data", "indices", "indptr", "shape")

Kind = TypeVar("Kind")


def save_fields(model: Any, folder: str | Path) -> None:
    """Write a model's fields; if that fails, the folder stays as it was.

    Raises:
        DataError: if a number is not finite, or if a field cannot be written.
    """
    fields = dataclasses.fields(model)
    plain, arrays = _parts({field.name: getattr(model, field.name) for field in fields})
    for name, array in arrays.items():
        _require_finite(array, f"{type(model).__name__}.{name}", DataError)
    try:
        described = _description(type(model), plain)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{type(model).__name__} with fields that cannot be saved ({error})",
            expected="arrays, sparse matrices, and values that JSON can hold",
            remedy="Give the model methods save(folder) and load(folder).",
        ) from error
    with replacing_folder(folder) as staging:
        (staging / "model.json").write_text(described)
        np.savez(staging / "arrays.npz", allow_pickle=False, **arrays)


def learnt_to_files(learnt: Mapping[str, Any], folder: Path) -> None:
    """Write some fields of a model to `learnt.json` and `learnt.npz`."""
    plain, arrays = _parts(learnt)
    (folder / "learnt.json").write_text(json.dumps(plain))
    np.savez(folder / "learnt.npz", allow_pickle=False, **arrays)


def learnt_from_files(folder: Path) -> dict[str, Any]:
    """What `learnt_to_files` wrote."""
    plain: dict[str, Any] = json.loads((folder / "learnt.json").read_text())
    with np.load(folder / "learnt.npz", allow_pickle=False) as arrays:
        return plain | _whole({name: arrays[name] for name in arrays.files})


def save_own(model: Any, folder: str | Path, inside: str) -> None:
    """Let a model save itself in the subfolder `inside`, and write its class to `model.json`."""
    with replacing_folder(folder) as staging:
        model.save(staging / inside)
        (staging / "model.json").write_text(_description(type(model), {}))


def kind_of(model: type) -> str:
    """How `model.json` names a class: by its name, or by its import path if it is not beekit's."""
    ours = model.__module__.partition(".")[0] == "beekit"
    return model.__name__ if ours else f"{model.__module__}:{model.__qualname__}"


def saved_kind(folder: str | Path) -> str:
    """The class of the model saved in a folder, in the form that `kind_of` returns."""
    return _kind(_described(Path(folder)))


def load_fields(kind: type[Kind], folder: str | Path) -> Kind:
    """The model of class `kind` saved in a folder.

    Raises:
        RunError: if there is no model, if it is broken, if it is of another class, or if it holds
            numbers that are not finite.
    """
    folder = Path(folder)
    described = _described(folder)
    if _kind(described) != kind_of(kind):
        raise RunError(
            f"a model {_kind(described)} in {folder}",
            expected=f"a model {kind_of(kind)}",
            remedy=f"Load it with {described['model']}.load.",
        )
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    values = dict(described["fields"])
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise _broken(folder, f"{name} is {value}")
    try:
        # Opened here, because numpy does not close a file that turns out to be broken.
        with (folder / "arrays.npz").open("rb") as file, np.load(file) as arrays:
            given = {name: arrays[name] for name in arrays.files}
            for name, array in given.items():
                _require_finite(array, f"{name} in {folder / 'arrays.npz'}", RunError)
            values |= _whole(given)
        # A setting that is younger than the model has its default.
        younger = {field.name for field in fields if field.init and has_default(field)}
        younger -= values.keys()
        settings = [f.name for f in fields if f.init and f.name not in younger]
        model = kind(**{name: values[name] for name in settings})
        for field in fields:
            if not field.init:
                setattr(model, field.name, values[field.name])
        require_sound(model)
    except RunError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, BeekitError) as error:
        raise _broken(folder, str(error)) from error
    return model


def _description(model: type, fields: dict[str, Any]) -> str:
    """The content of `model.json`."""
    described = {"schema": _SCHEMA, "model": model.__name__, "fields": fields}
    if ":" in kind_of(model):
        described["kind"] = kind_of(model)
    return json.dumps(described, indent=2) + "\n"


def has_default(field: dataclasses.Field[Any]) -> bool:
    """Whether a dataclass can be made without a value for this field."""
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _parts(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Values as plain ones and as arrays, of which a sparse matrix is four."""
    plain: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            arrays[name] = value
        elif sp.issparse(value):
            csr = sp.csr_array(value)
            arrays |= {f"{name}.{part}": np.asarray(getattr(csr, part)) for part in _SPARSE}
        else:
            plain[name] = value.item() if isinstance(value, np.generic) else value
    return plain, arrays


def _whole(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The arrays and sparse matrices that `_parts` took apart."""
    values: dict[str, Any] = {}
    for name, array in arrays.items():
        whole, _, part = name.rpartition(".")
        if not whole:
            values[name] = array
        elif part == "data":
            data, indices, indptr, shape = (arrays[f"{whole}.{p}"] for p in _SPARSE)
            values[whole] = sp.csr_array((data, indices, indptr), shape=tuple(shape))
    return values


def _kind(described: dict[str, Any]) -> str:
    return str(described.get("kind", described["model"]))


def _require_finite(array: np.ndarray, what: str, error: type[BeekitError]) -> None:
    require_finite(array, what, row="row", remedy="Fit the model again.", error=error)


def _described(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    if not path.is_file():
        raise RunError(
            f"no model.json in {folder}",
            expected="a folder written by a model's `save`",
            remedy="Check the path.",
        )
    try:
        described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if described["schema"] == _SCHEMA and {"model", "fields"} <= described.keys():
            return described
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(folder, str(error)) from error
    raise _broken(folder, f"schema {described['schema']}")


def _broken(folder: Path, why: str) -> RunError:
    return RunError(
        f"model.json or arrays.npz in {folder} cannot be read ({why})",
        expected="the files a model's `save` wrote",
        remedy="Fit and save the model again.",
    )
