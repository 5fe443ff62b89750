"""Item-based nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp

from beekit.models.checks import require, require_fitted, training_matrix
from beekit.models.linear.nearest import nearest
from beekit.models.linear.sparse_scores import recommend_sparse
from beekit.models.saved import load_fields, save_fields
from beekit.models.sound import sound
from beekit.ranking import Recommendations

SIMILARITIES = ("cosine", "asymmetric", "conditional", "jaccard", "tversky")
WEIGHTINGS = ("none", "unit", "tf-idf", "bm25")


@dataclass(eq=False)
class ItemKNN:
    """Scores an item by its similarity to what the user has (Deshpande & Karypis, TOIS 2004).

    With w the weighted interactions, c_ij = Σ_u w_ui w_uj and n_i = c_ii (for plain interactions,
    the users of both and of one), the similarity of a recommended item j to an item i of the
    history is, h being the shrinkage,

        cosine       c / (√(n_i n_j) + h)
        asymmetric   c / (n_i^(1−α) n_j^α + h)                  Aiolli, RecSys 2013
        conditional  c / (n_i n_j^α + h)                        Deshpande & Karypis, section 4.2
        jaccard      c / (n_i + n_j − c + h)
        tversky      c / (c + α (n_i − c) + β (n_j − c) + h)    Tversky 1977; α = β = ½ is Dice

    Each recommended item keeps its most similar items. Weightings and shrinkage follow the
    comparison of Dacrema et al. (RecSys 2019), where well-tuned neighbours beat most neural models.
    Deshpande & Karypis keep neighbours of the items of the history instead.

    Args:
        neighbours: most similar items kept for each recommended item.
        similarity: one of the above.
        shrinkage: h ≥ 0; similarities that rest on few users count less.
        alpha: α of the asymmetric and the conditional similarity (how much popularity counts
            against a recommended item) and of Tversky's.
        beta: β of Tversky's.
        weighting: what an interaction weighs. `unit`: each user's have length one, so that busy
            users say less; `tf-idf`: log of items over the user's interactions; `bm25`: the same
            idea with Okapi's formulas (k₁ = 1.2, b = 0.75), items being the documents.
        power: similarities are raised to it; above 1, near neighbours count more (Aiolli 2013).
        normalize: scale the outgoing similarities of each item of the history to a sum of one
            (Deshpande & Karypis, section 4.3).

    Attributes:
        item_item: B (items, items) float32 CSR, from history to recommended item, after `fit`.
    """

    scores_cold_items: ClassVar[bool] = False

    neighbours: int = 200
    similarity: str = "cosine"
    shrinkage: float = 0.0
    alpha: float = 0.5
    beta: float = 0.5
    weighting: str = "none"
    power: float = 1.0
    normalize: bool = False
    item_item: sp.csr_array | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require(self.neighbours >= 1, f"neighbours={self.neighbours}", "at least 1")
        require(
            self.similarity in SIMILARITIES,
            f"similarity={self.similarity!r}",
            f"one of {', '.join(SIMILARITIES)}",
        )
        require(
            self.weighting in WEIGHTINGS,
            f"weighting={self.weighting!r}",
            f"one of {', '.join(WEIGHTINGS)}",
        )
        require(self.shrinkage >= 0, f"shrinkage={self.shrinkage}", "0 or more")
        require(self.alpha >= 0, f"alpha={self.alpha}", "0 or more")
        require(self.beta >= 0, f"beta={self.beta}", "0 or more")
        require(self.power > 0, f"power={self.power}", "a number above 0")

    @sound
    def fit(self, X: sp.csr_array) -> Self:
        """Find every item's neighbours, a block of items at a time."""
        weighted = _weighted(training_matrix(X), self.weighting)
        item_item = sp.csr_array(nearest(weighted, self.neighbours, self._similarities).T)
        if self.normalize:
            total = np.asarray(item_item.sum(axis=1, dtype=np.float64)).ravel()
            scale = np.divide(1, total, out=np.zeros_like(total), where=total > 0)
            item_item.data *= np.repeat(scale, np.diff(item_item.indptr)).astype(np.float32)
        self.item_item = item_item
        return self

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items by X B."""
        item_item = self.item_item
        require_fitted(self, None if item_item is None else item_item.shape[0], X)
        return recommend_sparse(item_item, X, k, candidates, exclude_seen)

    def save(self, folder: str | Path) -> None:
        """Write settings and B."""
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder."""
        return load_fields(cls, folder)

    def _similarities(
        self, common: np.ndarray, known: np.ndarray, target: np.ndarray
    ) -> np.ndarray:
        """From c_ij, n_i of the items of the history and n_j of the recommended ones."""
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
        similar: np.ndarray = (common / (scale + self.shrinkage)) ** self.power
        return similar


def _weighted(X: sp.csr_array, weighting: str) -> sp.csr_array:
    """Interactions (users, items) float64 with their weights."""
    X = X.astype(np.float64)
    if weighting == "none":
        return X
    users = X.shape[0]
    support = np.bincount(X.indices, minlength=X.shape[1])
    # Items nobody has in training are no documents: how many are held out must not matter.
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
