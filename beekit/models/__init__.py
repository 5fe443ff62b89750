"""Recommenders that answer one protocol; see `beekit.ranking.protocol`.

Names are imported when first used: models differ in what they need.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beekit.models.cold.clcrec import CLCRec
    from beekit.models.cold.content import ContentBased
    from beekit.models.cold.dropout_net import DropoutNet
    from beekit.models.cold.fixed_side import FixedSideELSA
    from beekit.models.cold.heater import Heater
    from beekit.models.factors.als import ALS
    from beekit.models.factors.asymmetric_svd import AsymmetricSVD
    from beekit.models.factors.bpr import BPR
    from beekit.models.factors.pmf import PMF
    from beekit.models.factors.pure_svd import PureSVD
    from beekit.models.factors.two_tower import TwoTower
    from beekit.models.floors import Popularity, Random
    from beekit.models.linear.ease import EASE
    from beekit.models.linear.elsa import ELSA
    from beekit.models.linear.item_knn import ItemKNN
    from beekit.models.linear.mrf import MRF
    from beekit.models.linear.sansa import SANSA
    from beekit.models.linear.slim import SLIM
    from beekit.ranking import Model

_HOME = {
    "ALS": "factors.als",
    "AsymmetricSVD": "factors.asymmetric_svd",
    "BPR": "factors.bpr",
    "CLCRec": "cold.clcrec",
    "ContentBased": "cold.content",
    "DropoutNet": "cold.dropout_net",
    "EASE": "linear.ease",
    "ELSA": "linear.elsa",
    "FixedSideELSA": "cold.fixed_side",
    "Heater": "cold.heater",
    "ItemKNN": "linear.item_knn",
    "MRF": "linear.mrf",
    "PMF": "factors.pmf",
    "Popularity": "floors",
    "PureSVD": "factors.pure_svd",
    "Random": "floors",
    "SANSA": "linear.sansa",
    "SLIM": "linear.slim",
    "TwoTower": "factors.two_tower",
}

__all__ = [
    "ALS",
    "BPR",
    "EASE",
    "ELSA",
    "MRF",
    "PMF",
    "SANSA",
    "SLIM",
    "AsymmetricSVD",
    "CLCRec",
    "ContentBased",
    "DropoutNet",
    "FixedSideELSA",
    "Heater",
    "ItemKNN",
    "Popularity",
    "PureSVD",
    "Random",
    "TwoTower",
    "load_model",
    "model_class",
    "model_names",
]


def model_names() -> list[str]:
    """Names of all models."""
    return sorted(_HOME)


def model_class(name: str) -> type[Model]:
    """The class of a name of `model_names()`."""
    kind: type[Model] = __getattr__(name)
    return kind


def load_model(folder: str | Path) -> Model:
    """The model saved in a folder, whatever its class.

    Raises:
        RunError: if there is no model, if it is broken, or if this version of beekit has no such
            class.
    """
    from beekit.errors import RunError
    from beekit.models.saved import saved_kind

    kind = saved_kind(folder)
    if kind not in _HOME:
        raise RunError(
            f"a model {kind} in {folder}",
            expected=f"one of {', '.join(model_names())}",
            remedy="Load it with the version of beekit that saved it.",
        )
    return model_class(kind).load(folder)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"beekit.models.{_HOME[name]}"), name)
    raise AttributeError(f"module 'beekit.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
