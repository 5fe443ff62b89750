"""The inverse of an incomplete LDLᵀ factor of XᵀX + λI, computed without the factor itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from beekit.models.linear.wide_products import first_rows, product_gram, times, user_blocks
from beekit.progress import progress_bar
from beekit.ranking.ties import scramble

# Narrower panels would cost more time in Python than they save in arithmetic.
_PANEL_ITEMS = 128
# The width of the last panel: this many items, or this many times the entries of a row of K.
_LAST_PANEL_ITEMS, _LAST_PANEL_FACTORS = 1024, 8


def incomplete_inverse(
    X: sp.csr_array, regularization: float, entries: int
) -> tuple[sp.csr_array, np.ndarray]:
    """Sparse unit lower triangular K and positive d with K (XᵀX + λI) Kᵀ ≈ diag(d).

    With L D Lᵀ = A = XᵀX + λI, K approximates L⁻¹ and d the pivots; both are exact if `entries`
    allows all entries. Row i of K holds −1 times the ridge regression of item i on the items before
    it.

    The rows are made A-orthogonal to the rows before them, in panels J of items:

        C = K₍<₎ A₍<,J₎ = D L_Jᵀ,   Q = [−K₍<₎ᵀ D⁻¹ C; I],   S = Qᵀ A Q = F D_J Fᵀ,   K_J = F⁻¹ Qᵀ,

    and the largest entries of K_J are kept. This is the stabilised approximate inverse of Benzi,
    Cullum and Tůma (SIAM J. Sci. Comput. 22, 2000), whose by-product L is the robust incomplete
    factor of Benzi and Tůma (2003), computed in panels. Within a panel everything is dense, exact
    and done by BLAS; the most used items are one wide last panel. S is a Gram matrix, so no pivot
    falls below λ whatever was dropped. An incomplete Cholesky factorisation would become indefinite
    on Gram matrices as dense as those of interactions.

    The size of an entry is |K_ij| √(A_jj / d_i), which has no unit: dropping the entry changes the
    residual of item i by that share of the residual. Each panel gets entries in proportion to the
    interactions with its items.

    Args:
        X: (users, items) CSR of ones, with items from the least used to the most used.
        regularization: λ.
        entries: how many entries K may hold below its diagonal.

    Returns:
        K, float32 CSR with sorted column indices, and d (items,).
    """
    n_items = X.shape[1]
    support = np.bincount(X.indices, minlength=n_items)
    scale = np.sqrt(support + regularization).astype(np.float32)
    panels = list(_panels(n_items, entries))
    most = np.cumsum(np.concatenate([[0.0], _shares(support, entries)])).astype(np.int64)
    widest = max((end - begin for begin, end in panels), default=1)
    blocks = user_blocks(X, widest)
    by_item = sp.csr_array(X.T)
    rows = _Rows(n_items, int(most[-1]))
    pivots = np.zeros(n_items)
    for begin, end in progress_bar(panels, "orthogonalising"):
        width = end - begin
        members = np.arange(width)
        # The columns of this array are the new rows of K.
        panel = np.zeros((end, width), dtype=np.float32)
        panel[begin + members, members] = 1
        if begin:
            known = first_rows(rows, begin, begin)
            co_uses = (by_item[:begin] @ by_item[begin:end].T).toarray()
            coupling = times(known, co_uses)
            coupling /= -pivots[:begin, None].astype(np.float32)
            panel[:begin] = times(known.T, coupling)
            schur = product_gram(blocks, panel)
        else:
            schur = (by_item[:end] @ by_item[:end].T).toarray()
        schur = schur.astype(np.float64) + regularization * (panel.T @ panel)
        factor = _cholesky(schur, regularization)
        deviation = np.diagonal(factor)
        inverse = scipy.linalg.solve_triangular(factor, np.eye(width), lower=True)
        panel = panel @ (inverse.T * deviation).astype(np.float32)
        panel[begin + members, members] = 0
        strength = np.abs(panel)
        strength *= scale[:end, None]
        strength /= deviation.astype(np.float32)
        kept = largest(strength.ravel(), int(most[end] - most[begin]))
        rows.append(panel, kept)
        pivots[begin:end] = deviation**2
    return first_rows(rows, n_items, n_items), pivots


def largest(strength: np.ndarray, count: int) -> np.ndarray:
    """(n,) bool: the `count` largest positive values; a hash chooses among ties at the cut."""
    count = min(count, int(np.count_nonzero(strength)))
    if count == 0:
        return np.zeros(len(strength), dtype=bool)
    least = np.partition(strength, len(strength) - count)[len(strength) - count]
    kept: np.ndarray = strength > least
    tied = np.flatnonzero(strength == least)
    kept[tied[np.argsort(scramble(tied.astype(np.uint64)))[: count - int(kept.sum())]]] = True
    return kept


class _Rows:
    """Rows of K, appended panel by panel to arrays of their final size."""

    def __init__(self, n_items: int, entries: int) -> None:
        room = entries + n_items
        index = np.int32 if room < np.iinfo(np.int32).max else np.int64
        self.data = np.empty(room, dtype=np.float32)
        self.indices = np.empty(room, dtype=index)
        self.indptr = np.zeros(n_items + 1, dtype=index)

    def append(self, panel: np.ndarray, kept: np.ndarray) -> None:
        """Append the entries of a panel that are `kept`; its columns become rows of K, and get ones
        on the diagonal."""
        items, width = panel.shape
        members = np.arange(width)
        begin = items - width
        panel[begin + members, members] = 1
        kept.reshape(panel.shape)[begin + members, members] = True
        places = np.flatnonzero(kept)
        columns, members = np.divmod(places, width)
        # Places ascend by column, so a stable sort by row keeps the columns of a row in order.
        order = np.argsort(members.astype(np.min_scalar_type(width)), kind="stable")
        stored = self.indptr[begin]
        self.indptr[begin + 1 : items + 1] = stored + np.cumsum(np.bincount(members))
        new = slice(stored, stored + len(places))
        self.indices[new] = columns[order]
        self.data[new] = panel.ravel()[places[order]]


def _panels(n_items: int, entries: int) -> Iterator[tuple[int, int]]:
    """Ranges of items: panels about as wide as a row of K has entries, and a wide last one."""
    a_row = (entries + n_items) // max(1, n_items)
    width = max(_PANEL_ITEMS, a_row)
    last = max(0, n_items - max(_LAST_PANEL_ITEMS, _LAST_PANEL_FACTORS * a_row))
    for begin in range(0, last, width):
        yield begin, min(last, begin + width)
    if n_items:
        yield last, n_items


def _shares(support: np.ndarray, entries: int) -> np.ndarray:
    """(items,) how many entries each row of K gets: in proportion to the item's interactions, but
    at most the number of items before it."""
    before = np.arange(len(support), dtype=np.float64)
    if entries >= before.sum():
        return before
    # Rows fill up in the order of room per interaction. If the first k rows are full, the others
    # get `rates[k]` entries per interaction; k is right if that rate does not fill the next row.
    uses = support + 1.0
    order = np.argsort(before / uses, kind="stable")
    taken = np.concatenate([[0.0], np.cumsum(before[order])[:-1]])
    left = np.cumsum(uses[order][::-1])[::-1]
    rates = (entries - taken) / left
    rate = rates[np.argmax(rates <= (before / uses)[order])]
    return np.asarray(np.minimum(rate * uses, before))


def _cholesky(schur: np.ndarray, least: float) -> np.ndarray:
    """The lower Cholesky factor of a symmetric matrix whose eigenvalues are at least `least`.

    Eigenvalues that rounding has made smaller are set to `least`.
    """
    try:
        factor: np.ndarray = scipy.linalg.cholesky(schur, lower=True)
        if (np.diagonal(factor) ** 2 >= least / 2).all():
            return factor
    except scipy.linalg.LinAlgError:
        pass
    values, vectors = scipy.linalg.eigh(schur)
    lifted = (vectors * np.maximum(values, least)) @ vectors.T
    return np.asarray(scipy.linalg.cholesky(lifted, lower=True))
