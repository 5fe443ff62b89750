"""Products of interactions and wide dense panels, a block of users at a time."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.models.linear.strips import times

# What a panel may hold for a block of users: 64 MB in float32.
_BLOCK_ELEMENTS = 2**24


def user_blocks(X: sp.csr_array, width: int) -> list[sp.csr_array]:
    """X in blocks of users, transposed to (items, users) CSR, so that X panel is bounded.

    Args:
        X: (users, items) CSR.
        width: columns of the widest panel.
    """
    step = max(1, _BLOCK_ELEMENTS // max(1, width))
    return [sp.csr_array(X[begin : begin + step].T) for begin in range(0, X.shape[0], step)]


def first_items(block: sp.csr_array, items: int) -> sp.csr_array:
    """The first items of a block (items, users)."""
    stored = block.indptr[items]
    parts = (block.data[:stored], block.indices[:stored], block.indptr[: items + 1])
    return sp.csr_array(parts, shape=(items, block.shape[1]))


def product_gram(blocks: list[sp.csr_array], panel: np.ndarray) -> np.ndarray:
    """(X panel)ᵀ (X panel), for a panel (items, width) over the first items."""
    gram = np.zeros((panel.shape[1], panel.shape[1]), dtype=np.float32)
    for block in blocks:
        product = times(first_items(block, len(panel)).T, panel)
        gram += product.T @ product
    return gram
