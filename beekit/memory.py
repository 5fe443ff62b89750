"""Making the C library keep freed memory for the next step."""

from __future__ import annotations

import ctypes
import platform

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# The largest M_MMAP_THRESHOLD that glibc accepts on 64-bit systems.
_LARGEST_MMAP_THRESHOLD = 32 * 2**20


def keep_freed_memory() -> bool:
    """Stop glibc from returning freed memory to the system after every mini-batch.

    By default glibc trims the heap and maps and unmaps larger blocks one by one, so that the next
    mini-batch needs time for page faults. PyTorch allocates its CPU tensors through the C library.
    So training on a CPU becomes faster, with the same numbers.

    This changes the whole process: its memory stays at the peak. So the library does not do it by
    itself, and a program that uses beekit as a library has to call it. Blocks above 32 MB are still
    mapped and unmapped, because otherwise aligned blocks fragment the heap and it grows.

    Returns:
        whether it took effect; False if the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL("libc.so.6")
    kept = libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    unmapped = libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    return bool(kept and unmapped)
