"""Models that fail in ways a system or a library does, for comparisons that must go on."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

import numpy as np

from beekit.models import EASE, Popularity


@dataclass(eq=False)
class Killed(Popularity):
    """The system ends the process that fits it, but for the few interactions of a warm-up."""

    def fit(self, X):
        if X.nnz > 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X)


@dataclass(eq=False)
class Broken(Popularity):
    """Says what is wrong in several lines."""

    def fit(self, X):
        raise ValueError("\nthe matrix is odd\nand more of it")


@dataclass(eq=False)
class Hungry(Popularity):
    """Takes 300 MB for a moment."""

    def fit(self, X):
        if X.nnz > 10:
            np.ones(300 * 2**17)
        return super().fit(X)


@dataclass(eq=False)
class Sleepy(Popularity):
    """Takes for ever."""

    def fit(self, X):
        if X.nnz > 10:
            time.sleep(600)
        return super().fit(X)


@dataclass(eq=False)
class Forgetful(EASE):
    """Can be fitted, but neither asked nor kept."""

    def save(self, folder):
        raise OSError(5, "Input/output error")
