"""Whether an error says that memory ran out, whichever library raised it."""

from __future__ import annotations

import torch

# What torch says on a CPU, in a plain RuntimeError, and C++ libraries elsewhere.
_MARKS = ("not enough memory", "DefaultCPUAllocator", "bad_alloc", "Cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """True for a lack of memory on a graphics card or in the machine."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(
        mark in str(error) for mark in _MARKS
    )
