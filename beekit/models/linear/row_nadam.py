"""Nadam on the rows of a matrix, touching only those a step has gradients for."""

from __future__ import annotations

import torch
from torch import Tensor


class RowNadam:
    """Adam with Nesterov momentum (Dozat 2016), with one second moment a row.

    Adam (Kingma and Ba 2015) divides each coordinate by its own running root mean square; here a
    row is divided as a whole, by that of its gradient's length. An update then turns with the
    coordinates (vectors that mean the same up to a rotation learn the same), `learning_rate` is
    about the length a row moves in a step whatever the dims, and the second moment takes
    (rows,) memory instead of (rows, dims). Moments of rows without a gradient stay as they are
    (as in "lazy" Adam), each row has its own count for bias correction.

    Args:
        like: the matrix (rows, dims) to be learnt.
        decay: of the first and of the second moment.
    """

    def __init__(self, like: Tensor, decay: tuple[float, float] = (0.9, 0.99)) -> None:
        self.decay = decay
        self.first = torch.zeros_like(like)
        self.second = like.new_zeros(len(like))
        self.count = like.new_zeros(len(like))

    def update(self, gradient: Tensor, rows: Tensor | None = None) -> Tensor:
        """What to subtract from the rows, for a learning rate of 1.

        Args:
            gradient: (rows, dims) of the rows touched.
            rows: (rows,) which they are, distinct; all without it.
        """
        fast, slow = self.decay
        every = rows is None
        first = self.first if every else self.first[rows]
        second = self.second if every else self.second[rows]
        count = (self.count if every else self.count[rows]).add_(1)
        first.lerp_(gradient, 1 - fast)
        second.lerp_(torch.linalg.vecdot(gradient, gradient), 1 - slow)
        if rows is not None:
            self.first[rows], self.second[rows], self.count[rows] = first, second, count
        length = (second / (1 - slow**count)).sqrt_()
        # A row whose gradient has been zero throughout stays where it is.
        scale = torch.where(length > 0, 1 / (length * (1 - fast**count)), 0)
        return torch.lerp(gradient, first, fast).mul_(scale[:, None])
