"""The ELSA loss of a batch, and its gradient computed by hand.

Autograd would take five dense products and hold several (users, items) matrices. This code takes
three products and one such matrix, which it overwrites in place.
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
    """The interactions of a batch of users with some items, as index tensors on a device."""

    users: int
    items: int
    columns: Tensor  # (interactions,) the item of each interaction, user by user
    offsets: Tensor  # (users,) where the interactions of a user begin
    lengths: Tensor  # (users,) how many interactions a user has
    cells: Tensor  # (interactions,) the position of each in a flattened (users, items) matrix
    owners: Tensor  # (interactions,) the user of each interaction
    order: Tensor  # (interactions,) the interactions, ordered by item
    item_offsets: Tensor  # (items,) where the interactions of an item begin in `order`

    @classmethod
    def from_csr(cls, X: sp.csr_array, device: torch.device | str = "cpu") -> Batch:
        """The batch whose interactions are the stored entries of X (users, items)."""
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
        """X V (users, dims): for each user, the sum of the items' rows of V (items, dims)."""
        return functional.embedding_bag(self.columns, vectors, self.offsets, mode="sum")

    def transposed_times(self, vectors: Tensor) -> Tensor:
        """Xᵀ V (items, dims): for each item, the sum of its users' rows of V (users, dims)."""
        return functional.embedding_bag(
            self.owners[self.order], vectors, self.item_offsets, mode="sum"
        )


@dataclass(frozen=True)
class Gradient:
    """The mean loss of a batch, and the parts of its gradient.

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

    An item does not predict itself: diag(E Dᵀ) is subtracted from the scores of a user's own items.
    For E = D = A with rows of length 1 this is the paper's X A Aᵀ − X, and the loss is the mean of
    `beekit.training.loss.elsa_loss`. G has a closed form: with P = relu(S), n = ‖P_u‖,
    x = ‖X_u‖ and c = P_u · X_u, over m users,

        loss = 1/m Σ_u 2 − 2 c/(n x),   G_ui = 2/(m n x) · (c/n² P_ui − X_ui) [S_ui > 0]

    A user without positive scores has loss 1 and a user without interactions loss 0, both without a
    gradient. Scores that are no larger than the rounding error of subtracting diag(E Dᵀ) count as
    no scores. If squares of scores overflow, the loss is infinite.
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
    # After subtracting diag(E Dᵀ), a user's scores may be rounding errors alone, which must not be
    # scaled to length 1.
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
    """The sums of consecutive runs of `values` (n,), where run i begins at `offsets[i]`."""
    each = torch.arange(len(values), device=values.device)
    return functional.embedding_bag(each, values[:, None], offsets, mode="sum")[:, 0]
