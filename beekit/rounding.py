"""What rounding leaves of a user's scores where nothing should be left."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Of the bits that TF32 and bfloat16 keep of a number's fraction.
_EPS = {"tf32": 2.0**-10, "bf16": 2.0**-7}


def left_by_rounding(own: Tensor) -> Tensor:
    """The most that is left of scores when each item's own, of lengths `own`, has been taken out.

    Two ways to the same product differ by a few units in the last place. ELSA's losses scale scores
    to length 1, which must not make a hit of these.
    """
    return 8 * product_eps(own.dtype, own.device) * own


def product_eps(dtype: torch.dtype, device: torch.device) -> float:
    """Unit in the last place of 1 in matrix products; torch may be told to keep fewer bits."""
    eps = torch.finfo(dtype).eps
    if dtype != torch.float32:
        return eps
    # Whichever of torch's switches was used; the older ones cannot be asked once a newer one was.
    backend: Any = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
    return _EPS.get(str(backend.matmul.fp32_precision), eps)
