"""What rounding leaves of a user's scores where nothing should be left."""

from __future__ import annotations

import torch
from torch import Tensor

# Of the 10 bits that TF32 keeps of a number's fraction.
_TF32_EPS = 2.0**-10


def left_by_rounding(own: Tensor) -> Tensor:
    """The most that is left of scores when each item's own has been taken out of them.

    Two ways to the same product differ by a few units in the last place. ELSA's losses scale scores
    to length 1, which must not make a hit of these.

    Args:
        own: lengths of what was taken out, of any shape.
    """
    return 8 * product_eps(own.dtype, own.device) * own


def product_eps(dtype: torch.dtype, device: torch.device) -> float:
    """Unit in the last place of 1 in matrix products; a GPU may be allowed TF32 for float32."""
    eps = torch.finfo(dtype).eps
    if dtype == torch.float32 and device.type == "cuda" and _tf32_is_allowed():
        return max(eps, _TF32_EPS)
    return eps


def _tf32_is_allowed() -> bool:
    # Whichever of torch's switches was used; the older ones cannot be asked once a newer one was.
    return str(torch.backends.cuda.matmul.fp32_precision) == "tf32"
