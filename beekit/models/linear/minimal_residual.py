"""Minimal residual steps on a sparse inverse factor K, and the pivots of K."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.models.linear.wide_products import block_product, first_rows, times, user_blocks

# How many rows of K are made dense at once.
_PANEL_ITEMS = 256


def minimal_residual(
    K: sp.csr_array, X: sp.csr_array, regularization: float, steps: int
) -> tuple[sp.csr_array, np.ndarray]:
    """K after `steps` minimal residual steps that keep its pattern, and d = diag(K A Kᵀ).

    With A = XᵀX + λI, a row k of K describes the residual of item i after regression on the items
    in the row. Its size is d_i = k A kᵀ, which is smallest for K = L⁻¹ (Kolotilina and Yeremin
    1993: it measures ‖e_i √d − k C‖ for the Cholesky factor C of A without computing C). A step
    changes every row by

        k ← k + α z,  z = −(k A) / diag(A) on the row's pattern,  α = −(k A) zᵀ / (z A zᵀ),

    where α minimises the row's residual, so that d never grows. The 1 on the diagonal is kept.

    Args:
        K: (items, items) CSR.
        X: (users, items) CSR of ones.
        regularization: λ.
        steps: number of steps; with 0, only d is computed.
    """
    support = np.bincount(X.indices, minlength=X.shape[1])
    diagonal = (support + regularization).astype(np.float32)
    blocks = user_blocks(X, _PANEL_ITEMS)
    refined, items = K.copy(), K.shape[0]
    starts = range(0, items, _PANEL_ITEMS)
    panels = [slice(begin, min(items, begin + _PANEL_ITEMS)) for begin in starts]
    for _ in range(steps):
        for rows in panels:
            _step(refined, rows, blocks, diagonal, regularization)
    pivots = np.empty(items)
    for rows in panels:
        panel = refined[rows]
        pivots[rows] = _energies(blocks, _dense(panel, panel.data, rows.stop), regularization)
    return refined, pivots


def _step(
    K: sp.csr_array,
    rows: slice,
    blocks: list[sp.csr_array],
    diagonal: np.ndarray,
    regularization: float,
) -> None:
    """One minimal residual step on a range of rows of K, in place."""
    panel = K[rows]
    owners = np.repeat(np.arange(panel.shape[0]), np.diff(panel.indptr))
    dense = _dense(panel, panel.data, rows.stop)
    gradient = regularization * dense
    for block in blocks:
        by_item = first_rows(block, rows.stop, block.shape[1])
        gradient += times(by_item, times(by_item.T, dense))
    slope = gradient[panel.indices, owners]
    step = -slope / diagonal[panel.indices]
    step[panel.indices == owners + rows.start] = 0
    gained = np.bincount(owners, -slope.astype(np.float64) * step, minlength=panel.shape[0])
    bend = _energies(blocks, _dense(panel, step, rows.stop), regularization)
    length = np.divide(gained, bend, out=np.zeros_like(gained), where=bend > 0)
    K.data[K.indptr[rows.start] : K.indptr[rows.stop]] += length.astype(np.float32)[owners] * step


def _dense(panel: sp.csr_array, values: np.ndarray, items: int) -> np.ndarray:
    """(items, rows) float32: the rows of a panel as columns, with `values` at its stored places."""
    parts = (values.astype(np.float32), panel.indices, panel.indptr)
    return np.asarray(sp.csr_array(parts, shape=(panel.shape[0], items)).T.toarray(order="C"))


def _energies(blocks: list[sp.csr_array], dense: np.ndarray, regularization: float) -> np.ndarray:
    """(columns,) float64 vᵀ A v for every column v of a dense panel over the first items."""
    energies: np.ndarray = regularization * np.einsum("ij,ij->j", dense, dense, dtype=np.float64)
    for block in blocks:
        product = block_product(block, dense)
        energies += np.einsum("ij,ij->j", product, product, dtype=np.float64)
    return energies
