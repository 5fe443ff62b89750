"""The exact LDLᵀ factorisation of XᵀX + λI, and the largest entries of its factor's inverse."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.sparse.linalg import splu, spsolve_triangular

from beekit.errors import DataError
from beekit.models.linear.incomplete_inverse import largest
from beekit.progress import progress_bar

# How many numbers of the inverse are held at once: 64 MB in float64.
_BLOCK_ELEMENTS = 2**23
# The factor is dense among the most used items, so BLAS solves for this many: 32 MB in float64.
_DENSE_ITEMS = 2048


def exact_ldl(A: sp.sparray) -> tuple[sp.csc_array, np.ndarray]:
    """L and the diagonal of D with A = L D Lᵀ, for a positive definite A, without reordering.

    SuperLU factorises A = L U. Without pivoting U = D Lᵀ, so L and the diagonal of U are enough.
    Time and memory are those of a factor with all its fill-in.

    Raises:
        DataError: if A is not positive definite in float64; then SuperLU exchanges rows, or a pivot
            is not above 0.
    """
    items = A.shape[0]
    indefinite = DataError(
        "a Gram matrix that is not positive definite in double precision",
        expected="a regularization above 1e-9 times the users of the most used item",
        remedy="Raise regularization.",
    )
    try:
        factors = splu(
            sp.csc_array(A.astype(np.float64)),
            permc_spec="NATURAL",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError as singular:  # raised by SuperLU for a pivot that is 0
        raise indefinite from singular
    lower = sp.csc_array(factors.L)
    lower.sort_indices()
    pivots = np.asarray(factors.U.diagonal())
    in_place = np.arange(items)
    unmoved = np.array_equal(factors.perm_r, in_place) and np.array_equal(factors.perm_c, in_place)
    if not (unmoved and (pivots > 0).all()):
        raise indefinite
    return lower, pivots


def exact_inverse(
    X: sp.csr_array, regularization: float, entries: int
) -> tuple[sp.csr_array, np.ndarray]:
    """The largest entries of K = L⁻¹ where L D Lᵀ = XᵀX + λI, and the diagonal of D.

    Arguments and results are those of `incomplete_inverse`. Here columns of the inverse are solved
    for exactly, in blocks, and only their largest entries are kept, so that the whole inverse never
    exists.
    """
    items = X.shape[1]
    gram = sp.csc_array(X.T @ X) + regularization * sp.eye_array(items, format="csc")
    lower, pivots = exact_ldl(gram)
    scale = np.sqrt(gram.diagonal())
    solve = _Solver(lower)
    step = max(1, _BLOCK_ELEMENTS // max(1, items))
    parts: list[tuple[np.ndarray, ...]] = []
    for begin in progress_bar(range(0, items, step), "inverting the factor"):
        width = min(step, items - begin)
        block = solve.columns(begin, width)
        block[np.arange(width), np.arange(width)] = 0
        strength = np.abs(block)
        strength *= scale[begin : begin + width]
        strength /= np.sqrt(pivots[begin:, None])
        strongest = largest(strength.ravel(), entries)
        rows, columns = np.divmod(np.flatnonzero(strongest), width)
        new = (rows + begin, columns + begin, block[rows, columns], strength[rows, columns])
        parts.append(new)
        if sum(len(part[0]) for part in parts) > 2 * entries:
            parts = [_strongest(parts, entries)]
    rows, columns, values, _ = _strongest(parts, entries)
    diagonal = np.arange(items)
    places = np.concatenate([rows, diagonal]), np.concatenate([columns, diagonal])
    data = np.concatenate([values, np.ones(items)]).astype(np.float32)
    return sp.csr_array((data, places), shape=(items, items)), pivots


class _Solver:
    """Solves for columns of L⁻¹; the part of L for the last items is dense."""

    def __init__(self, lower: sp.csc_array) -> None:
        self.items = lower.shape[0]
        self.split = max(0, self.items - _DENSE_ITEMS)
        self.head = lower[: self.split, : self.split]
        self.below = sp.csr_array(lower[self.split :, : self.split])
        self.tail = lower[self.split :, self.split :].toarray()

    def columns(self, begin: int, width: int) -> np.ndarray:
        """The columns from `begin` to begin + width, without their first `begin` rows, which are
        zero: (items − begin, width)."""
        block = np.zeros((self.items - begin, width))
        block[np.arange(width), np.arange(width)] = 1
        above = max(0, self.split - begin)
        if above:
            head = self.head[begin:, begin:]
            block[:above] = spsolve_triangular(head, block[:above], unit_diagonal=True)
            block[above:] -= self.below[:, begin:] @ block[:above]
        first = max(0, begin - self.split)
        block[above:] = scipy.linalg.solve_triangular(
            self.tail[first:, first:], block[above:], lower=True, unit_diagonal=True
        )
        return block


def _strongest(parts: list[tuple[np.ndarray, ...]], most: int) -> tuple[np.ndarray, ...]:
    """Rows, columns, values and strengths of the strongest entries of all parts together."""
    together = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
    stays = largest(together[3], most)
    return tuple(column[stays] for column in together)
