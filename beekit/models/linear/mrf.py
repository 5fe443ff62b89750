"""Markov random field: EASE on a sparse pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import scipy.sparse as sp
import torch

from beekit.models.linear.gram import gram_parts
from beekit.models.linear.sparse_scores import SparseItemModel
from beekit.models.linear.top_entries import strongest
from beekit.models.settings import FROM_ONE_OR_ALL, NotNegative, Positive, Share
from beekit.progress import progress_bar
from beekit.ranking.ties import scramble

# Covariances made dense at once: 32 MB in float64.
_BLOCK_ELEMENTS = 2**22


@dataclass(eq=False)
class MRF(SparseItemModel):
    """Sparse Gaussian Markov random field (Steck, NeurIPS 2019).

    The covariance of the items, S_ij = c_ij − n_i n_j / users (times the users), is rescaled to
    s_ij = S_ij / (S_ii S_jj)^(α/2), so that popular items weigh less; α = 1 gives correlations. On
    all pairs, with P = (s + λI)⁻¹, the solution would be b_ij = −P_ij / P_jj: EASE on centred and
    rescaled data. Two approximations make it sparse:

    - *Pattern* (section 3.1): b_ij may differ from zero where |s_ij| is at least a threshold, for
      at most so many i a column j, those with the largest |s_ij|.
    - *Values* (section 3.2): items are taken by their number of neighbours, most first. For item i
      with neighbours N, the submatrix of s + λI of {i} ∪ N is inverted, and gives the columns of i
      and of the share r of N nearest to it, which then need no inversion of their own. What several
      inversions give is averaged; what is outside the pattern is dropped.

    B_ij = (S_ii^(−α/2)) b_ij (S_jj^(α/2)) applies to plain interactions; the paper's means are left
    out of the scores as it does (its appendix), assuming that they reproduce themselves.

    Args:
        regularization: λ > 0. The diagonal it is added to is S_ii^(1−α): a few units for α near 1.
        threshold: ≥ 0, compared with |s_ij|.
        neighbours: most neighbours of an item; None for all above the threshold.
        overlap: r from 0 (each item has an inversion: best and slowest) to 1.
        alpha: α from 0 (plain covariance) to 1 (correlation).

    Attributes:
        item_item: B (items, items) float32 CSR, after `fit`. Items that nobody or everybody has do
            not vary, and have neither row nor column in it.
    """

    regularization: Positive = 1.0
    threshold: NotNegative = 0.1
    neighbours: Annotated[int | None, FROM_ONE_OR_ALL] = 1000
    overlap: Share = 0.5
    alpha: Share = 0.75

    def _fit(self, X: sp.csr_array) -> None:
        users, items = X.shape
        support = np.bincount(X.indices, minlength=items).astype(np.float64)
        variance = support - support**2 / max(1, users)
        varies = variance > 0
        scale = np.zeros(items)
        scale[varies] = variance[varies] ** (-self.alpha / 2)
        covariance = _Covariance(support / np.sqrt(max(1, users)), scale)
        pattern = _pattern(X, covariance, self.threshold, self.neighbours or items)
        blocks, solved = _blocks(pattern, support, self.overlap)
        values = _solve(X, covariance, pattern, blocks, solved, self.regularization)
        unscale = np.divide(1, scale, out=np.zeros(items), where=varies)
        owners = np.repeat(np.arange(items), np.diff(pattern.indptr))
        values *= scale[pattern.indices] * unscale[owners]
        by_target = (values.astype(np.float32), pattern.indices, pattern.indptr)
        item_item = sp.csr_array(sp.csr_array(by_target, shape=(items, items)).T)
        item_item.eliminate_zeros()
        self.item_item = item_item


@dataclass(frozen=True)
class _Covariance:
    """s_ij from c_ij."""

    mean: np.ndarray  # (items,) n_i / √users
    scale: np.ndarray  # (items,) S_ii^(−α/2), zero for items that do not vary

    def __call__(self, counts: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """(rows, columns) s_ij of some items with some."""
        centred = counts - self.mean[rows, None] * self.mean[None, columns]
        return np.asarray(centred * self.scale[rows, None] * self.scale[None, columns])


def _pattern(
    X: sp.csr_array, covariance: _Covariance, threshold: float, neighbours: int
) -> sp.csr_array:
    """(items j, items i) CSR: |s_ij| of the neighbours i of each item j."""
    by_item, items = sp.csr_array(X.T), X.shape[1]
    step = max(1, _BLOCK_ELEMENTS // max(1, items))
    everything = np.arange(items)
    parts = []
    for begin in range(0, items, step):
        own = everything[begin : begin + step]
        strength = np.abs(covariance((by_item[own] @ X).toarray(), own, everything))
        # At a threshold of zero all pairs count, those with no covariance too.
        kept = np.where(strength >= threshold, np.maximum(strength, np.finfo(np.float32).tiny), 0)
        kept[np.arange(len(own)), own] = 0
        parts.append(strongest(sp.csr_array(kept), neighbours, begin))
    return sp.csr_array(sp.vstack(parts, format="csr"))


def _blocks(
    pattern: sp.csr_array, support: np.ndarray, overlap: float
) -> tuple[sp.csr_array, np.ndarray]:
    """Submatrices to invert, as a pattern (blocks, items), and for how many of its items each is.

    Items come by number of neighbours, popular ones first among equals, until all are solved; what
    ties still, in an order that the items' places have no say in. Those a block solves for are its
    first.
    """
    items = pattern.shape[0]
    sizes = np.diff(pattern.indptr)
    open_ = np.ones(items, dtype=bool)
    members, solved = [], []
    keys = scramble(np.arange(items, dtype=np.uint64))
    for item in np.lexsort((keys, -support, -sizes)):
        if not open_[item]:
            continue
        row = slice(pattern.indptr[item], pattern.indptr[item + 1])
        order = np.lexsort((keys[pattern.indices[row]], -pattern.data[row]))
        members.append(np.concatenate([[item], pattern.indices[row][order]]))
        solved.append(1 + int(np.ceil(overlap * sizes[item])))
        open_[members[-1][: solved[-1]]] = False
    indptr = np.concatenate([[0], np.cumsum([len(m) for m in members])])
    indices = np.concatenate(members)
    csr = sp.csr_array((np.ones(len(indices), bool), indices, indptr), shape=(len(solved), items))
    return csr, np.array(solved)


def _solve(
    X: sp.csr_array,
    covariance: _Covariance,
    pattern: sp.csr_array,
    blocks: sp.csr_array,
    solved: np.ndarray,
    regularization: float,
) -> np.ndarray:
    """(entries of the pattern,) b_ij, averaged over the blocks that give it; zero if none does."""
    total, times = np.zeros(pattern.nnz), np.zeros(pattern.nnz)
    place = np.full(X.shape[1], -1)
    bar = progress_bar(total=len(solved), desc="MRF", unit=" blocks")
    for part, items, counts in gram_parts(X, blocks):
        for block in range(part.start, part.stop):
            members = blocks.indices[blocks.indptr[block] : blocks.indptr[block + 1]]
            local = np.searchsorted(items, members)
            gram = covariance(counts[np.ix_(local, local)], members, members)
            gram[np.diag_indices(len(gram))] += regularization
            own = members[: solved[block]]
            columns = _columns(gram, len(own))
            # Where the block's rows are among the neighbours of the columns it solves for.
            sizes = pattern.indptr[own + 1] - pattern.indptr[own]
            column = np.repeat(np.arange(len(own)), sizes)
            starts = pattern.indptr[own] - (np.cumsum(sizes) - sizes)
            entries = np.arange(sizes.sum()) + np.repeat(starts, sizes)
            place[members] = np.arange(len(members))
            inside = place[pattern.indices[entries]]
            place[members] = -1
            entries, column, inside = (a[inside >= 0] for a in (entries, column, inside))
            total[entries] += columns[inside, column]
            times[entries] += 1
            bar.update()
        # Gone before the next part's are made.
        del counts
    bar.close()
    return total / np.maximum(times, 1)


def _columns(gram: np.ndarray, n: int) -> np.ndarray:
    """(items, n) −P_ij / P_jj for the first n columns j of P, the inverse of a Gram matrix."""
    factor = torch.linalg.cholesky(torch.from_numpy(gram))
    unit = torch.eye(len(gram), n, dtype=factor.dtype)
    inverse = torch.cholesky_solve(unit, factor).numpy()
    return np.asarray(inverse / -np.diagonal(inverse))
