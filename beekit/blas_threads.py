"""BLAS on one thread, for what is too small to share or is already shared out."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np  # noqa: F401  loads its BLAS
import scipy.linalg  # noqa: F401  loads its own
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which numpy's and scipy's BLAS run on the calling thread alone.

    Threads of BLAS wait for each other by spinning: on cores that have other work, solving a system
    of 128 unknowns took 124 ms with two threads, and half a millisecond with one.
    """
    return _controller().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


@cache
def _controller() -> Any:
    return ThreadpoolController()  # looks through the loaded libraries, which takes milliseconds
