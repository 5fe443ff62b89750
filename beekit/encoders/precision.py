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

# Attribute of a parameter: its precision in the folder it was loaded from.
_CAME_IN = "came_in"


def to_float32(encoder: nn.Module) -> str | None:
    """Turn weights of half precision into float32, in place, and remember what they came in.

    Half precision holds no small step of an optimiser, so nothing is trained in it. The values stay
    the same.

    Returns:
        the precision that most of these weights came in; None if there are none.
    """
    came = Counter[str]()
    for parameter in encoder.parameters():
        if _is_half(parameter):
            setattr(parameter, _CAME_IN, parameter.dtype)
            came[_name(parameter.dtype)] += parameter.numel()
            parameter.data = parameter.data.float()
    for module in encoder.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if _is_half(buffer):
                setattr(module, name, buffer.float())
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

    Afterwards they are as precise as before, and have the values that were saved. Weights too large
    for that precision stay as they are, with a warning.

    Yields:
        the name of the precision.
    """
    before = {p: p.dtype for p in encoder.parameters() if p.is_floating_point()}
    wanted = {
        parameter: getattr(torch, dtype) if dtype else getattr(parameter, _CAME_IN, now)
        for parameter, now in before.items()
    }
    if not all(bool(torch.isfinite(p.detach().to(to)).all()) for p, to in wanted.items()):
        logger.warning(
            "weights are saved in float32: some are too large for %s", dtype or came_in(encoder)
        )
        wanted = before
    saved = Counter[str]()
    for parameter, to in wanted.items():
        parameter.data = parameter.data.to(to)
        saved[_name(to)] += parameter.numel()
    try:
        yield saved.most_common(1)[0][0] if saved else _name(torch.float32)
    finally:
        for parameter, now in before.items():
            parameter.data = parameter.data.to(now)


def _is_half(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and tensor.element_size() < torch.float32.itemsize


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
