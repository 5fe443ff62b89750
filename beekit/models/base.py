"""The base class of all models of beekit: checks, `fit`, `recommend`, `save` and `load`.

A model is a dataclass: the arguments of its constructor are its settings
(`beekit.models.settings`), and its fields with `init=False` are what `fit` learns. A model from
outside beekit does not need this class; it only has to follow `beekit.ranking.protocol`.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np
import scipy.sparse as sp

from beekit.errors import ConfigError, DataError
from beekit.finite import require_matrix
from beekit.matrices import Reads, numbers, ones
from beekit.models.content_vectors import require_vectors_of
from beekit.models.early_stopping import watched
from beekit.models.finite_models import guarded
from beekit.models.fit_state import FitState, digest_of_fit
from beekit.models.saved import load_fields, save_fields
from beekit.models.settings import check_settings
from beekit.models.training_loop import AfterEpoch, Training, learn
from beekit.ranking import Recommendations
from beekit.ranking.top_k import require_length
from beekit.split import HeldOut

Made = TypeVar("Made")


class Request(NamedTuple):
    """The checked arguments of `recommend`; histories (users, items) are float32 CSR of ones, or
    float64 of the numbers that the model `reads`."""

    histories: sp.csr_array
    k: int
    candidates: np.ndarray | None
    exclude_seen: bool


class BaseRecommender(ABC):
    """Base class of all models: a subclass defines `_fit` and `_recommend`.

    The first field with `init=False` has to have a row for each item after `fit`.
    """

    scores_cold_items: ClassVar[bool] = False
    reads: ClassVar[Reads] = "items"

    def __post_init__(self) -> None:
        check_settings(self)

    def fit(
        self,
        X: sp.csr_array,
        after_epoch: AfterEpoch | None = None,
        *,
        validation: HeldOut | None = None,
        keep_in: str | Path | None = None,
    ) -> Self:
        """Learn from X.

        Args:
            X: (users, items) in any sparse format; every nonzero value counts as 1, unless the
                model `reads` more (`beekit.ranking.Recommender`).
            after_epoch: called as `after_epoch(model, epoch, loss)` after each epoch, with the
                model as fitted so far and the epoch's mean loss; training ends if it returns True.
                Only models that learn by gradient steps call it.
            validation: what a model with `patience` is validated on after each epoch, over the same
                items (`beekit.models.early_stopping`); other models learn nothing from it. A model
                that predicts ratings needs them as targets (`Split.rated`).
            keep_in: folder for what an interrupted fit needs to go on: given again with the same
                data and settings, training goes on after its last epoch. It is gone once the model
                is complete, and nothing else may be in it. Only for models that learn by gradient
                steps.

        Raises:
            DataError: if X is not a matrix of finite numbers, if it has no users or no items, if it
                does not have one item for each content vector, or if there is too little memory.
            ConfigError: if training diverges, if rounding makes an equation unsolvable, or if the
                fitted numbers are not finite or too large to be multiplied.
        """
        X = training_matrix(X, self.reads)
        vectors = getattr(self, "vectors", None)
        if vectors is not None:
            require_vectors_of(vectors, X.shape[1])
        if validation is not None:
            read_as(self.reads, validation.source, "validation", items=X.shape[1])
        kept = None
        with guarded(self):
            for earlier in ("learning", "seconds_before"):
                vars(self).pop(earlier, None)
            taught, watch = watched(self, X, validation)
            training = self._fit(taught)
            if training is not None:
                if keep_in is not None:
                    seen: Any = () if watch is None else watch.seen
                    kept = FitState(keep_in, digest_of_fit(self, taught, *seen))
                learn(self, training, after_epoch, watch, kept)
                vars(self)["seconds_before"] = 0.0 if kept is None else kept.seconds_before
        if kept is not None:
            kept.remove()
        return self

    @abstractmethod
    def _fit(self, X: sp.csr_array) -> Training[Any] | None:
        """Learn from X (sorted float32 CSR of ones), or return how to learn by gradient steps."""

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items of each user; see `beekit.ranking.protocol.Recommender`.

        Raises:
            ConfigError: if the model is not fitted, or if k is below 1.
            DataError: if X is not a matrix of finite numbers, if it has other items than the model
                was fitted on, or if a candidate is not the index of an item.
        """
        self._require_fitted(X)
        require_length(k)
        return self._recommend(Request(read_as(self.reads, X), k, candidates, exclude_seen))

    @abstractmethod
    def _recommend(self, asked: Request) -> Recommendations:
        """`recommend` for a checked request."""

    def _require_fitted(self, X: sp.sparray | sp.spmatrix | None = None) -> None:
        """Refuse a model before `fit`, and histories with another number of items."""
        name, learnt = type(self).__name__, self._learnt_of_items()
        if learnt is None:
            raise ConfigError(
                f"{name} before fit",
                expected="a fitted model",
                remedy="Call fit(X), or load a saved model.",
            )
        if X is None:
            return
        require_matrix(X, "histories")
        if X.shape[1] != learnt.shape[0]:
            raise DataError(
                f"histories over {X.shape[1]:,} items",
                expected=f"the {learnt.shape[0]:,} items that {name} was fitted on",
                remedy="Build X with the same catalog.",
            )

    def _learnt_of_items(self) -> Any:
        """A learnt array with a row for each item; None before `fit`."""
        fields: Any = dataclasses.fields(self)  # type: ignore[arg-type]
        names = [field.name for field in fields if not field.init]
        return getattr(self, names[0]) if names else None

    def _kept(self, name: str, make: Callable[..., Made], *of: Any) -> Made:
        """The result of `make(*of)`, computed at the first use and again if the arrays change."""
        kept = self.__dict__.setdefault("_made", {})
        if name not in kept or any(a is not b for a, b in zip(kept[name][0], of, strict=True)):
            kept[name] = (of, make(*of))
        made: Made = kept[name][1]
        return made

    def __getstate__(self) -> dict[str, Any]:
        """The state for copies and pickles, without what `_kept` can compute again."""
        return {name: value for name, value in vars(self).items() if name != "_made"}

    def save(self, folder: str | Path) -> None:
        """Write the settings and what was learnt; if that fails, the folder stays as it was.

        Raises:
            DataError: if the model holds numbers that are not finite.
        """
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder.

        Raises:
            RunError: if the folder holds no model, a broken one, or a model of another class.
        """
        return load_fields(cls, folder)


def read_as(
    reads: Reads, X: sp.csr_array, what: str = "interactions", *, items: int | None = None
) -> sp.csr_array:
    """X (users, items) as a model reads it: CSR of float32 ones, or of float64 numbers.

    Raises:
        DataError: if X is not a matrix of finite numbers over as many items, or if numbers are read
            and a pair of user and item is stored twice.
    """
    return ones(X, what, items=items) if reads == "items" else numbers(X, what, items=items)


def training_matrix(X: sp.sparray | sp.spmatrix, reads: Reads = "items") -> sp.csr_array:
    """X (users, items) in any sparse format as a model reads it, sorted; a copy.

    Raises:
        DataError: if X is not a matrix of finite numbers, if it has no users or no items, or if
            `read_as` refuses it.
    """
    csr = read_as(reads, X)
    if 0 in csr.shape:
        raise DataError(
            f"interactions of {csr.shape[0]:,} users with {csr.shape[1]:,} items",
            expected="at least one user and one item",
            remedy="Check which interactions were filtered or held out.",
        )
    return csr
