"""Checks every model makes where it meets its data."""

from __future__ import annotations

from typing import Any

import scipy.sparse as sp

from beekit.errors import ConfigError, DataError
from beekit.finite import finite_csr, require_matrix
from beekit.matrices import ones


def training_matrix(X: sp.sparray | sp.spmatrix) -> sp.csr_array:
    """X (users, items) of any sparse format as float32 CSR of ones, sorted; not the caller's.

    Raises:
        DataError: if X is not a matrix of finite numbers, or if it has no users or no items.
    """
    csr = finite_csr(X)
    if 0 in csr.shape:
        raise DataError(
            f"interactions of {csr.shape[0]:,} users with {csr.shape[1]:,} items",
            expected="at least one of each to learn from",
            remedy="Check what was filtered or held out.",
        )
    return ones(csr)


def require_fitted(model: Any, items: int | None, X: sp.sparray | sp.spmatrix) -> None:
    """Refuse to recommend before `fit`, or for histories over other items.

    Args:
        model: for its name.
        items: how many it was fitted on; None before that.
        X: (users, items) histories.

    Raises:
        ConfigError: if `items` is None.
        DataError: if X is not a matrix of numbers, or if it does not have so many items.
    """
    name = type(model).__name__
    if items is None:
        raise ConfigError(
            f"{name} before fit", expected="a fitted model", remedy="Call fit(X) or load a folder."
        )
    require_matrix(X, "histories")
    if X.shape[1] != items:
        raise DataError(
            f"histories over {X.shape[1]:,} items",
            expected=f"the {items:,} items {name} was fitted on",
            remedy="Build X with the same catalog.",
        )


def require(condition: bool, found: str, expected: str) -> None:
    """Raise a `ConfigError` for a hyperparameter outside its range."""
    if not condition:
        raise ConfigError(found, expected=expected, remedy="Choose another value.")
