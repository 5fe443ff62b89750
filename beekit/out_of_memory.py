"""Recognising errors of all libraries that mean that memory ran out."""

from __future__ import annotations

import torch

# Texts in RuntimeErrors of torch on a CPU, and in errors of other C++ libraries.
_MARKS = ("not enough memory", "DefaultCPUAllocator", "bad_alloc", "Cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a GPU or the machine has too little memory."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(
        mark in str(error) for mark in _MARKS
    )
