"""What every model of beekit shares: checks, `fit`, `recommend`, and to be kept in a folder.

A model is a dataclass: arguments of its constructor are its settings (`beekit.models.settings`),
fields with `init=False` are what `fit` learns. Models from outside need nothing of this; what is
asked of them is `beekit.ranking.protocol`.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import scipy.sparse as sp

from beekit.errors import ConfigError, DataError
from beekit.finite import finite_csr, require_matrix
from beekit.matrices import ones
from beekit.models.content_vectors import require_vectors_of
from beekit.models.finite_models import guarded
from beekit.models.saved import load_fields, save_fields
from beekit.models.settings import check_settings
from beekit.models.training_loop import AfterEpoch, Training, learn
from beekit.ranking import Recommendations
from beekit.ranking.top_k import require_length


class Request(NamedTuple):
    """What `recommend` was asked, checked: histories (users, items) are float32 CSR of ones."""

    histories: sp.csr_array
    k: int
    candidates: np.ndarray | None
    exclude_seen: bool


class BaseRecommender(ABC):
    """Base of all models: a subclass gives `_fit` and `_recommend`.

    What `fit` learns first, its first field with `init=False`, has a row for each item.
    """

    scores_cold_items: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_settings(self)

    def fit(self, X: sp.csr_array, after_epoch: AfterEpoch | None = None) -> Self:
        """Learn from X (users, items), any sparse format; what is nonzero counts.

        Args:
            after_epoch: called as `after_epoch(model, epoch, loss)` after each pass of a model that
                learns by steps, with the model as fitted so far; ends the training by returning
                True. Models that solve for what they learn do not call it.

        Raises:
            DataError: if X is not a matrix of finite numbers, if it has no users or no items, if it
                does not have an item for each content vector, or if there is too little memory.
            ConfigError: if training diverges, or if rounding makes an equation unsolvable.
        """
        X = training_matrix(X)
        vectors = getattr(self, "vectors", None)
        if vectors is not None:
            require_vectors_of(vectors, X.shape[1])
        with guarded(self):
            training = self._fit(X)
            if training is not None:
                learn(self, training, after_epoch)
        return self

    @abstractmethod
    def _fit(self, X: sp.csr_array) -> Training[Any] | None:
        """Learn from X, float32 CSR of ones, sorted; or say how to learn by steps."""

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items of each user, as `beekit.ranking.protocol.Recommender` says.

        Raises:
            ConfigError: if the model is not fitted, or if k is below 1.
            DataError: if X is not a matrix of finite numbers over the items the model was fitted
                on, or if a candidate is not the index of an item.
        """
        self._require_fitted(X)
        require_length(k)
        return self._recommend(Request(ones(X), k, candidates, exclude_seen))

    @abstractmethod
    def _recommend(self, asked: Request) -> Recommendations:
        """`recommend`, once the request is checked."""

    def _require_fitted(self, X: sp.sparray | sp.spmatrix | None = None) -> None:
        """Refuse to go on before `fit`, or with histories over other items."""
        name, learnt = type(self).__name__, self._learnt_of_items()
        if learnt is None:
            raise ConfigError(
                f"{name} before fit",
                expected="a fitted model",
                remedy="Call fit(X) or load a folder.",
            )
        if X is None:
            return
        require_matrix(X, "histories")
        if X.shape[1] != learnt.shape[0]:
            raise DataError(
                f"histories over {X.shape[1]:,} items",
                expected=f"the {learnt.shape[0]:,} items {name} was fitted on",
                remedy="Build X with the same catalog.",
            )

    def _learnt_of_items(self) -> Any:
        """Something learnt with a row for each item; None before `fit`."""
        fields: Any = dataclasses.fields(self)  # type: ignore[arg-type]
        names = [field.name for field in fields if not field.init]
        return getattr(self, names[0]) if names else None

    def save(self, folder: str | Path) -> None:
        """Write settings and what was learnt, whole or not at all.

        Raises:
            DataError: if the model holds numbers that are not finite.
        """
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder.

        Raises:
            RunError: if there is no model, if it is broken, or if it is of another class.
        """
        return load_fields(cls, folder)


def training_matrix(X: sp.sparray | sp.spmatrix) -> sp.csr_array:
    """X (users, items) of any sparse format as float32 CSR of ones, sorted; not the caller's."""
    csr = finite_csr(X)
    if 0 in csr.shape:
        raise DataError(
            f"interactions of {csr.shape[0]:,} users with {csr.shape[1]:,} items",
            expected="at least one of each to learn from",
            remedy="Check what was filtered or held out.",
        )
    return ones(csr)
