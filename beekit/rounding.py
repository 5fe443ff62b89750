"""What rounding leaves of a user's scores where nothing should be left."""

from __future__ import annotations

import torch
from torch import Tensor


def left_by_rounding(own: Tensor) -> Tensor:
    """The most that is left of scores when each item's own has been taken out of them.

    Two ways to the same product differ by a few units in the last place. ELSA's losses scale scores
    to length 1, which must not make a hit of these.

    Args:
        own: lengths of what was taken out, of any shape.
    """
    coarse = own.is_cuda and torch.get_float32_matmul_precision() != "highest"
    # TF32 keeps ten bits of a product's factors.
    return 8 * (2.0**-10 if coarse else torch.finfo(own.dtype).eps) * own
