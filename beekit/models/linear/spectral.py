"""Item vectors to start from: the leading directions of normalised co-occurrence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from beekit.models.linear.normalised_error import Batch

# Numbers in a block of user vectors: 64 MB in float32.
_BLOCK_ELEMENTS = 2**24
_ITERATIONS = 2


def spectral_vectors(
    X: sp.csr_array, dims: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """A (items, dims) of unit rows, with A Aᵀ near how often items are used together.

    With N = P^(−1/2) Xᵀ L⁻¹ X P^(−1/2), L the users' and P the items' numbers of interactions (the
    matrix of spectral co-clustering, Dhillon 2001), and V, Λ its leading eigenvectors and values,
    A is V Λ^(1/4), rows normalised. The quarter power lies between A Aᵀ ~ N and A Aᵀ = V Vᵀ, which
    would be the identity for dims ≥ items. Eigenvectors come from two rounds of
    randomised subspace iteration (Halko et al. 2011), at the cost of three passes over X.

    Somebody uses every item of X. Columns of A beyond the number of items are zero. The generator,
    of the random subspace, is on the CPU.
    """
    items = X.shape[1]
    width = min(dims, items)
    scale = torch.from_numpy(np.bincount(X.indices, minlength=items)).to(device).float().rsqrt_()
    basis = torch.randn(items, width, generator=generator).to(device)
    for _ in range(_ITERATIONS):
        basis = torch.linalg.qr(_co_occurrence(X, scale, basis)).Q
    projected = basis.T @ _co_occurrence(X, scale, basis)
    values, rotation = torch.linalg.eigh((projected + projected.T) / 2)
    vectors = (basis @ rotation) * values.clamp_min_(0).pow_(0.25)
    return functional.pad(functional.normalize(vectors, dim=1), (0, dims - width))


def co_used(X: sp.csr_array, vectors: Tensor) -> Tensor:
    """(items, dims): for each item, the vectors of what its users also used, summed.

    A user of length l counts 1/(l − 1) of each other item: with weights L' = diag(1/(l − 1)),
    Xᵀ L' X V less each item's own share.
    """
    total = torch.zeros_like(vectors)
    own = vectors.new_zeros(len(vectors))
    for batch in _blocks(X, vectors.shape[1], vectors.device):
        weight = 1 / (batch.lengths.to(vectors.dtype) - 1).clamp_min_(1)
        total += batch.transposed_times(batch.times(vectors).mul_(weight[:, None]))
        own += batch.transposed_times(weight[:, None])[:, 0]
    return total.addcmul_(own[:, None], vectors, value=-1)


def second_moment(X: sp.csr_array, vectors: Tensor) -> Tensor:
    """(dims, dims): the mean over users of u uᵀ, with u the mean of the vectors they used."""
    total = vectors.new_zeros(vectors.shape[1], vectors.shape[1])
    for batch in _blocks(X, vectors.shape[1], vectors.device):
        means = batch.times(vectors).div_(batch.lengths.clamp(min=1)[:, None])
        total.addmm_(means.T, means)
    return total.div_(X.shape[0])


def _co_occurrence(X: sp.csr_array, scale: Tensor, vectors: Tensor) -> Tensor:
    """N V, in blocks of users."""
    scaled, total = vectors * scale[:, None], torch.zeros_like(vectors)
    for batch in _blocks(X, vectors.shape[1], vectors.device):
        means = batch.times(scaled).div_(batch.lengths.clamp(min=1)[:, None])
        total += batch.transposed_times(means)
    return total.mul_(scale[:, None])


def _blocks(X: sp.csr_array, dims: int, device: torch.device) -> Iterator[Batch]:
    size = max(1, _BLOCK_ELEMENTS // dims)
    for begin in range(0, X.shape[0], size):
        yield Batch.from_csr(X[begin : begin + size], device)
