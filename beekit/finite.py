"""Checking that vectors, scores and interactions are finite, where they are given or computed.

A NaN in a single row spreads: the mean of all rows becomes NaN, then every score, and all lists are
empty. So all code that gets or makes numbers calls a function here, and the error names the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from beekit.errors import BeekitError, DataError
from beekit.json_values import plain
from beekit.lazy_names import LazyModule

if TYPE_CHECKING:
    import scipy.sparse as sp
else:
    sp = LazyModule("scipy.sparse")

# The largest absolute value of an entry of a vector. Float32 ends at 2^128; the inner product, in
# 2^13 dimensions, of a vector with a sum of 2^17 others stays below that.
LARGEST = 2.0**48
# The largest entry must not be smaller than this; else products and lengths become zero in float32.
SMALLEST = 2.0**-48
_AGAIN = "Embed the items again, in float32 if that was in half precision."
_FIRST = 3


def finite_vectors(
    given: Any,
    what: str = "vectors",
    names: Sequence[Any] | np.ndarray | None = None,
    *,
    rows: int | None = None,
    dims: int | None = None,
    row: str = "item",
    remedy: str = _AGAIN,
    error: type[BeekitError] = DataError,
    any_length: bool = False,
) -> np.ndarray:
    """Vectors (items, dims) as contiguous float32, after checking them. Zeros are allowed.

    Args:
        given: the vectors, one row for each item.
        what: what they are, for messages, such as "item vectors" or the path of a file.
        names: (items,) ids of the items for messages; None to name items by their index.
        rows, dims: the expected shape; None for any number from 1 on.
        row: what a row is, for messages, such as "item" or "user".
        remedy: for messages, what the user can do about numbers that are not finite.
        error: the class of the error.
        any_length: allow entries of any finite size, as in sums of vectors.

    Raises:
        DataError: (or `error`) if `given` is not numbers of that shape, or if a number is not
            finite in float32. Unless `any_length`, also if a number is larger than `LARGEST`, or if
            the largest is above zero and below `SMALLEST`.
    """
    array = _array(given)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiub":
        found = f"{what} of shape {array.shape} and type {array.dtype}"
        expected = f"numbers ({row}s, dims), a row for each {row}"
        raise error(found, expected=expected, remedy="Give what embed_items returns.")
    if array.shape != (rows or len(array), dims or array.shape[1]):
        raise error(
            f"{what} of shape {array.shape}",
            expected=f"({f'{row}s' if rows is None else rows}, {dims or 'dims'})",
            remedy=f"Give the vectors of the same {row}s, from the same encoder or model.",
        )
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    if any_length:
        require_finite(array, what, names, row=row, remedy=remedy, error=error)
        return array
    low, high = float(array.min()), float(array.max())
    if low >= -LARGEST and high <= LARGEST:  # false if there is a NaN
        if 0 < max(-low, high) < SMALLEST:
            found = f"{what} too small: the largest entry is {max(-low, high):.1e}"
            expected = f"entries from {SMALLEST:.1e} on, so that products do not become zero"
            raise error(found, expected=expected, remedy="Scale the vectors to length 1.")
        return array
    require_finite(array, what, names, row=row, remedy=remedy, error=error)
    large = np.abs(array) > LARGEST
    raise error(
        _found(f"{what} too large", large.any(axis=1), f"up to {max(-low, high):.1e}", names, row),
        expected=f"entries up to {LARGEST:.1e}, so that inner products stay finite",
        remedy="Scale the vectors to length 1.",
    )


def require_finite(
    values: np.ndarray,
    what: str,
    names: Sequence[Any] | np.ndarray | None = None,
    *,
    row: str = "item",
    remedy: str = _AGAIN,
    error: type[BeekitError] = DataError,
) -> None:
    """Check that numbers (rows, ...) are finite. The arguments are those of `finite_vectors`.

    Raises:
        DataError: (or `error`) if one is NaN or infinite; it names rows and their number.
    """
    if values.dtype.kind != "f" or _sums_up(values):
        return
    finite = np.isfinite(values)
    bad = ~finite if values.ndim < 2 else ~finite.all(axis=tuple(range(1, values.ndim)))
    if not bad.any():  # a sum can overflow although all numbers are finite
        return
    tests = {"NaN": np.isnan, "infinite": np.isinf}
    kinds = " and ".join(kind for kind, test in tests.items() if test(values[bad]).any())
    found = _found(f"{what} that are not finite", bad, kinds, names, row)
    raise error(found, expected="finite numbers", remedy=remedy)


def finite_csr(
    X: Any, what: str = "interactions", *, users: int | None = None, items: int | None = None
) -> sp.csr_array:
    """X (users, items), a sparse or dense matrix, as CSR; the caller's matrix is not changed.

    Raises:
        DataError: if X is not a matrix of numbers, if it has another number of `users` or `items`
            than asked for, or if an entry is not finite.
    """
    given = X if sp.issparse(X) else _array(X)
    require_matrix(given, what)
    for side, count, there in zip(("users", "items"), (users, items), given.shape, strict=True):
        if count is not None and there != count:
            raise DataError(
                f"{what} with {there:,} {side}",
                expected=f"{count:,} {side}, as in the matrices or vectors used with it",
                remedy="Build both with the same catalog and users.",
            )
    if sp.issparse(given) and given.dtype.kind in "iub":
        # Values of a pair that is stored twice are added up, and bytes would overflow.
        given = given.astype(np.float64)
    csr = sp.csr_array(given)
    if csr.dtype.kind == "f" and not _sums_up(csr.data):
        bad = np.flatnonzero(~np.isfinite(csr.data))
        of_users = np.zeros(csr.shape[0], dtype=csr.dtype)
        of_users[np.searchsorted(csr.indptr, bad, side="right") - 1] = csr.data[bad]
        require_finite(of_users, what, row="user", remedy="Remove or correct those entries.")
    return csr


def require_matrix(X: Any, what: str) -> None:
    """Check that X is a dense or sparse matrix of numbers (users, items).

    Raises:
        DataError: if it is not.
    """
    if not hasattr(X, "dtype") or X.ndim != 2 or np.dtype(X.dtype).kind not in "fiub":
        shape, kind = (getattr(X, name, None) for name in ("shape", "dtype"))
        found = f"{what} of shape {shape} and type {kind or type(X).__name__}"
        remedy = "Build a sparse matrix with a row for each user and a column for each item."
        raise DataError(found, expected="a matrix of numbers (users, items)", remedy=remedy)


def require_lists(
    ranked: Any,
    n_items: int,
    what: str = "ranked lists",
    users: Sequence[Any] | np.ndarray | None = None,
) -> None:
    """Check that `ranked` holds lists of items: (users, k) item indices, padded with -1.

    Args:
        ranked: the lists.
        n_items: number of items.
        what: what the lists are, for messages.
        users: (users,) indices of their users; None for any number of users.

    Raises:
        DataError: if it does not.
    """
    array = _array(ranked)
    integers = array.ndim == 2 and array.dtype.kind in "iu"
    if not integers or (users is not None and len(users) != len(array)):
        found = f"{what} of shape {array.shape} and type {array.dtype}"
        expected = f"item indices ({'users' if users is None else len(users)}, k), integers"
        remedy = "Give the first of the two arrays that `recommend` returns."
        raise DataError(found, expected=expected, remedy=remedy)
    if not array.size or (int(array.min()) >= -1 and int(array.max()) < n_items):
        return
    user, place = np.argwhere((array < -1) | (array >= n_items))[0]
    raise DataError(
        f"{what} hold item index {array[user, place]} for user index "
        f"{user if users is None else users[user]}",
        expected=f"item indices from 0 to {n_items - 1:,}, or -1 where a list ends",
        remedy="Give indices of the same catalog.",
    )


def _array(given: Any) -> np.ndarray:
    """An array; of type object if `given` is not numbers or its rows differ in length."""
    try:
        return np.asarray(given)
    except (ValueError, TypeError, RuntimeError):  # rows of different lengths; a tensor on a GPU
        whole = np.empty(1, dtype=object)
        whole[0] = given
        return whole


def _sums_up(values: np.ndarray) -> bool:
    """Whether the sum is finite, which shows in one pass that every number is."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()))


def _found(
    what: str,
    bad: np.ndarray,
    kind: str,
    names: Sequence[Any] | np.ndarray | None,
    row: str = "item",
) -> str:
    """A text such as "vectors that are not finite: 2 of 40 (NaN; items 'a', 'b')"."""
    places = np.flatnonzero(bad)
    if names is not None and len(names) != len(bad):  # another mistake, reported elsewhere
        names = None
    first = places[:_FIRST].tolist()
    shown = ", ".join(str(i) if names is None else repr(plain(names[i])) for i in first)
    shown += ", ..." if len(places) > _FIRST else ""
    label = row if names is not None else f"{row} index"
    if len(places) > 1:
        label = f"{label}s".replace("indexs", "indices")
    return f"{what}: {len(places):,} of {len(bad):,} ({kind}; {label} {shown})"
