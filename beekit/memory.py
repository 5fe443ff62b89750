"""Telling the C library to keep freed memory for the next step."""

from __future__ import annotations

import ctypes
import platform

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# The largest M_MMAP_THRESHOLD that glibc accepts on 64-bit systems.
_LARGEST_MMAP_THRESHOLD = 32 * 2**20


def keep_freed_memory() -> bool:
    """Stop glibc from handing freed activations back to the system after every mini-batch.

    By default the top of the heap is trimmed and larger blocks are mapped and unmapped one by one,
    so the next mini-batch pays page faults for memory this one just had. PyTorch allocates its CPU
    tensors through the C library, so training on a CPU is faster, with the same numbers.

    It holds for the whole process, and the resident size stays at its peak, so a program that uses
    beekit as a library has to call it. Blocks above 32 MB still come and go: with no mapping at
    all, aligned blocks fragment the heap and it grows.

    Returns:
        Whether it took effect; False where the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL("libc.so.6")
    kept = libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    unmapped = libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    return bool(kept and unmapped)
