"""Numbers that can be computed with: vectors, scores and interactions checked where they enter.

One NaN in one row spreads: it makes the mean of all rows NaN, then every score, and every list
comes out empty. So whoever takes or makes numbers asks here, and the message names the rows.
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

# How large an entry of a vector may be. Float32 ends at 2^128: inner products in 2^13 dimensions
# of a vector with a sum over 2^17 others stay below it.
LARGEST = 2.0**48
# And how small the largest may be: below, float32 loses products of two entries, and lengths.
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
    """Vectors (items, dims) as float32, row after row; zeros are allowed.

    Args:
        given: numbers, one row an item.
        what: for the message, such as "item vectors" or the path of a file.
        names: (items,) ids of the items; without, items go by their index.
        rows, dims: how many there have to be; any number from 1 on without.
        row: what a row is.
        remedy: what the user can do about numbers that are not finite.
        error: to raise.
        any_length: take entries of any size that is finite, as sums of vectors may have.

    Raises:
        DataError: or `error`, if these are no numbers of that shape, if one is not finite in
            float32 or, unless `any_length`, beyond `LARGEST`, or if all are nearly zero.
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
            remedy=f"Take the vectors of the same {row}s, from the same encoder or model.",
        )
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    if any_length:
        require_finite(array, what, names, row=row, remedy=remedy, error=error)
        return array
    low, high = float(array.min()), float(array.max())
    if low >= -LARGEST and high <= LARGEST:  # neither holds where there is a NaN
        if 0 < max(-low, high) < SMALLEST:
            found = f"{what} too small: no entry beyond {max(-low, high):.1e}"
            expected = f"entries from {SMALLEST:.1e} on, so that products do not vanish"
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
    """Refuse numbers (rows, ...) that are NaN or infinite, naming how many rows and which.

    The arguments are those of `finite_vectors`.
    """
    if values.dtype.kind != "f" or _sums_up(values):
        return
    finite = np.isfinite(values)
    bad = ~finite if values.ndim < 2 else ~finite.all(axis=tuple(range(1, values.ndim)))
    if not bad.any():  # a sum may overflow where no number does
        return
    tests = {"NaN": np.isnan, "infinite": np.isinf}
    kinds = " and ".join(kind for kind, test in tests.items() if test(values[bad]).any())
    found = _found(f"{what} that are not finite", bad, kinds, names, row)
    raise error(found, expected="finite numbers", remedy=remedy)


def finite_csr(
    X: Any, what: str = "interactions", *, users: int | None = None, items: int | None = None
) -> sp.csr_array:
    """X (users, items) as CSR, whatever sparse or dense matrix it is; the caller's stays as it is.

    Raises:
        DataError: if X is not a matrix of numbers, if it has another number of `users` or `items`
            than asked for, or if an entry is not finite.
    """
    given = X if sp.issparse(X) else _array(X)
    require_matrix(given, what)
    for side, count, there in zip(("users", "items"), (users, items), given.shape, strict=True):
        if count is not None and there != count:
            raise DataError(
                f"{what} over {there:,} {side}",
                expected=f"the same {count:,} {side} as elsewhere",
                remedy="Build both with the same catalog and users.",
            )
    if sp.issparse(given) and given.dtype.kind in "iub":
        # Pairs stored twice are added up, in which a byte overflows.
        given = given.astype(np.float64)
    csr = sp.csr_array(given)
    if csr.dtype.kind == "f" and not _sums_up(csr.data):
        bad = np.flatnonzero(~np.isfinite(csr.data))
        of_users = np.zeros(csr.shape[0], dtype=csr.dtype)
        of_users[np.searchsorted(csr.indptr, bad, side="right") - 1] = csr.data[bad]
        require_finite(of_users, what, row="user", remedy="Remove or correct those entries.")
    return csr


def require_matrix(X: Any, what: str) -> None:
    """Refuse what is no matrix of numbers (users, items), dense or sparse."""
    if not hasattr(X, "dtype") or X.ndim != 2 or np.dtype(X.dtype).kind not in "fiub":
        shape, kind = (getattr(X, name, None) for name in ("shape", "dtype"))
        found = f"{what} of shape {shape} and type {kind or type(X).__name__}"
        remedy = "Build a sparse matrix with one row a user and one column an item."
        raise DataError(found, expected="a matrix of numbers (users, items)", remedy=remedy)


def require_lists(
    ranked: Any,
    n_items: int,
    what: str = "ranked lists",
    users: Sequence[Any] | np.ndarray | None = None,
) -> None:
    """Refuse what are no lists of items: (users, k) item indices, -1 where a list ends.

    `users` (users,) are the indices of the users they are of; any number of users without.
    """
    array = _array(ranked)
    integers = array.ndim == 2 and array.dtype.kind in "iu"
    if not integers or (users is not None and len(users) != len(array)):
        found = f"{what} of shape {array.shape} and type {array.dtype}"
        expected = f"item indices ({'users' if users is None else len(users)}, k), integers"
        raise DataError(found, expected=expected, remedy="Give what `recommend` returns first.")
    if not array.size or (int(array.min()) >= -1 and int(array.max()) < n_items):
        return
    user, place = np.argwhere((array < -1) | (array >= n_items))[0]
    raise DataError(
        f"{what} hold item {array[user, place]} for user index "
        f"{user if users is None else users[user]}",
        expected=f"item indices from 0 to {n_items - 1:,}, or -1 where a list ends",
        remedy="Give indices of the same catalog.",
    )


def _array(given: Any) -> np.ndarray:
    """Numbers as an array; of type object where they are none, or rows differ in length."""
    try:
        return np.asarray(given)
    except (ValueError, TypeError, RuntimeError):  # ragged rows; a tensor elsewhere
        whole = np.empty(1, dtype=object)
        whole[0] = given
        return whole


def _sums_up(values: np.ndarray) -> bool:
    """Whether the sum is finite, and so every number: one pass, nothing kept."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()))


def _found(
    what: str,
    bad: np.ndarray,
    kind: str,
    names: Sequence[Any] | np.ndarray | None,
    row: str = "item",
) -> str:
    """As in "vectors that are not finite: 2 of 40 (NaN; items 'a', 'b')"."""
    places = np.flatnonzero(bad)
    if names is not None and len(names) != len(bad):  # which is another mistake
        names = None
    first = places[:_FIRST].tolist()
    shown = ", ".join(str(i) if names is None else repr(plain(names[i])) for i in first)
    shown += ", ..." if len(places) > _FIRST else ""
    label = row if names is not None else f"{row} index"
    if len(places) > 1:
        label = f"{label}s".replace("indexs", "indices")
    return f"{what}: {len(places):,} of {len(bad):,} ({kind}; {label} {shown})"
