"""Which users a training step takes, from one dataset or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from sentence_transformers.base.sampler import DefaultBatchSampler

from beekit.training.keys import MIXED, PROPORTIONAL, ROUND_ROBIN


class UserBatchSampler(DefaultBatchSampler):  # type: ignore[misc]
    """Batches of positions among the users, in an order of that epoch's.

    The users of several datasets stand one dataset after the other. The rule says how batches take
    from them:

        mixed         any user in any batch, each exactly once an epoch
        proportional  a batch holds users of one dataset; each user exactly once an epoch, so that
                      datasets get steps in proportion to their users
        round_robin   as proportional, but the datasets take turns, until the first of them has no
                      batch left

    The order is a function of seed and epoch alone, so a run resumed in any epoch continues with
    the batches it would have had.

    Args:
        users: number of users of each dataset.
        batch_size: users in a batch, fewer in the last of a dataset.
        drop_last: leave out batches with fewer.
        seed: of the order.
        rule: one of `RULES`; with one dataset all but mean the same.
    """

    def __init__(
        self, users: Sequence[int], batch_size: int, drop_last: bool, seed: int, rule: str = MIXED
    ) -> None:
        super().__init__(range(sum(users)), batch_size=batch_size, drop_last=drop_last, seed=seed)
        self.users, self.seed, self.rule = list(users), seed, rule

    def __len__(self) -> int:
        if self.rule == MIXED:
            return self._batches(sum(self.users))
        each = [self._batches(users) for users in self.users]
        return sum(each) if self.rule == PROPORTIONAL else min(each) * len(each)

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng([self.seed, self.epoch])
        if self.rule == MIXED:
            yield from self._cut(generator.permutation(sum(self.users)))
            return
        starts = np.cumsum([0, *self.users[:-1]])
        batches = [
            list(self._cut(start + generator.permutation(users)))
            for start, users in zip(starts, self.users, strict=True)
        ]
        if self.rule == ROUND_ROBIN:
            yield from chain.from_iterable(zip(*batches, strict=False))
            return
        every = list(chain.from_iterable(batches))
        for place in generator.permutation(len(every)):
            yield every[place]

    def _batches(self, users: int) -> int:
        size = int(self.batch_size)
        return users // size if self.drop_last else -(-users // size)

    def _cut(self, order: np.ndarray) -> Iterator[list[int]]:
        for begin in range(0, self._batches(len(order)) * self.batch_size, self.batch_size):
            yield order[begin : begin + self.batch_size].tolist()
