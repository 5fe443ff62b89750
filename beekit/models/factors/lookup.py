"""Rows of learnt vectors, with a gradient that is the same in every run."""

from __future__ import annotations

from torch import Tensor


def looked_up(vectors: Tensor, items: Tensor) -> Tensor:
    """`vectors[items]`, by `index_select`.

    The gradient of indexing adds the rows of one item in any order if there are several threads,
    so that two trainings with one seed differ; that of `index_select` has one order, and is faster.

    Args:
        vectors: (rows,) or (rows, dims).
        items: indices of any shape.

    Returns:
        Tensor of the shape of `items`, and then dims.
    """
    return vectors.index_select(0, items.flatten()).view(*items.shape, *vectors.shape[1:])
