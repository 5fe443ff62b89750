"""The rounding error that remains in a user's scores where they should be zero."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# The precision of products in TF32 and bfloat16.
_EPS = {"tf32": 2.0**-10, "bf16": 2.0**-7}


def left_by_rounding(own: Tensor) -> Tensor:
    """The largest rounding error in scores from which each item's own part has been subtracted;
    `own` are the lengths of these parts.

    Two ways to compute the same product differ by a few units in the last place. ELSA's losses
    scale scores to length 1 and must not scale such errors.
    """
    return 8 * product_eps(own.dtype, own.device) * own


def product_eps(dtype: torch.dtype, device: torch.device) -> float:
    """The unit in the last place of 1 in matrix products, for which torch may use fewer bits."""
    eps = torch.finfo(dtype).eps
    if dtype != torch.float32:
        return eps
    # This attribute shows the setting of all of torch's switches; older switches cannot be read
    # after a newer one was used.
    backend: Any = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
    return _EPS.get(str(backend.matmul.fp32_precision), eps)
