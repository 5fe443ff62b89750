"""Content-based recommendation: items like those a user has."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from beekit.models.cold.new_items import GrowsByContent
from beekit.models.content_vectors import compared, mean_of_known
from beekit.models.settings import NOT_FITTED, ItemVectors
from beekit.models.vectors import VectorRecommender


@dataclass(eq=False)
class ContentBased(GrowsByContent, VectorRecommender):
    """Ranks items by the sum of their similarities with what the user has.

    With A the items' vectors a history x scores x A Aᵀ: the inner product of an item's vector with
    the sum over the history. Nothing is learnt from interactions (but which items `centre` takes
    the mean of), which makes it the baseline of whatever learns to transform A; it is the CBF row
    of the beeFormer paper (Vančura et al., RecSys 2024).

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

    vectors: ItemVectors = field(repr=False)
    normalize: bool = True
    centre: bool = False
    mean: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> None:
        self.mean = np.zeros(self.vectors.shape[1])
        if self.centre:
            used = np.bincount(X.indices, minlength=X.shape[1]) > 0
            self.mean = mean_of_known(self.vectors, used)
        self.item_vectors = compared(self.vectors, self.mean, self.normalize)

    def _join(self, joining: np.ndarray) -> None:
        self.item_vectors = np.concatenate([self.item_vectors, joining])
