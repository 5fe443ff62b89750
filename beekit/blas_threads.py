"""Running BLAS on one thread, for small problems and for code that uses all cores already."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np  # noqa: F401  loads its BLAS
import scipy.linalg  # noqa: F401  loads its BLAS
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which the BLAS of numpy and scipy uses only the calling thread.

    Threads of BLAS wait for each other in busy loops. On cores that also do other work, solving a
    system of 128 unknowns took 124 ms with two threads, and half a millisecond with one.
    """
    return _controller().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


@cache
def _controller() -> Any:
    return ThreadpoolController()  # cached: searching the libraries takes ms
