"""Content-based recommendation: items similar to those that a user has."""

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
    """Ranks items by the sum of their similarities with the user's items.

    With A the items' vectors, the scores of a history x are x A Aᵀ: the inner products of each
    item's vector with the sum over the history. Interactions only decide which items count in the
    mean of `centre`; nothing else is learnt. So it is the baseline for models that learn to
    transform A. It is the row CBF of the beeFormer paper (Vančura et al., RecSys 2024).

    Args:
        vectors: A (items, dims), for example a sentence encoder's embeddings.
        normalize: scale rows of A to length 1, so that similarities are cosines.
        centre: first subtract the mean of the rows of items with training interactions. All
            embeddings of an encoder share a large component; summed over a history, it would hide
            what is particular to the user's items. Held-out items do not change this mean.

    Attributes:
        mean: (dims,) the vector that is subtracted, after `fit`.
        item_vectors: (items, dims) float32, centred and scaled as above, after `fit`.
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
