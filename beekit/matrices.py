"""Interactions as every model reads them: each pair of user and item once, and ones."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.finite import finite_csr


def as_csr(X: sp.sparray | sp.spmatrix) -> sp.csr_array:
    """Any sparse matrix as CSR, a pair stored once and no zeros; the caller's stays as it is.

    Raises:
        DataError: if X is not a matrix of finite numbers.
    """
    csr = finite_csr(X)
    if not csr.has_canonical_format:
        csr = csr.copy()
        csr.sum_duplicates()
    if csr.nnz and not csr.data.all():
        csr = csr.copy()
        csr.eliminate_zeros()
    return csr


def ones(X: sp.sparray | sp.spmatrix) -> sp.csr_array:
    """X as float32 CSR with ones where it is nonzero, column indices sorted."""
    csr = as_csr(X)
    binary = sp.csr_array((np.ones(csr.nnz, np.float32), csr.indices, csr.indptr), shape=csr.shape)
    return binary if binary.has_sorted_indices else binary.sorted_indices()
