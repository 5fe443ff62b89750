"""Initial item vectors: the leading eigenvectors of normalised co-occurrence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from beekit.models.linear.normalised_error import Batch

# How many numbers a block of user vectors holds: 64 MB in float32.
_BLOCK_ELEMENTS = 2**24
_ITERATIONS = 2


def spectral_vectors(
    X: sp.csr_array, dims: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """A (items, dims) with rows of length 1, for which A Aᵀ is close to normalised co-occurrence.

    Let N = P^(−1/2) Xᵀ L⁻¹ X P^(−1/2), with L and P the numbers of interactions of users and items
    (the matrix of spectral co-clustering, Dhillon 2001), and V, Λ its leading eigenvectors and
    eigenvalues. A is V Λ^(1/4) with normalised rows. The exponent is between that of A Aᵀ ~ N and
    that of A Aᵀ = V Vᵀ, which would be the identity for dims ≥ items. The eigenvectors come from
    two rounds of randomised subspace iteration (Halko et al. 2011), with three passes over X.

    Args:
        X: (users, items) CSR of ones in which every item has a user.
        dims: columns of A; those beyond the number of items are zero.
        generator: a generator on the CPU that draws the random subspace.
        device: device to compute on.
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
    """(items, dims): for each item, the sum of the vectors of the other items of its users.

    For a user with l items, each other item counts 1/(l − 1). With L' = diag(1/(l − 1)) this is
    Xᵀ L' X V minus each item's own part.
    """
    total = torch.zeros_like(vectors)
    own = vectors.new_zeros(len(vectors))
    for batch in _blocks(X, vectors.shape[1], vectors.device):
        weight = 1 / (batch.lengths.to(vectors.dtype) - 1).clamp_min_(1)
        total += batch.transposed_times(batch.times(vectors).mul_(weight[:, None]))
        own += batch.transposed_times(weight[:, None])[:, 0]
    return total.addcmul_(own[:, None], vectors, value=-1)


def second_moment(X: sp.csr_array, vectors: Tensor) -> Tensor:
    """(dims, dims): the mean over users of u uᵀ, with u the mean of the vectors of their items."""
    total = vectors.new_zeros(vectors.shape[1], vectors.shape[1])
    for batch in _blocks(X, vectors.shape[1], vectors.device):
        means = batch.times(vectors).div_(batch.lengths.clamp(min=1)[:, None])
        total.addmm_(means.T, means)
    return total.div_(X.shape[0])


def _co_occurrence(X: sp.csr_array, scale: Tensor, vectors: Tensor) -> Tensor:
    """N V, computed in blocks of users; N is defined in `spectral_vectors`."""
    scaled, total = vectors * scale[:, None], torch.zeros_like(vectors)
    for batch in _blocks(X, vectors.shape[1], vectors.device):
        means = batch.times(scaled).div_(batch.lengths.clamp(min=1)[:, None])
        total += batch.transposed_times(means)
    return total.mul_(scale[:, None])


def _blocks(X: sp.csr_array, dims: int, device: torch.device) -> Iterator[Batch]:
    size = max(1, _BLOCK_ELEMENTS // dims)
    for begin in range(0, X.shape[0], size):
        yield Batch.from_csr(X[begin : begin + size], device)
