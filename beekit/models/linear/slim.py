"""SLIM: sparse linear methods."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import psutil
import scipy.sparse as sp

from beekit.models.linear.coordinate_descent import solve_blocks, solve_shared
from beekit.models.linear.gram import gram_parts, require_memory
from beekit.models.linear.nearest import cosine, nearest
from beekit.models.linear.sparse_scores import SparseItemModel
from beekit.models.settings import FROM_ONE_OR_ALL, Count, NotNegative, Positive
from beekit.progress import progress_bar

logger = logging.getLogger(__name__)

# How many entries of small Gram matrices are held at once: 64 MB in float32.
_BLOCK_ELEMENTS = 2**24
# How many targets are regressed on all items at once.
_TARGETS_AT_ONCE = 512


@dataclass(eq=False)
class SLIM(SparseItemModel):
    """Sparse linear methods (Ning & Karypis, ICDM 2011).

    Minimises ½‖X − X B‖² + ½ l2 ‖B‖² + l1 ‖B‖₁ over B ≥ 0 with a zero diagonal (eq. 3), by
    coordinate descent for each column. A column is what scikit-learn's `ElasticNet(positive=True,
    fit_intercept=False)` computes for n users with alpha = (l1 + l2) / n and l1_ratio =
    l1 / (l1 + l2).

    With `neighbours`, each item is regressed only on the items with the largest cosine: the paper's
    feature selection (fsSLIM). Large catalogs need it; with None, the Gram matrix of all items
    takes items² numbers in float64. An item that shares at most l1 users with the target always has
    weight zero, because no weight is negative, so it is left out as well.

    Args:
        l1: ≥ 0, in users; larger values make B sparser.
        l2: ≥ 0, in users; larger values shrink B and share weight among similar items. Tens to
            hundreds are usual, as for EASE's λ.
        neighbours: number of items that each regression may use; None for all.
        tolerance: an item is done when its optimality conditions hold to within this share of its
            number of users.
        max_sweeps: maximum number of sweeps; a warning is logged if items are not done then.

    Attributes:
        item_item: B (items, items) float32 CSR, after `fit`.
    """

    l1: NotNegative = 0.5
    l2: NotNegative = 100.0
    neighbours: Annotated[int | None, FROM_ONE_OR_ALL] = 200
    tolerance: Positive = 1e-4
    max_sweeps: Count = 200

    def _fit(self, X: sp.csr_array) -> None:
        """Solve for B, for many columns at a time."""
        parts = _on_all(self, X) if self.neighbours is None else _on_few(self, X, self.neighbours)
        rows, columns = ([np.empty(0, dtype=np.int64)] for _ in range(2))
        values = [np.empty(0, dtype=np.float32)]
        undone = 0
        with progress_bar(total=X.shape[1], desc="SLIM", unit=" items") as bar:
            for items, targets, weights, done in parts:
                used = np.nonzero(weights)
                rows.append(items[used])
                columns.append(np.broadcast_to(targets, weights.shape)[used])
                values.append(weights[used].astype(np.float32))
                undone += int(np.count_nonzero(~done))
                bar.update(len(done))
        if undone:
            logger.warning(
                "SLIM: %d of %d items have not converged after %d sweeps; raise max_sweeps or "
                "tolerance",
                undone,
                X.shape[1],
                self.max_sweeps,
            )
        places = np.concatenate(rows), np.concatenate(columns)
        shape = (X.shape[1], X.shape[1])
        self.item_item = sp.csr_array((np.concatenate(values), places), shape=shape)


Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Item and target index of each weight, the weights, and which targets are done."""


def _on_all(net: SLIM, X: sp.csr_array) -> Iterator[Part]:
    """Regress every item on all others."""
    # An item with at most l1 users shares at most l1 users with any other, so its weights are zero.
    items = np.flatnonzero(np.bincount(X.indices, minlength=X.shape[1]) > net.l1)
    need = 2 * len(items) ** 2 * 8
    require_memory("SLIM", len(items), need, _free_bytes(), "Set neighbours, for example to 200.")
    X = sp.csr_array(X[:, items], dtype=np.float64)
    gram = (sp.csr_array(X.T) @ X).toarray()
    for begin in range(0, len(items), _TARGETS_AT_ONCE):
        targets = np.arange(begin, min(begin + _TARGETS_AT_ONCE, len(items)))
        weights, done = solve_shared(net, gram, targets)
        wide = np.broadcast_to(items[:, None], weights.shape)
        yield wide, items[targets][None, :], weights, done


def _free_bytes() -> int:
    return int(psutil.virtual_memory().available)


def _on_few(net: SLIM, X: sp.csr_array, neighbours: int) -> Iterator[Part]:
    """Regress every item on its nearest items."""
    sets = nearest(X, neighbours, cosine)
    with_own = sp.csr_array(sets + sp.eye_array(X.shape[1], format="csr"))
    for part, items, counts in gram_parts(X, with_own):
        targets = np.arange(part.start, part.stop)
        owners = np.repeat(targets, np.diff(sets.indptr[part.start : part.stop + 1]))
        chosen = sets.indices[sets.indptr[part.start] : sets.indptr[part.stop]]
        # The row of each neighbour in the counts of this part.
        local = np.searchsorted(items, chosen)
        shared = counts[local, np.searchsorted(items, owners)]
        enters = shared > net.l1
        owners, chosen, local, shared = (a[enters] for a in (owners, chosen, local, shared))
        sizes = np.bincount(owners - part.start, minlength=len(targets))
        starts = np.cumsum(sizes) - sizes
        # Targets with similar numbers of neighbours share a batch, so that there is little padding.
        by_size = np.argsort(sizes, kind="stable")[::-1]
        begin = 0
        while begin < len(by_size) and (width := sizes[by_size[begin]]):
            batch = by_size[begin : begin + max(1, _BLOCK_ELEMENTS // width**2)]
            places = starts[batch, None] + np.arange(width)
            padding = np.arange(width) >= sizes[batch, None]
            places[padding] = 0
            among = local[places]
            blocks = counts[among.T[:, :, None], among[None]].astype(np.float32)
            linear = np.where(padding, -1.0, shared[places])
            scale = np.diagonal(counts)[np.searchsorted(items, targets[batch])]
            weights, done = solve_blocks(net, blocks, linear, scale)
            yield chosen[places], targets[batch, None], weights, done
            begin += len(batch)
        del counts  # frees its memory before the next part is computed
