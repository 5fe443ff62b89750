"""Who used what: the sparse matrix X with the ids of its rows and columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from beekit.data import ids
from beekit.data.rules import Duplicates, Kept, keeps, strong_enough
from beekit.errors import DataError
from beekit.finite import finite_csr, require_finite
from beekit.matrices import Reads


@dataclass(frozen=True)
class Interactions:
    """Binary interactions X of users with items.

    Attributes:
        matrix: (users, items) float32 CSR with ones, column indices sorted, no explicit zeros.
        user_ids: (users,) the caller's ids, sorted.
        item_ids: (items,) the caller's ids, in column order.
        timestamps: (interactions,) float64 in the order of `matrix.indices`, or None: seconds, or
            places in the user's history, of which a larger one is later.
        kept: what each rule that left rows out kept of them, in the order of the rules.
        values: (interactions,) float64 strengths or ratings in the order of `matrix.indices`, or
            None.

    Raises:
        DataError: if `matrix` is not a matrix of finite numbers with a row for each user id and a
            column for each item id, or if `timestamps` or `values` are not one finite
            number for each interaction.
    """

    matrix: sp.csr_array
    user_ids: np.ndarray
    item_ids: np.ndarray
    timestamps: np.ndarray | None = None
    kept: tuple[Kept, ...] = ()
    values: np.ndarray | None = None

    def __post_init__(self) -> None:
        finite_csr(self.matrix, "interactions")
        expected = (len(self.user_ids), len(self.item_ids))
        if self.matrix.shape != expected:
            raise DataError(
                f"a matrix of shape {self.matrix.shape}",
                expected=f"{expected}, one row a user id and one column an item id",
                remedy="Pass ids and matrix of the same dataset.",
            )
        for what, numbers in (("timestamps", self.timestamps), ("values", self.values)):
            if numbers is not None and len(numbers) != self.matrix.nnz:
                raise DataError(
                    f"{len(numbers):,} {what} for {self.matrix.nnz:,} interactions",
                    expected=f"one of the {what} an interaction",
                    remedy=f"Pass {what} in the order of matrix.indices.",
                )
            if numbers is not None:
                _require_numbers(numbers, what)

    @classmethod
    def from_arrays(
        cls,
        user_ids: Iterable[object],
        item_ids: Iterable[object],
        values: np.ndarray | None = None,
        timestamps: np.ndarray | None = None,
        *,
        catalog_ids: Iterable[object] | None = None,
        min_value: float | None = None,
        user_min_support: int = 1,
        item_min_support: int = 1,
        duplicates: str = "error",
    ) -> Interactions:
        """Build X from one row an interaction.

        Args:
            user_ids: (rows,) integers or strings.
            item_ids: (rows,) integers or strings.
            values: (rows,) strength of each interaction, compared with `min_value`; without it
                numbers above 0.
            timestamps: (rows,) seconds, or places in the user's history.
            catalog_ids: (items,) the columns of X, in order; every item id must be among them.
                Without it the columns are the distinct item ids, sorted.
            min_value: interactions below it are left out.
            user_min_support: users with fewer interactions are left out.
            item_min_support: items with fewer interactions lose them (both supports hold in the
                result: the filters repeat until nothing changes).
            duplicates: "error", or "merge" to count a repeated (user, item) pair once, at its
                earliest timestamp and with the mean of its values.

        Raises:
            DataError: if the arrays have different lengths, if an id is missing or is neither an
                integer nor a string, if an item id is not in `catalog_ids`, if a value or timestamp
                is not a finite number, if `min_value` is given without `values`, if a value is 0 or
                below or a boolean and no `min_value` is given, if a pair is repeated and
                `duplicates` is "error", if no user is left, or if `duplicates` is neither "error"
                nor "merge".
        """
        require_policy("duplicates", duplicates, Duplicates)
        user_array, item_array = ids.as_ids(user_ids), ids.as_ids(item_ids)
        values = None if values is None else np.asarray(values)
        if timestamps is not None:
            timestamps = np.asarray(timestamps)
            if timestamps.dtype.kind not in "iuf":
                found = f"timestamps of type {timestamps.dtype}"
                raise DataError(found, expected="seconds since 1970", remedy="Convert them.")
            timestamps = timestamps.astype(np.float64)
        _require_rows(user_array, item_array, values, timestamps)
        rows = len(user_array)
        if catalog_ids is None:
            column_ids, columns = ids.encode(item_array)
        else:
            column_ids = ids.to_numpy(ids.as_ids(catalog_ids))
            columns = ids.positions(item_array, column_ids)
            _require_known(columns, item_array, column_ids)
        if min_value is not None and values is None:
            raise DataError(
                f"min_value={min_value} but no values",
                expected="a column value",
                remedy="Add the column value, or leave min_value out.",
            )
        kept: tuple[Kept, ...] = ()
        if values is not None:
            strong = strong_enough(values, min_value)
            kept = keeps(f"min_value={min_value}", int(np.count_nonzero(strong)), rows)
            if kept:
                user_array, columns = user_array.filter(pa.array(strong)), columns[strong]
                timestamps = None if timestamps is None else timestamps[strong]
                values = values[strong]
            values = values.astype(np.float64)
        row_ids, row_numbers = ids.encode(user_array)
        shape = (len(row_ids), len(column_ids))
        matrix, timestamps, values = _to_csr(
            row_numbers, columns, timestamps, values, shape, duplicates
        )
        kept += keeps("duplicates=merge", matrix.nnz, len(user_array))
        keep_users, keep, weak_users = _supported(matrix, user_min_support, item_min_support)
        of = matrix.nnz - weak_users
        kept += keeps(f"user_min_support={user_min_support}", of, matrix.nnz)
        kept += keeps(f"item_min_support={item_min_support}", int(np.count_nonzero(keep)), of)
        if not keep_users.any():
            raise DataError(
                f"no user is left of {rows:,} interactions after min_value={min_value}, "
                f"user_min_support={user_min_support}, item_min_support={item_min_support}",
                expected="at least one user",
                remedy="Lower the filters, or check the column value."
                if rows
                else "Check that both tables name the same items.",
            )
        if not keep.all():
            timestamps = None if timestamps is None else timestamps[keep]
            values = None if values is None else values[keep]
            matrix.data[~keep] = 0
            matrix.eliminate_zeros()
        if not keep_users.all():
            matrix, row_ids = matrix[keep_users], row_ids[keep_users]
        return cls(matrix, row_ids, column_ids, timestamps, kept, values)

    @property
    def n_users(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def n_items(self) -> int:
        """Columns of X, items nobody used included."""
        return int(self.matrix.shape[1])

    @property
    def n_interactions(self) -> int:
        return int(self.matrix.nnz)

    @property
    def used_items(self) -> np.ndarray:
        """Item indices with at least one interaction, ascending."""
        return np.flatnonzero(np.bincount(self.matrix.indices, minlength=self.n_items))

    def valued(self, matrix: sp.csr_array, reads: Reads) -> sp.csr_array:
        """A matrix (users, items) of some of the interactions, with numbers in place of ones.

        Args:
            matrix: CSR of ones over the same users and items.
            reads: "items" for the matrix as it is; "values" for the values; "order" for places in
                the user's whole history, 1 for the earliest and one place for equal timestamps.

        Raises:
            DataError: if the interactions have no timestamps or values, if no user has two
                different ones of the timestamps, or if an entry is no interaction.
        """
        if reads == "items":
            return matrix
        numbers = self._places() if reads == "order" else self.values
        if numbers is None:
            column = "timestamp" if reads == "order" else "value"
            expected = f"a column {column}, or one that is named as in columns: {{{column}: NAME}}"
            remedy = f"Name the column, or leave out what reads {reads}."
            found = f"interactions without {column}s"
            raise DataError(found, expected=expected, remedy=remedy)
        matrix = finite_csr(matrix, "a part", users=self.n_users, items=self.n_items)
        starts = np.arange(self.n_users, dtype=np.int64) * self.n_items
        own = np.repeat(starts, np.diff(self.matrix.indptr)) + self.matrix.indices
        asked = np.repeat(starts, np.diff(matrix.indptr)) + matrix.indices
        at = np.minimum(np.searchsorted(own, asked), len(own) - 1)
        if not np.array_equal(own[at], asked):
            found = "a matrix with entries that are no interactions"
            remedy = "Give a part of their matrix."
            raise DataError(found, expected="some of the interactions", remedy=remedy)
        return sp.csr_array((numbers[at], matrix.indices, matrix.indptr), shape=matrix.shape)

    def _places(self) -> np.ndarray | None:
        """(interactions,) from 1, in time, within each user; None without timestamps."""
        if self.timestamps is None:
            return None
        users = np.repeat(np.arange(self.n_users), np.diff(self.matrix.indptr))
        order = np.lexsort((self.timestamps, users))
        user, time = users[order], self.timestamps[order]
        later = (time[1:] > time[:-1]) & (user[1:] == user[:-1])
        if not later.any():
            raise DataError(
                "timestamps that are equal for each user",
                expected="histories in time order",
                remedy="Check the column timestamp, or leave out what reads order.",
            )
        steps = np.concatenate([[0], np.cumsum(later)])
        first = self.matrix.indptr[:-1][np.diff(self.matrix.indptr) > 0]
        lengths = np.diff(self.matrix.indptr)
        before = np.repeat(steps[first], lengths[lengths > 0])
        places = np.empty(len(order))
        places[order] = steps - before + 1
        return places

    def fingerprint(self, reads: Reads = "items") -> str:
        """SHA-256 of ids and interactions, and of the numbers that a model `reads`; the same for
        the same data in any row order."""
        order = np.argsort(self.item_ids, kind="stable")
        ranked = self.valued(self.matrix, reads)[:, order]
        ranked.sort_indices()
        numbers = () if reads == "items" else (ranked.data,)
        ordered = (self.item_ids[order], ranked.indptr, ranked.indices)
        return ids.digest(self.user_ids, *ordered, *numbers)


def require_policy(option: str, value: str, policies: Any) -> None:
    """Refuse an option whose value is not one of the policies allowed (a `Literal`)."""
    if value not in (allowed := get_args(policies)):
        remedy = f"Set {option} to one of them."
        raise DataError(f"{option}={value!r}", expected=" or ".join(allowed), remedy=remedy)


def _require_rows(
    users: pa.Array, items: pa.Array, values: np.ndarray | None, timestamps: np.ndarray | None
) -> None:
    given = {"user_ids": users, "item_ids": items, "values": values, "timestamps": timestamps}
    lengths = {name: len(array) for name, array in given.items() if array is not None}
    if len(set(lengths.values())) > 1:
        raise DataError(
            "arrays of " + ", ".join(f"{count:,} {name}" for name, count in lengths.items()),
            expected="one entry an interaction in each",
            remedy="Pass arrays of equal length.",
        )
    for name, numbers in (("values", values), ("timestamps", timestamps)):
        if numbers is not None:
            _require_numbers(numbers, name)
    missing = users.null_count + items.null_count
    if missing:
        expected, remedy = "a user and an item in every row", "Remove the others."
        raise DataError(f"{missing:,} missing ids", expected=expected, remedy=remedy)


def _require_numbers(given: np.ndarray, what: str) -> None:
    """Refuse what is not one finite number an interaction."""
    numbers = np.asarray(given)
    if numbers.ndim != 1 or numbers.dtype.kind not in "fiub":
        raise DataError(
            f"{what} of shape {numbers.shape} and type {numbers.dtype}",
            expected="numbers (interactions,)",
            remedy="Convert them to numbers.",
        )
    require_finite(numbers, what, row="row", remedy="Remove or correct those interactions.")


def _to_csr(
    rows: np.ndarray,
    columns: np.ndarray,
    timestamps: np.ndarray | None,
    values: np.ndarray | None,
    shape: tuple[int, int],
    duplicates: str,
) -> tuple[sp.csr_array, np.ndarray | None, np.ndarray | None]:
    # One integer a pair: sorting it is both sorts at once, and repeats end up side by side.
    # In place, since memory touched for the first time costs more than the arithmetic.
    pairs = rows.astype(np.int64)
    pairs *= shape[1]
    pairs += columns
    if timestamps is None and values is None:
        pairs.sort()
    else:
        # The earliest of a repeated pair comes first.
        keys = (pairs,) if timestamps is None else (timestamps, pairs)
        order = np.lexsort(keys)
        pairs = pairs[order]
        timestamps = None if timestamps is None else timestamps[order]
        values = None if values is None else values[order]
    first = np.ones(len(pairs), dtype=bool)
    np.not_equal(pairs[1:], pairs[:-1], out=first[1:])
    repeats = len(pairs) - int(np.count_nonzero(first))
    if repeats:
        if duplicates == "error":
            raise DataError(
                f"{repeats:,} interactions repeat a (user, item) pair",
                expected="each pair once",
                remedy="Remove the repeats, or set duplicates=merge to count each pair once.",
            )
        pairs = pairs[first]
        timestamps = None if timestamps is None else timestamps[first]
        if values is not None:
            begins = np.flatnonzero(first)
            values = np.add.reduceat(values, begins) / np.diff(begins, append=len(values))
    # Pairs are sorted, so a row begins where its first possible pair would stand.
    indptr = np.searchsorted(pairs, np.arange(shape[0] + 1, dtype=np.int64) * shape[1])
    columns = np.remainder(pairs, shape[1], out=pairs)
    index = np.int32 if len(pairs) < np.iinfo(np.int32).max else np.int64
    entries = (np.ones(len(pairs), np.float32), columns.astype(index), indptr.astype(index))
    return sp.csr_array(entries, shape=shape), timestamps, values


def _supported(
    matrix: sp.csr_array, user_min_support: int, item_min_support: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Users (bool, users) and interactions (bool, nnz) left when both supports hold, and how many
    interactions went with their users, not with their items."""
    keep = np.ones(matrix.nnz, dtype=bool)
    if max(user_min_support, item_min_support) <= 1:  # every row has an entry already
        return np.ones(matrix.shape[0], dtype=bool), keep, 0
    users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    weak_users = 0
    while True:
        user_support = np.bincount(users[keep], minlength=matrix.shape[0])
        item_support = np.bincount(matrix.indices[keep], minlength=matrix.shape[1])
        keep_users = user_support >= max(user_min_support, 1)
        keep_items = item_support >= item_min_support
        of_users = keep & keep_users[users]
        still = of_users & keep_items[matrix.indices]
        if still.sum() == keep.sum():
            return keep_users, keep, weak_users
        weak_users += int(keep.sum() - of_users.sum())
        keep = still


def _require_known(columns: np.ndarray, item_ids: pa.Array, known: np.ndarray) -> None:
    unknown = columns < 0
    if count := int(np.count_nonzero(unknown)):
        names = item_ids.filter(pa.array(unknown)).unique()
        shown = ", ".join(map(repr, names[:3].to_pylist()))
        near = ids.nearly(names, ids.as_ids(known))
        raise DataError(
            f"{count:,} interactions name {len(names):,} items the catalog does not have "
            f"(first: {shown}{near and '; '}{near})",
            expected="every item_id of the interactions among the catalog's",
            remedy="Make that change in both tables, or set unknown_items=drop."
            if near
            else "Add those items to the items table, or set unknown_items=drop.",
        )
