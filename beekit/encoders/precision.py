"""The precision of an encoder's weights: float32 while it is used, what it came in when saved."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from sentence_transformers import SentenceTransformer
from torch import nn

logger = logging.getLogger(__name__)

# Precisions that weights may be saved in.
DTYPES = ("float32", "float16", "bfloat16")
# Attribute of a parameter: its precision in the folder it was loaded from.
_CAME_IN = "came_in"


def to_float32(encoder: nn.Module) -> str | None:
    """Turn weights of any other precision into float32, in place, and remember what they came in.

    Half precision holds no small step of an optimiser, so nothing is trained in it. The values stay
    the same.

    Returns:
        the precision that most of the weights came in; None if it was float32 already.
    """
    came = Counter[str]()
    for parameter in encoder.parameters():
        if parameter.is_floating_point() and parameter.dtype != torch.float32:
            setattr(parameter, _CAME_IN, parameter.dtype)
            came[_name(parameter.dtype)] += parameter.numel()
    if came:
        encoder.float()
    return came.most_common(1)[0][0] if came else None


def came_in(encoder: nn.Module) -> str:
    """The precision that most of the weights came in."""
    came = Counter[str]()
    for parameter in encoder.parameters():
        came[_name(getattr(parameter, _CAME_IN, parameter.dtype))] += parameter.numel()
    return came.most_common(1)[0][0] if came else _name(torch.float32)


@contextmanager
def as_saved(encoder: SentenceTransformer, dtype: str | None = None) -> Iterator[str]:
    """Within it, weights have the precision to save them in: `dtype`, or what they came in.

    Afterwards they are float32 again and have the values that were saved. Weights too large for
    that precision stay in float32, with a warning.

    Yields:
        the name of the precision.
    """
    wanted = {
        parameter: getattr(torch, dtype) if dtype else getattr(parameter, _CAME_IN, torch.float32)
        for parameter in encoder.parameters()
        if parameter.is_floating_point()
    }
    if not all(bool(torch.isfinite(p.detach().to(to)).all()) for p, to in wanted.items()):
        logger.warning(
            "weights are saved in float32: some are too large for %s", dtype or came_in(encoder)
        )
        wanted = dict.fromkeys(wanted, torch.float32)
    for parameter, to in wanted.items():
        parameter.data = parameter.data.to(to)
    counted = Counter[str]()
    for parameter, to in wanted.items():
        counted[_name(to)] += parameter.numel()
    try:
        yield counted.most_common(1)[0][0] if counted else _name(torch.float32)
    finally:
        for parameter in wanted:
            parameter.data = parameter.data.float()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
