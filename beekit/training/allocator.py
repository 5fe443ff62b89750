"""Telling the C library to keep freed memory for the next step."""

from __future__ import annotations

import ctypes
import platform

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# The largest threshold glibc accepts for M_MMAP_THRESHOLD on 64-bit systems.
_LARGEST_MMAP_THRESHOLD = 32 * 2**20


def keep_freed_memory() -> bool:
    """Stop glibc from handing freed activations back to the system.

    By default blocks above 32 MB at most are mapped and unmapped one by one, and the top of the
    heap is trimmed; every training step then pays page faults for memory it had a moment ago.
    Process-wide and for good; the resident size stays at its peak. PyTorch allocates its CPU
    tensors through the C library, so a training step gains from it.

    Returns:
        Whether it took effect; False where the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL("libc.so.6")
    trim = libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    mmap = libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    return bool(trim and mmap)
