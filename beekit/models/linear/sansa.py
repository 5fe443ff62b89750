"""SANSA: EASE with a sparse inverse, whose size is set in advance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import scipy.sparse as sp

from beekit.models.base import BaseRecommender, Request
from beekit.models.linear.exact_inverse import exact_inverse
from beekit.models.linear.factor_scores import recommend_by_factors
from beekit.models.linear.incomplete_inverse import incomplete_inverse
from beekit.models.linear.minimal_residual import minimal_residual
from beekit.models.settings import NOT_FITTED, CountOrNone, Positive, one_of, within
from beekit.ranking import Recommendations
from beekit.ranking.ties import scramble

_DENSITY = within(lambda share: 0 < share <= 1, "a number above 0, at most 1")


@dataclass(eq=False)
class SANSA(BaseRecommender):
    """Scalable approximate nonsymmetric autoencoder (Spišák et al., RecSys 2023).

    EASE scores by B = I − A⁻¹ / diag(A⁻¹), with A = XᵀX + λI. SANSA factorises P A Pᵀ ≈ L D Lᵀ,
    takes a sparse K ≈ L⁻¹ and scores by

        B = I + W Z,  W = Pᵀ Kᵀ,  Z = −D⁻¹ K P / diag(W D⁻¹ Kᵀ Wᵀ)  column by column,

    two sparse matrices of the same given density. The diagonal of B is zero. The product W Z is
    never computed.

    Departures from the paper, and why:

    - *Order*: items go from the least to the most used (the paper orders the columns of X to
      reduce fill-in). The dense part then comes last, where BLAS computes it.
    - *Incomplete*: K is computed from A itself, by incomplete A-orthogonalisation (see
      `incomplete_inverse`), not by inverting an incomplete Cholesky factor. That factor breaks down
      on the Gram matrix of dense interactions such as MovieLens; A-orthogonalisation cannot.
    - *Exact*: the columns of L⁻¹ are solved for exactly, and their largest entries are kept.
    - *Residual minimisation* improves K within its pattern, row by row, in the norm of A. So it
      needs no L and helps both factorisations (see `minimal_residual`).
    - *Dropping* compares an entry with its row's residual, not its absolute size.

    The package `sansa` (1.1.0) is not used, because it has to be compiled against the system
    library SuiteSparse, does not run with scikit-sparse 0.5 and later, and returns items that a
    user has seen when there are too few unseen items with a positive score.

    Args:
        regularization: λ > 0, as in EASE; hundreds are usual.
        density: share of the items² numbers that each of W and Z may store, in (0, 1]. The diagonal
            is always stored. W and Z are triangular, so just above one half nothing is left out.
            Memory and time grow with it: 1% of 100,000² numbers takes 2 × 1.2 GB.
        factorisation: "incomplete", with memory in proportion to density; or "exact", which
            factorises A with all its fill-in (SuperLU) and suits catalogs of a few thousand items.
        residual_steps: number of minimal residual steps on K. Each takes about as long as the
            incomplete factorisation.

    Attributes:
        encoder: W (items, items) CSR after `fit`; its columns are in the order of P.
        decoder: Z (items, items) CSR after `fit`; its rows are in the order of P.
    """

    regularization: Positive = 500.0
    density: Annotated[float, _DENSITY] = 0.01
    factorisation: Annotated[str, one_of("incomplete", "exact")] = "incomplete"
    residual_steps: CountOrNone = 0
    encoder: sp.csr_array = field(default=NOT_FITTED, init=False, repr=False)
    decoder: sp.csr_array = field(default=NOT_FITTED, init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> None:
        items = X.shape[1]
        keys = scramble(np.arange(items, dtype=np.uint64))  # a hash orders equally used items
        order = np.lexsort((keys, np.bincount(X.indices, minlength=items)))
        ordered = X[:, order].sorted_indices()
        entries = max(0, int(self.density * items**2) - items)
        invert = exact_inverse if self.factorisation == "exact" else incomplete_inverse
        K, _ = invert(ordered, self.regularization, entries)
        K, pivots = minimal_residual(K, ordered, self.regularization, self.residual_steps)
        rows = np.repeat(np.arange(items), np.diff(K.indptr))
        scaled = K.data / pivots[rows]
        # The diagonal of the approximate A⁻¹; dividing by it makes the diagonal of W Z −1.
        precision = np.bincount(K.indices, K.data * scaled, minlength=items)
        columns = order[K.indices]
        decoded = (-scaled / precision[K.indices]).astype(np.float32)
        shape = (items, items)
        self.encoder = sp.csr_array((K.data, (columns, rows)), shape=shape).sorted_indices()
        self.decoder = sp.csr_array((decoded, (rows, columns)), shape=shape).sorted_indices()

    def _recommend(self, asked: Request) -> Recommendations:
        return recommend_by_factors(self.encoder, self.decoder, asked)
