"""Negatives: items drawn uniformly from those that a user does not have."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.models.training_loop import Shuffled


def interactions(histories: sp.csr_array) -> tuple[Tensor, Tensor]:
    """The user and item indices of the entries of CSR histories, (interactions,) int64 each."""
    users = np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr))
    return torch.from_numpy(users), torch.from_numpy(histories.indices.astype(np.int64))


class UnseenItems:
    """Draws items that are not in a user's history, each with the same probability.

    The draw is exact and needs no rejection: with a user's items h_0 < h_1 < ..., the r-th item
    (from 0) that the user does not have is r plus the number of t with h_t − t ≤ r, which a binary
    search finds.

    Args:
        histories: (users, items) CSR with sorted column indices.

    Attributes:
        counts: (users,) how many items each user does not have.
    """

    def __init__(self, histories: sp.csr_array) -> None:
        users, self.items = histories.shape
        lengths = np.diff(histories.indptr).astype(np.int64)
        starts = histories.indptr[:-1].astype(np.int64)
        owners = np.repeat(np.arange(users), lengths)
        places = np.arange(histories.nnz) - starts[owners]
        # One ascending array for all users: the entries of user u lie between u · (items + 1) and
        # (u + 1) · (items + 1).
        gaps = owners * (self.items + 1) + histories.indices - places
        self.counts = torch.from_numpy(self.items - lengths)
        self._gaps = torch.from_numpy(gaps)
        self._starts = torch.from_numpy(starts)

    def draw(self, users: Tensor, generator: torch.Generator) -> Tensor:
        """One item (draws,) for each entry of `users` (draws,) int64; none of these users may have
        all items."""
        unit = torch.rand(len(users), generator=generator, dtype=torch.float64)
        rank = (unit * self.counts[users]).long()
        below = torch.searchsorted(self._gaps, users * (self.items + 1) + rank, right=True)
        return rank + below - self._starts[users]


class Triples:
    """Interactions, each with items that the user does not have, in shuffled mini-batches.

    In each epoch `negatives` items are drawn anew for each interaction. Users who have every item
    are left out, because there are no negatives for them.
    """

    def __init__(
        self, histories: sp.csr_array, negatives: int, batch_size: int, generator: torch.Generator
    ) -> None:
        self.unseen = UnseenItems(histories)
        users, items = interactions(histories)
        kept = self.unseen.counts[users] > 0
        self.users, self.items = users[kept], items[kept]
        self.negatives, self.generator = negatives, generator
        self.order = Shuffled(len(self.users), batch_size, generator)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The batches of an epoch: users (batch,), items they have (batch,), and items they do not
        have (batch, negatives)."""
        # Drawn in the order of users, because the binary search is several times faster then.
        drawn = [self.unseen.draw(self.users, self.generator) for _ in range(self.negatives)]
        against = torch.stack(drawn, dim=1)
        for part in self.order:
            yield self.users[part], self.items[part], against[part]


class SharedNegatives:
    """Draws items for groups of users, uniformly from all items, and finds out which users have
    them."""

    def __init__(self, histories: sp.csr_array) -> None:
        self.shape = histories.shape
        by_item = sp.csc_array(histories)
        self._users = torch.from_numpy(by_item.indices.astype(np.int64))
        self._starts = torch.from_numpy(by_item.indptr[:-1].astype(np.int64))
        self._support = torch.from_numpy(np.diff(by_item.indptr).astype(np.int64))

    def draw(self, users: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw `count` items, with replacement, for each group of `users` (groups, group_size).

        The time grows with the number of users of the drawn items, not with users times items.

        Returns:
            the items (groups, count), and (groups, group_size, count) bool: whether a user has an
            item.
        """
        groups, size = users.shape
        drawn = torch.randint(self.shape[1], (groups, count), generator=generator)
        theirs = torch.zeros((groups, size, count), dtype=torch.bool)
        # One entry for each user of a drawn item, whether that user is in the group or not.
        support = self._support[drawn.flatten()]
        draw = torch.repeat_interleave(support)
        first = support.cumsum(0) - support
        place = torch.arange(len(draw)) - first[draw] + self._starts[drawn.flatten()[draw]]
        owner = self._users[place]
        in_group = torch.zeros((groups, self.shape[0]), dtype=torch.bool)
        in_group[torch.arange(groups)[:, None], users] = True
        hit = torch.nonzero(in_group[draw // count, owner]).flatten()
        group, column = draw[hit] // count, draw[hit] % count
        entry, row = torch.nonzero(users[group] == owner[hit, None], as_tuple=True)
        theirs[group[entry], row, column[entry]] = True
        return drawn, theirs
