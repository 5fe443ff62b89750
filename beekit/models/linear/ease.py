"""EASE: the item-item model in closed form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import psutil
import scipy.sparse as sp
import torch

from beekit.models.base import BaseRecommender, Request
from beekit.models.linear.gram import require_memory
from beekit.models.settings import NOT_FITTED, Positive, ShareBelowOne, one_of
from beekit.ranking import Recommendations
from beekit.ranking.top_k import Scorer, recommend_by_scores

# How many entries of the Gram matrix are made dense at once: 256 MB in float32.
_BLOCK_ELEMENTS = 2**26


@dataclass(eq=False)
class EASE(BaseRecommender):
    """Embarrassingly shallow autoencoder (Steck, WWW 2019).

    Minimises ‖X − X B‖² + λ‖B‖² over B (items, items) with a zero diagonal. With P = (XᵀX + λI)⁻¹,
    B = I − P / diag(P), column by column (eq. 8). P comes from a Cholesky factorisation, because
    XᵀX + λI is positive definite; `inv` would be slower and need more than two matrices of memory.

    With dropout p, each item is predicted from the others while every interaction is missing with
    probability p and the remaining ones count 1/(1 − p). In expectation this adds p/(1 − p) n_i to
    λ, where n_i is the number of users of item i (EDLAE; Steck, NeurIPS 2020, full rank). So the
    weights of often used items are shrunk more.

    Args:
        regularization: λ > 0. A good value grows with the density of X; hundreds are usual.
        dropout: p, from 0 (plain EASE) to below 1.
        dtype: "float32", or "float64" at twice the memory and time.
        device: device to factorise on; by default a GPU if there is one with enough memory.

    Attributes:
        item_item: B (items, items) after `fit`.
    """

    regularization: Positive = 500.0
    dropout: ShareBelowOne = 0.0
    dtype: Annotated[str, one_of("float32", "float64")] = "float32"
    device: str | None = None
    item_item: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> None:
        """Solve for B in O(items³) time and memory for 2 items² numbers, which is checked first."""
        need = predicted_bytes(X.shape[1], self.dtype)
        device = _device(self.device, need)
        free = psutil.virtual_memory().available
        if device.type == "cuda":
            free = torch.cuda.mem_get_info(device)[0]
        remedy = "Use SANSA, which keeps everything sparse, or leave out rare items."
        require_memory("EASE", X.shape[1], need, free, remedy)
        # No variable holds the Gram matrix, so that its memory is freed once it is factorised.
        factor = torch.linalg.cholesky(self._gram(X, device))
        precision = torch.cholesky_inverse(factor)
        del factor
        if not precision.is_contiguous():
            # LAPACK returns columns. P is symmetric, so its transpose is P with contiguous rows;
            # without them sparse products would copy all of B for every block of users.
            precision = precision.mT
        diagonal = precision.diagonal().clone()
        precision /= -diagonal
        precision.fill_diagonal_(0)
        self.item_item = precision.cpu().numpy()

    def _gram(self, X: sp.csr_array, device: torch.device) -> torch.Tensor:
        """XᵀX with dropout and λ on its diagonal, dense. It is computed in blocks of rows, so that
        the whole sparse product never exists."""
        items = X.shape[1]
        gram = torch.empty((items, items), dtype=getattr(torch, self.dtype), device=device)
        by_item = sp.csr_array(X.T.astype(self.dtype))
        block = max(1, _BLOCK_ELEMENTS // max(1, items))
        for begin in range(0, items, block):
            rows = (by_item[begin : begin + block] @ X).toarray()
            gram[begin : begin + block] = torch.from_numpy(rows)
        gram.diagonal().mul_(1 / (1 - self.dropout)).add_(self.regularization)
        return gram

    def _recommend(self, asked: Request) -> Recommendations:
        item_item = self.item_item

        def scorer(allowed: np.ndarray) -> Scorer:
            if 2 * len(allowed) > len(item_item):
                return lambda histories: np.asarray((histories @ item_item)[:, allowed])
            # Made contiguous once, because every sparse product would make such a copy.
            side = np.ascontiguousarray(item_item[:, allowed])
            return lambda histories: np.asarray(histories @ side)

        return recommend_by_scores(scorer, *asked)


def predicted_bytes(items: int, dtype: str = "float32") -> int:
    """The peak memory of EASE in bytes, without X: two matrices of items² numbers."""
    return 2 * items**2 * np.dtype(dtype).itemsize


def _device(device: str | None, need: int) -> torch.device:
    if device is not None:
        return torch.device(device)
    if torch.cuda.is_available() and torch.cuda.mem_get_info()[0] > 1.2 * need:
        return torch.device("cuda")
    return torch.device("cpu")
