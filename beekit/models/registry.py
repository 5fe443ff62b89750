"""Models by name or import path: their classes, and how they are kept."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from beekit.errors import ConfigError, RunError
from beekit.import_path import imported

if TYPE_CHECKING:
    from beekit.ranking import Model

HOMES = {
    "ALS": "factors.als",
    "AsymmetricSVD": "factors.asymmetric_svd",
    "BPR": "factors.bpr",
    "CLCRec": "cold.clcrec",
    "ContentBased": "cold.content",
    "DropoutNet": "cold.dropout_net",
    "EASE": "linear.ease",
    "ELSA": "linear.elsa",
    "FixedSideELSA": "cold.fixed_side_elsa",
    "GFCF": "graph.gf_cf",
    "Heater": "cold.heater",
    "ItemKNN": "linear.item_knn",
    "MRF": "linear.mrf",
    "MultDAE": "autoencoders.mult_dae",
    "MultVAE": "autoencoders.mult_vae",
    "PMF": "factors.pmf",
    "Popularity": "baselines",
    "PureSVD": "factors.pure_svd",
    "Random": "baselines",
    "RecVAE": "autoencoders.rec_vae",
    "SANSA": "linear.sansa",
    "SLIM": "linear.slim",
    "TwoTower": "factors.two_tower",
}
"""Models of beekit, and the modules they are in."""

# In the folder of a model that saves itself, the folder that is the model's own.
_OWN = "own"


def model_names() -> list[str]:
    """Names of all models of beekit."""
    return sorted(HOMES)


def model_class(name: str) -> type[Model]:
    """The class of a name of `model_names()`."""
    kind: type[Model] = getattr(import_module(f"beekit.models.{HOMES[name]}"), name)
    return kind


def by_name(name: str, where: str = "") -> type[Model]:
    """The class of a model of beekit, or of one from outside.

    Args:
        name: one of `model_names()`, in which capitals, spaces and hyphens do not matter, or an
            import path `package.module:Class`; that runs the module's code.
        where: for messages, what comes before the key `model`.

    Raises:
        ConfigError: if there is no model of that name, if the module cannot be imported, or if what
            the path names is not a class with `fit` and `recommend`.
    """
    found = f"{where}model={name!r}"
    if ":" in name:
        return _imported(name, found)
    plain = {_plain(known): known for known in model_names()}
    if _plain(name) in plain:
        return model_class(plain[_plain(name)])
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.5)
    raise ConfigError(
        found,
        expected=f"one of {', '.join(model_names())}, or package.module:Class",
        remedy=f"Did you mean {plain[near[0]]}?" if near else f"Write {where}model: EASE.",
    )


def parameters(kind: type) -> dict[str, inspect.Parameter]:
    """What the constructor of a model takes, by name; without a `**` that takes anything."""
    found = inspect.signature(kind).parameters
    return {name: one for name, one in found.items() if one.kind is not one.VAR_KEYWORD}


def takes_anything(kind: type) -> bool:
    """Whether the constructor of a model takes settings it does not name."""
    return len(parameters(kind)) < len(inspect.signature(kind).parameters)


def can_be_saved(kind: type) -> bool:
    """Whether `save_model` can write models of a class."""
    return dataclasses.is_dataclass(kind) or (hasattr(kind, "save") and hasattr(kind, "load"))


def save_model(model: Model, folder: str | Path) -> None:
    """Write a model, of beekit or not, so that `load_model` finds its class again.

    A model that has `save` and `load` is kept as it keeps itself; a dataclass without is kept as
    those of beekit are.

    Raises:
        ConfigError: if the model has no `save` and is no dataclass.
        DataError: if the model holds numbers that are not finite, or what no file here can hold.
    """
    from beekit.models.base import BaseRecommender
    from beekit.models.saved import save_fields, save_own

    if isinstance(model, BaseRecommender):
        model.save(folder)
    elif hasattr(model, "save") and hasattr(model, "load"):
        save_own(model, folder, _OWN)
    elif dataclasses.is_dataclass(model):
        save_fields(model, folder)
    else:
        raise ConfigError(
            f"{type(model).__name__} without save and load",
            expected="a model that has them, or a dataclass",
            remedy="Make it a dataclass, or add save(folder) and load(folder).",
        )


def load_model(folder: str | Path, *, trust_foreign_code: bool = False) -> Model:
    """The model saved in a folder, whatever its class.

    Args:
        folder: written by a model's `save`, or by `save_model`.
        trust_foreign_code: import the class of a model from outside beekit, which runs whatever
            code the folder names.

    Raises:
        RunError: if there is no model, if it is broken, if this version of beekit has no such
            class, or if the class is from outside and `trust_foreign_code` is off.
        ConfigError: if a class from outside cannot be imported.
    """
    from beekit.models.saved import load_fields, saved_kind

    kind = saved_kind(folder)
    if ":" not in kind:
        if kind not in HOMES:
            raise RunError(
                f"a model {kind} in {folder}",
                expected=f"one of {', '.join(model_names())}",
                remedy="Load it with the version of beekit that saved it.",
            )
        return model_class(kind).load(folder)
    if not trust_foreign_code:
        raise RunError(
            f"a model of code from outside beekit, {kind}, in {folder}",
            expected="trust_foreign_code=True, since to load it is to run that code",
            remedy="Set it if you know who wrote the folder and the code.",
        )
    found, own = by_name(kind, f"{folder}: "), Path(folder) / _OWN
    if own.is_dir():
        return found.load(own)
    model: Model = load_fields(found, folder)
    return model


def _imported(path: str, found: str) -> type[Model]:
    kind = imported(path, found)
    lacks = [part for part in ("fit", "recommend") if not callable(getattr(kind, part, None))]
    if not isinstance(kind, type) or lacks:
        what = f"without {' and '.join(lacks)}" if lacks else "that is no class"
        raise ConfigError(
            f"{found} {what}",
            expected="a class with fit(X) and recommend(X, k, candidates, exclude_seen)",
            remedy="See `beekit.ranking.protocol` for what a model answers.",
        )
    return kind


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
