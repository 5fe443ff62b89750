"""Item-based nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import scipy.sparse as sp

from beekit.models.linear.nearest import nearest
from beekit.models.linear.sparse_scores import SparseItemModel
from beekit.models.settings import Count, NotNegative, Positive, one_of

SIMILARITIES = ("cosine", "asymmetric", "conditional", "jaccard", "tversky")
WEIGHTINGS = ("none", "unit", "tf-idf", "bm25")


@dataclass(eq=False)
class ItemKNN(SparseItemModel):
    """Scores an item by its similarity to the user's items (Deshpande & Karypis, TOIS 2004).

    With w the weighted interactions, c_ij = Σ_u w_ui w_uj and n_i = c_ii. (Without weights, c_ij
    users have both items and n_i users have item i.) With h the shrinkage, the similarity of a
    recommended item j to an item i of the history is

        cosine       c / (√(n_i n_j) + h)
        asymmetric   c / (n_i^(1−α) n_j^α + h)                  Aiolli, RecSys 2013
        conditional  c / (n_i n_j^α + h)                        Deshpande & Karypis, section 4.2
        jaccard      c / (n_i + n_j − c + h)
        tversky      c / (c + α (n_i − c) + β (n_j − c) + h)    Tversky 1977; α = β = ½ is Dice

    The most similar items are kept for each recommended item. (Deshpande & Karypis keep them for
    each item of the history.) Weightings and shrinkage follow the comparison of Dacrema et al.
    (RecSys 2019), where well-tuned neighbour models are better than most neural models.

    Args:
        neighbours: number of most similar items kept for each recommended item.
        similarity: one of the above.
        shrinkage: h ≥ 0; it makes similarities that rest on few users smaller.
        alpha: α of the asymmetric and the conditional similarity (a larger α makes popular items
            score lower) and of Tversky's.
        beta: β of Tversky's similarity.
        weighting: the weight of an interaction. "none": 1; "unit": each user's weights have length
            one, so that users with many interactions count less for each; "tf-idf": log of items
            over the user's interactions; "bm25": the same idea with Okapi's formulas (k₁ = 1.2,
            b = 0.75), where items are the documents.
        power: exponent of similarities; above 1, near neighbours count more (Aiolli 2013).
        normalize: scale the similarities of each item of the history, over all recommended items,
            to a sum of one (Deshpande & Karypis, section 4.3).

    Attributes:
        item_item: B (items, items) float32 CSR, from history to recommended item, after `fit`.
    """

    neighbours: Count = 200
    similarity: Annotated[str, one_of(*SIMILARITIES)] = "cosine"
    shrinkage: NotNegative = 0.0
    alpha: NotNegative = 0.5
    beta: NotNegative = 0.5
    weighting: Annotated[str, one_of(*WEIGHTINGS)] = "none"
    power: Positive = 1.0
    normalize: bool = False

    def _fit(self, X: sp.csr_array) -> None:
        weighted = _weighted(X, self.weighting)
        item_item = sp.csr_array(nearest(weighted, self.neighbours, self._similarities).T)
        if self.normalize:
            total = np.asarray(item_item.sum(axis=1, dtype=np.float64)).ravel()
            scale = np.divide(1, total, out=np.zeros_like(total), where=total > 0)
            item_item.data *= np.repeat(scale, np.diff(item_item.indptr)).astype(np.float32)
        self.item_item = item_item

    def _similarities(
        self, common: np.ndarray, known: np.ndarray, target: np.ndarray
    ) -> np.ndarray:
        """Similarities from c_ij (`common`), n_i of items of the history (`known`) and n_j of
        recommended items (`target`)."""
        if self.similarity == "cosine":
            scale = np.sqrt(known * target)
        elif self.similarity == "asymmetric":
            scale = known ** (1 - self.alpha) * target**self.alpha
        elif self.similarity == "conditional":
            scale = known * target**self.alpha
        elif self.similarity == "jaccard":
            scale = known + target - common
        else:
            scale = common + self.alpha * (known - common) + self.beta * (target - common)
        return np.asarray((common / (scale + self.shrinkage)) ** self.power)


def _weighted(X: sp.csr_array, weighting: str) -> sp.csr_array:
    """The weighted interactions (users, items) float64."""
    X = X.astype(np.float64)
    if weighting == "none":
        return X
    users = X.shape[0]
    support = np.bincount(X.indices, minlength=X.shape[1])
    # Items without training interactions are no documents, so that the number of held-out items
    # changes no weight.
    items = np.count_nonzero(support)
    owners = np.repeat(np.arange(users), np.diff(X.indptr))
    activity = np.diff(X.indptr)[owners]
    if weighting == "unit":
        X.data /= np.sqrt(activity)
    elif weighting == "tf-idf":
        X.data *= np.log((1 + items) / activity)
    else:
        length = support * items / max(1, len(X.indices))
        rarity = np.log1p((items - activity + 0.5) / (activity + 0.5))
        X.data *= rarity * 2.2 / (1 + 1.2 * (0.25 + 0.75 * length[X.indices]))
    return X
