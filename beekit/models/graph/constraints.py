"""The weights of UltraGCN's losses: of interactions, of all other pairs, and of similar items."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from beekit.models.linear.blocks import row_blocks
from beekit.models.linear.top_entries import strongest


def item_graph(X: sp.csr_array, neighbours: int) -> sp.csr_array:
    """The weights ω_ik of the most similar items k of each item i (UltraGCN, eq. 10 to 12).

    With G = XᵀX and g_i = Σ_k G_ik, ω_ik = G_ik/g_i · √((g_i + 1)/(g_k + 1)). As in the authors'
    code, G keeps its diagonal, so that an item is usually its own first neighbour.

    Args:
        X: (users, items) CSR of ones.
        neighbours: items k kept for each item i; a hash chooses among ties at the cut.

    Returns:
        (items, items) CSR float32.
    """
    X = X.astype(np.float64)
    by_item = sp.csr_array(X.T)
    sums = by_item @ np.diff(X.indptr).astype(np.float64)
    blocks = []
    for begin, end in row_blocks(by_item, X):
        common = by_item[begin:end] @ X
        common.data *= np.repeat(_ratio(sums[begin:end]), np.diff(common.indptr))
        common.data /= np.sqrt(sums[common.indices] + 1)
        blocks.append(strongest(common, neighbours, begin))
    return sp.csr_array(sp.vstack(blocks, format="csr"))


class Pairs(NamedTuple):
    """Weights of the pairs of some users with some items."""

    items: np.ndarray | None  # (items,) distinct indices; None for all
    toward: np.ndarray  # (users, items) float32, of softplus(−s)
    away: np.ndarray  # (users, items) float32, of softplus(s)


class PairWeights:
    """The weights of every pair of a user and an item in UltraGCN's loss over a pass of the data.

    With β_ui = 1/d_u · √((d_u + 1)/(d_i + 1)), ω⁺ = w₁ + w₂ β and ω⁻ = w₃ + w₄ β (eq. 6 to 9), an
    interaction (u, i) and its negatives, drawn uniformly from all n items, cost

        ω⁺_ui softplus(−s_ui) + W mean_j ω⁻_uj softplus(s_uj) + λ Σ_k ω_ik softplus(−s_uk)

    In expectation, summed over the interactions of a user, each item k therefore costs

        toward_uk softplus(−s_uk) + away_uk softplus(s_uk)

    with toward = X∘ω⁺ + λ X ω, and away_uk = d_u W/n ω⁻_uk.

    Args:
        X: (users, items) CSR of ones.
        similar: ω (items, items) CSR, from `item_graph`.
        item_weight: λ.
        positive: w₁, w₂.
        negative: w₃, w₄.
        negative_weight: W.

    Attributes:
        toward: (users, items) CSR float32.
    """

    def __init__(
        self,
        X: sp.csr_array,
        similar: sp.csr_array,
        item_weight: float,
        positive: tuple[float, float],
        negative: tuple[float, float],
        negative_weight: float,
    ) -> None:
        lengths = np.diff(X.indptr).astype(np.float64)
        support = np.bincount(X.indices, minlength=X.shape[1])
        of_user, of_item = _ratio(lengths), 1 / np.sqrt(support + 1)
        owners = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        constant, by_degree = positive
        weights = constant + by_degree * of_user[owners] * of_item[X.indices]
        toward = sp.csr_array((weights, X.indices, X.indptr), shape=X.shape)
        if item_weight:
            toward = toward + item_weight * (X.astype(np.float64) @ similar)
        self.toward = sp.csr_array(toward, dtype=np.float32)
        constant, by_degree = negative
        share = negative_weight / X.shape[1] * lengths
        self._constant = (share * constant).astype(np.float32)
        self._of_user = (share * by_degree * of_user).astype(np.float32)
        self._of_item = of_item.astype(np.float32)

    def step(self, users: np.ndarray, negatives: int, generator: torch.Generator) -> Pairs:
        """The weights of some users and all items; in a large catalog, and some items.

        If there are more items than `negatives`, the items are those with a weight toward one of
        the users, and so many others at most, drawn without replacement and weighted up to all
        others: the expectation over the draws is the weights of all items.

        Args:
            users: (batch,) distinct user indices.
            negatives: see above.
            generator: of the draws.
        """
        toward = sp.csr_array(self.toward[users])
        n_items = toward.shape[1]
        if n_items <= negatives:
            return Pairs(None, toward.toarray(), self._away(users, slice(None)))
        near = np.zeros(n_items, dtype=bool)
        near[toward.indices] = True
        others = np.flatnonzero(~near)
        drawn = torch.randperm(len(others), generator=generator)[:negatives].numpy()
        items = np.concatenate([np.flatnonzero(near), np.sort(others[drawn])])
        away = self._away(users, items)
        away[:, len(items) - len(drawn) :] *= len(others) / max(1, len(drawn))
        return Pairs(items, toward[:, items].toarray(), away)

    def odds(self) -> np.ndarray:
        """(items,): the sum of an item's weights toward, divided by the sum of those away."""
        toward = np.asarray(self.toward.sum(axis=0, dtype=np.float64)).ravel()
        away = self._constant.sum() + self._of_user.sum(dtype=np.float64) * self._of_item
        odds: np.ndarray = np.divide(toward, away, out=np.zeros_like(toward), where=away > 0)
        return odds

    def _away(self, users: np.ndarray, items: np.ndarray | slice) -> np.ndarray:
        away: np.ndarray = self._of_user[users, None] * self._of_item[items]
        away += self._constant[users, None]
        return away


def _ratio(degrees: np.ndarray) -> np.ndarray:
    """√(d + 1)/d, and 0 where d is 0."""
    roots = np.sqrt(degrees + 1)
    ratio: np.ndarray = np.divide(roots, degrees, out=np.zeros_like(degrees), where=degrees > 0)
    return ratio
