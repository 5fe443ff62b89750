"""Content-based recommendation: items like those a user has."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp

from beekit.index import ItemIndex
from beekit.matrices import ones
from beekit.models.checks import require_fitted, training_matrix
from beekit.models.content_vectors import (
    compared,
    content_vectors,
    mean_of_known,
    require_vectors_of,
    require_width,
)
from beekit.models.saved import load_fields, save_fields
from beekit.models.sound import require_sound_additions, sound
from beekit.ranking import Recommendations


@dataclass(eq=False)
class ContentBased:
    """Ranks items by the sum of their similarities with what the user has.

    With A the items' vectors a history x scores x A Aᵀ: the inner product of an item's vector with
    the sum over the history. Nothing is learnt from interactions (but which items `centre` takes
    the mean of), which makes it the floor for whatever learns to transform A; it is the CBF row of
    the beeFormer paper (Vančura et al., RecSys 2024).

    Args:
        vectors: A (items, dims), for example a sentence encoder's embeddings.
        normalize: scale rows of A to length 1, so that similarities are cosines.
        centre: first take away the mean of the rows of items with training interactions.
            Embeddings of one encoder point much the same way, and what they share ranks items
            alike for everybody: summed over a history it drowns what the user's items have in
            particular. Items held out do not move it.

    Attributes:
        mean: (dims,) what is taken away from vectors, after `fit`.
        item_vectors: (items, dims) float32 as they are compared, after `fit`.
    """

    scores_cold_items: ClassVar[bool] = True

    vectors: np.ndarray = field(repr=False)
    normalize: bool = True
    centre: bool = False
    mean: np.ndarray | None = field(default=None, init=False, repr=False)
    item_vectors: np.ndarray | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.vectors = content_vectors(self.vectors)

    @sound
    def fit(self, X: sp.csr_array) -> Self:
        """Check that X (users, items) is over the items there are vectors of; learn the mean.

        Raises:
            DataError: if X is not a matrix of finite numbers, has no users, or does not have an
                item for each vector.
        """
        X = training_matrix(X)
        require_vectors_of(self.vectors, X.shape[1])
        mean = np.zeros(self.vectors.shape[1])
        if self.centre:
            used = np.bincount(X.indices, minlength=X.shape[1]) > 0
            mean = mean_of_known(self.vectors, used)
        self.mean = mean
        self.item_vectors = compared(self.vectors, mean, self.normalize)
        return self

    def add_items(self, vectors: np.ndarray) -> Self:
        """Append items by their vectors (new items, dims); the others stay as they are.

        Raises:
            ConfigError: if the model is not fitted.
            DataError: if the vectors are not finite, or if they have another number of dimensions
                than the model was fitted with.
        """
        fitted, mean = self.item_vectors, self.mean
        require_fitted(self, 0 if fitted is not None else None, np.empty((0, 0)))
        assert fitted is not None  # for the type checker
        assert mean is not None
        new = content_vectors(vectors)
        require_width(new, self.vectors.shape[1])
        joining = compared(new, mean, self.normalize)
        require_sound_additions(self, joining)
        self.vectors = np.concatenate([self.vectors, new])
        self.item_vectors = np.concatenate([fitted, joining])
        return self

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items by X A Aᵀ."""
        vectors = self.item_vectors
        require_fitted(self, None if vectors is None else len(vectors), X)
        assert vectors is not None  # for the type checker
        return ItemIndex(vectors).recommend(ones(X), k, candidates, exclude_seen)

    def save(self, folder: str | Path) -> None:
        """Write settings and vectors."""
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder."""
        return load_fields(cls, folder)
