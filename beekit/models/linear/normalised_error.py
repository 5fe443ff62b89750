"""The ELSA loss of a batch and its gradient, written out.

Autograd would take five dense products and keep several (users, items) matrices; written out there
are three products and one such matrix, overwritten in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from beekit.rounding import left_by_rounding


@dataclass(frozen=True)
class Batch:
    """Binary interactions of some users with some items, as index tensors on a device."""

    users: int
    items: int
    columns: Tensor  # (interactions,) item of each interaction, row by row
    offsets: Tensor  # (users,) where a user's interactions begin
    lengths: Tensor  # (users,) how many they are
    cells: Tensor  # (interactions,) position of each in a dense (users, items) matrix
    owners: Tensor  # (interactions,) user of each interaction
    order: Tensor  # (interactions,) the interactions item by item
    item_offsets: Tensor  # (items,) where an item's users begin

    @classmethod
    def from_csr(cls, X: sp.csr_array, device: torch.device | str = "cpu") -> Batch:
        """The batch whose interactions are what X (users, items) stores."""
        users, items = X.shape
        indptr = X.indptr.astype(np.int64)
        lengths = np.diff(indptr)
        owners = np.repeat(np.arange(users), lengths)
        columns = X.indices.astype(np.int64)
        numbered = sp.csr_array((np.arange(len(columns)), X.indices, X.indptr), shape=X.shape)
        by_item = numbered.tocsc()
        by_user = (columns, indptr[:-1], lengths, owners * items + columns, owners)
        parts = (*by_user, by_item.data, by_item.indptr[:-1].astype(np.int64))
        return cls(users, items, *(torch.from_numpy(part).to(device) for part in parts))

    def times(self, vectors: Tensor) -> Tensor:
        """X V: (users, dims) sums of the rows of V (items, dims) that a user has."""
        return functional.embedding_bag(self.columns, vectors, self.offsets, mode="sum")

    def transposed_times(self, vectors: Tensor) -> Tensor:
        """Xᵀ V: (items, dims) sums of the rows of V (users, dims) that have an item."""
        return functional.embedding_bag(
            self.owners[self.order], vectors, self.item_offsets, mode="sum"
        )


@dataclass(frozen=True)
class Gradient:
    """The mean loss of a batch, and what its gradient is made of.

    With S = X E Dᵀ − X diag(b), b_i = e_i · d_i, and G = ∂loss/∂S:

        ∂loss/∂E = Xᵀ (G D) − diag(q) D,   ∂loss/∂D = Gᵀ (X E) − diag(q) E,   q_i = Σ_u x_ui G_ui
    """

    loss: Tensor  # scalar, the mean over users of ‖ relu(S_u)/‖relu(S_u)‖ − X_u/‖X_u‖ ‖²
    batch: Batch  # X
    slope: Tensor  # G (users, items)
    user_vectors: Tensor  # X E (users, dims)

    def of_encoder(self, decoder: Tensor) -> Tensor:
        """∂loss/∂E (items, dims), given D."""
        gradient = self.batch.transposed_times(self.slope @ decoder)
        return gradient.addcmul_(self._own()[:, None], decoder, value=-1)

    def of_decoder(self, encoder: Tensor) -> Tensor:
        """∂loss/∂D (items, dims), given E."""
        gradient = self.slope.T @ self.user_vectors
        return gradient.addcmul_(self._own()[:, None], encoder, value=-1)

    def _own(self) -> Tensor:
        """q (items,)."""
        batch = self.batch
        at_seen = torch.take(self.slope, batch.cells[batch.order])
        return _sums(at_seen, batch.item_offsets)


def normalised_error(batch: Batch, encoder: Tensor, decoder: Tensor) -> Gradient:
    """The loss of scores S = X E Dᵀ − X diag(E Dᵀ) against X, each user's row normalised.

    An item does not explain itself: diag(E Dᵀ) is taken out of each user's own interactions. For
    E = D = A with rows of length 1 that is the paper's X A Aᵀ − X, and the loss is the mean of
    `beekit.training.loss.elsa_loss`. G has a closed form: with P = relu(S), n = ‖P_u‖,
    x = ‖X_u‖ and c = P_u · X_u, over m users,

        loss = 1/m Σ_u 2 − 2 c/(n x),   G_ui = 2/(m n x) · (c/n² P_ui − X_ui) [S_ui > 0]

    A user without scores counts 1 and one without interactions 0, both without a gradient. Scores
    no larger than what rounding leaves of an item's own, taken out of them, are none. Scores whose
    squares are too large for their type make the loss infinite.
    """
    user_vectors = batch.times(encoder)
    scores = user_vectors @ decoder.T
    own = torch.linalg.vecdot(encoder, decoder)[batch.columns]
    at_seen = torch.take(scores, batch.cells).sub_(own)
    scores.relu_()
    at_seen.relu_()
    cells = scores.view(-1)
    cells[batch.cells] = at_seen
    norms = torch.linalg.vector_norm(scores, dim=1)
    roots = batch.lengths.to(scores.dtype).sqrt_()
    # What is left of an item's own score after taking it out may be rounding alone, which must
    # not be blown up to length 1.
    rounding = left_by_rounding(_sums(own.square(), batch.offsets).sqrt_())
    usable = (norms > rounding) & (roots > 0)
    inverse = torch.where(usable, 1 / (norms * roots), 0)
    hit = _sums(at_seen, batch.offsets)
    loss = torch.where(usable, 2 - 2 * hit * inverse, (roots > 0).to(scores.dtype))
    loss = torch.where(norms < torch.inf, loss, torch.inf)
    wanted = inverse * (2 / max(1, batch.users))
    pull = torch.where(usable, wanted * hit / norms.square(), 0)
    slope = scores.mul_(pull[:, None])
    is_scored = at_seen > 0
    slope_at_seen = at_seen.mul_(pull[batch.owners]).sub_(wanted[batch.owners])
    cells[batch.cells] = slope_at_seen.mul_(is_scored)
    return Gradient(loss.mean(), batch, slope, user_vectors)


def _sums(values: Tensor, offsets: Tensor) -> Tensor:
    """Sums of the runs of `values` (n,) that begin at `offsets`."""
    each = torch.arange(len(values), device=values.device)
    return functional.embedding_bag(each, values[:, None], offsets, mode="sum")[:, 0]
