"""Markov random field: EASE with a sparse B."""

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

# How many covariances are made dense at once: 32 MB in float64.
_BLOCK_ELEMENTS = 2**22


@dataclass(eq=False)
class MRF(SparseItemModel):
    """Sparse Gaussian Markov random field (Steck, NeurIPS 2019).

    With c_ij the number of users of both items and n_i the users of one, the covariance of the
    items, times the number of users, is S_ij = c_ij − n_i n_j / users. It is rescaled to
    s_ij = S_ij / (S_ii S_jj)^(α/2), so that popular items weigh less; α = 1 gives correlations.
    With P = (s + λI)⁻¹ of all items, the solution would be b_ij = −P_ij / P_jj, which is EASE on
    centred and rescaled data. Two approximations make it sparse:

    - *Pattern* (section 3.1): b_ij may differ from zero only if |s_ij| is at least `threshold`; in
      each column j, only the `neighbours` items i with the largest |s_ij| are kept.
    - *Values* (section 3.2): items are processed in the order of their number of neighbours, most
      first. For an item i with neighbours N, the submatrix of s + λI for {i} ∪ N is inverted. This
      gives the columns of i and of the nearest share r of N, which need no inversion of their own.
      Values from several inversions are averaged; values outside the pattern are dropped.

    B_ij = (S_ii^(−α/2)) b_ij (S_jj^(α/2)) applies to interactions that are not rescaled. As in the
    paper's appendix, the means are left out of the scores.

    Args:
        regularization: λ > 0. It is added to a diagonal of S_ii^(1−α); a few units are usual for α
            near 1.
        threshold: ≥ 0, compared with |s_ij|.
        neighbours: maximum number of neighbours of an item; None for all above the threshold.
        overlap: r, from 0 (one inversion for each item: best and slowest) to 1.
        alpha: α, from 0 (covariance) to 1 (correlation).

    Attributes:
        item_item: B (items, items) float32 CSR, after `fit`. Rows and columns of items that no user
            or every user has are empty, because these items do not vary.
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
    """Computes s_ij from c_ij."""

    mean: np.ndarray  # (items,) n_i / √users
    scale: np.ndarray  # (items,) S_ii^(−α/2), zero for items that do not vary

    def __call__(self, counts: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """s_ij (rows, columns) of the items `rows` and `columns`, from their c_ij."""
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
        # With a threshold of zero all pairs count, also those with a covariance of zero.
        kept = np.where(strength >= threshold, np.maximum(strength, np.finfo(np.float32).tiny), 0)
        kept[np.arange(len(own)), own] = 0
        parts.append(strongest(sp.csr_array(kept), neighbours, begin))
    return sp.csr_array(sp.vstack(parts, format="csr"))


def _blocks(
    pattern: sp.csr_array, support: np.ndarray, overlap: float
) -> tuple[sp.csr_array, np.ndarray]:
    """The submatrices to invert, as a pattern (blocks, items), and for how many of its items each
    gives the solution; these come first in a block.

    Items are processed by number of neighbours, then by popularity, then by a hash, until all are
    solved for.
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
    """b_ij (entries of the pattern,), each averaged over the blocks that give it; zero if none."""
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
            # The entries of the pattern in the columns solved for whose rows are in the block.
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
        del counts  # frees its memory before the next part is computed
    bar.close()
    return total / np.maximum(times, 1)


def _columns(gram: np.ndarray, n: int) -> np.ndarray:
    """−P_ij / P_jj (items, n) for the first n columns j of P, the inverse of a Gram matrix."""
    factor = torch.linalg.cholesky(torch.from_numpy(gram))
    unit = torch.eye(len(gram), n, dtype=factor.dtype)
    inverse = torch.cholesky_solve(unit, factor).numpy()
    return np.asarray(inverse / -np.diagonal(inverse))
