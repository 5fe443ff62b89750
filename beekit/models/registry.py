"""Models by name or import path: finding their classes, saving and loading them."""

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
    "AutoRec": "ratings.auto_rec",
    "BiasedMF": "ratings.matrix_factorisation",
    "BPR": "factors.bpr",
    "CDAE": "autoencoders.cdae",
    "CLCRec": "cold.clcrec",
    "ContentBased": "cold.content",
    "DeepRec": "ratings.deep_rec",
    "DropoutNet": "cold.dropout_net",
    "EASE": "linear.ease",
    "ELSA": "linear.elsa",
    "FixedSideELSA": "cold.fixed_side_elsa",
    "GFCF": "graph.gf_cf",
    "GlobalMean": "ratings.means",
    "Heater": "cold.heater",
    "ItemKNN": "linear.item_knn",
    "ItemMean": "ratings.means",
    "LightGCN": "graph.light_gcn",
    "MRF": "linear.mrf",
    "MultDAE": "autoencoders.mult_dae",
    "MultVAE": "autoencoders.mult_vae",
    "PMF": "factors.pmf",
    "Popularity": "baselines",
    "PureSVD": "factors.pure_svd",
    "RaCT": "autoencoders.ract",
    "Random": "baselines",
    "RatingPMF": "ratings.matrix_factorisation",
    "RecVAE": "autoencoders.rec_vae",
    "SANSA": "linear.sansa",
    "SLIM": "linear.slim",
    "SVAE": "autoencoders.svae",
    "TwoTower": "factors.two_tower",
    "UltraGCN": "graph.ultra_gcn",
    "UserMean": "ratings.means",
}
"""The models of beekit, and the modules that define them."""

# For a model with its own `save`: the subfolder that it writes to.
_OWN = "own"


def model_names() -> list[str]:
    """The names of all models of beekit, sorted."""
    return sorted(HOMES)


def model_class(name: str) -> type[Model]:
    """The class of a model of beekit; `name` is one of `model_names()`."""
    kind: type[Model] = getattr(import_module(f"beekit.models.{HOMES[name]}"), name)
    return kind


def by_name(name: str, where: str = "") -> type[Model]:
    """The class of a model of beekit, or of one from outside.

    Args:
        name: one of `model_names()`, where case, spaces, hyphens and underscores do not matter; or
            an import path `package.module:Class`, in which case the module's code is run.
        where: for messages, what stands before the key `model`, for example `models.mine.`.

    Raises:
        ConfigError: if there is no model of that name, if the module cannot be imported, or if the
            path does not name a class with `fit` and `recommend`.
    """
    if ":" in name:
        return _imported(name, f"{where}model={name!r}")
    return model_class(require_name(name, where))


def require_name(name: str, where: str = "") -> str:
    """The name as beekit writes it; an import path as it is. Nothing is imported.

    Raises:
        ConfigError: if there is no model of that name.
    """
    found = f"{where}model={name!r}"
    plain = {_plain(known): known for known in model_names()}
    if ":" in name:
        return name
    if _plain(name) in plain:
        return plain[_plain(name)]
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.5)
    raise ConfigError(
        found,
        expected=f"one of {', '.join(model_names())}, or package.module:Class",
        remedy=f"Did you mean {plain[near[0]]}?" if near else f"Write {where}model: EASE.",
    )


def parameters(kind: type) -> dict[str, inspect.Parameter]:
    """The parameters of a model's constructor by name, without one such as `**settings`."""
    found = inspect.signature(kind).parameters
    return {name: one for name, one in found.items() if one.kind is not one.VAR_KEYWORD}


def takes_anything(kind: type) -> bool:
    """Whether a model's constructor takes any setting, by a parameter such as `**settings`."""
    return len(parameters(kind)) < len(inspect.signature(kind).parameters)


def can_be_saved(kind: type) -> bool:
    """Whether `save_model` can write models of a class."""
    return dataclasses.is_dataclass(kind) or (hasattr(kind, "save") and hasattr(kind, "load"))


def save_model(model: Model, folder: str | Path) -> None:
    """Write a model, of beekit or not, so that `load_model` can load it.

    A model with `save` and `load` writes itself. A dataclass without them is written as the models
    of beekit are.

    Raises:
        ConfigError: if the model has no `save` and `load` and is no dataclass.
        DataError: if the model holds numbers that are not finite, or a field that is neither an
            array, nor a sparse matrix, nor something that JSON can hold.
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
    """The model saved in a folder, of any class.

    Args:
        folder: a folder written by a model's `save` or by `save_model`.
        trust_foreign_code: allow a model from outside beekit: its class is imported, which runs
            the code that the folder names.

    Raises:
        RunError: if there is no model, if it is broken, if this version of beekit does not have
            its class, or if its class is from outside and `trust_foreign_code` is False.
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
            expected="trust_foreign_code=True, because loading the model runs that code",
            remedy="Set it only if you trust the folder and the code.",
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
            remedy="See `beekit.ranking.protocol` for these methods.",
        )
    return kind


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
