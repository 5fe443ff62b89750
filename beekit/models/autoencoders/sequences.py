"""Histories in order, as inputs and targets of a recurrent network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.errors import DataError
from beekit.models.autoencoders.histories import Histories
from beekit.models.training_loop import Shuffled
from beekit.ranking.ties import history_keys, tie_keys

# Batches among which users are sorted by length.
_BLOCK = 20


def in_order(X: sp.csr_array, last: int | None = None) -> sp.csr_array:
    """X with each row's items in order, the earliest first, and only its last ones.

    Items of one user with equal numbers stand in the order of a hash of the history and the item
    (`beekit.ranking.ties`), as if drawn at random: neither the order of rows in a file nor what
    ids look like says anything of the order.

    Args:
        X: (users, items) CSR whose numbers are times or positions; a larger one is later.
        last: how many items of each user to keep; all if it is None.

    Returns:
        (users, items) float32 CSR of ones whose `indices` are in order within each row, and so not
        sorted.
    """
    lengths = np.diff(X.indptr)
    rows = np.repeat(np.arange(X.shape[0]), lengths)
    ties = tie_keys(history_keys(X)[rows], X.indices)
    items = X.indices[np.lexsort((ties, X.data, rows))]
    if last is not None:
        from_end = np.repeat(X.indptr[1:], lengths) - np.arange(len(items))
        items = items[from_end <= last]
        lengths = np.minimum(lengths, last)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(X.indptr.dtype)
    return sp.csr_array((np.ones(len(items), np.float32), items, starts), shape=X.shape)


def require_order(X: sp.csr_array, name: str) -> None:
    """Refuse histories that say no order: some have several items, and all of each user are tied.

    Raises:
        DataError: if so; `name` is the model that says it.
    """
    if not has_order(X):
        raise DataError(
            f"histories without order for {name}: each user's items all have the same number",
            expected="times or positions, larger for what is later",
            remedy="Give a dataset a column timestamp (columns: {timestamp: NAME}), and X its "
            "numbers.",
        )


def has_order(X: sp.csr_array) -> bool:
    """Whether a user has two items with different numbers, or nobody has two items."""
    beside = np.diff(np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))) == 0
    return not beside.any() or bool((np.diff(X.data)[beside] != 0).any())


class Steps(NamedTuple):
    """The items of some users, step by step, with the users side by side."""

    items: Tensor  # (longest, users) int64 item indices, 0 after a user's last one
    places: Tensor  # (steps,) int64 where those of the users stand in it, user after user

    @classmethod
    def of(cls, ordered: sp.csr_array, device: torch.device | str = "cpu") -> Self:
        """The rows of what `in_order` returns."""
        return cls._of(ordered.indices, np.diff(ordered.indptr), device)

    @classmethod
    def predicting(
        cls, ordered: sp.csr_array, next_items: int, device: torch.device | str = "cpu"
    ) -> tuple[Self, Histories]:
        """All items but each user's last one, and for each of these the items that come next.

        The targets of a step are the user's next `next_items` items, or as many as there are.
        """
        ends = np.repeat(ordered.indptr[1:], np.diff(ordered.indptr))
        left = ends - np.arange(len(ends)) - 1  # how many come after each item
        (before,) = np.nonzero(left)
        counts = np.minimum(left[before], next_items).astype(np.int64)
        nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        targets = ordered.indices[np.repeat(before + 1, counts) + nth].astype(np.int64)
        weights = np.ones(len(targets), dtype=np.float32)
        lengths = np.maximum(np.diff(ordered.indptr) - 1, 0)
        return (
            cls._of(ordered.indices[before], lengths, device),
            Histories(*(torch.from_numpy(one).to(device) for one in (targets, counts, weights))),
        )

    @classmethod
    def _of(cls, items: np.ndarray, lengths: np.ndarray, device: torch.device | str) -> Self:
        users = np.repeat(np.arange(len(lengths)), lengths)
        steps = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        beside = np.zeros((int(lengths.max(initial=0)), len(lengths)), dtype=np.int64)
        beside[steps, users] = items
        places = steps * len(lengths) + users
        return cls(*(torch.from_numpy(one).to(device) for one in (beside, places)))


@dataclass(frozen=True)
class AlikeInLength:
    """The numbers from 0 to len(lengths) − 1 in batches of like lengths, drawn anew each time.

    Shuffled numbers are sorted by length within blocks of some batches, and the batches of a block
    are shuffled: little is padded, and any two users may meet.
    """

    lengths: np.ndarray  # (users,)
    batch_size: int
    generator: torch.Generator

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        lengths = torch.from_numpy(self.lengths)
        for block in Shuffled(len(lengths), _BLOCK * self.batch_size, self.generator):
            batches = block[lengths[block].argsort(stable=True)].split(self.batch_size)
            for number in torch.randperm(len(batches), generator=self.generator).tolist():
                yield batches[number]
