"""Files with a user a line: how many items, then the items."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from beekit.prepare.lines import RawTable

# Interactions that become one table.
_TOGETHER = 1 << 20


class UserLines(RawTable):
    """The interactions in such a file, as tables of user_id, the line's number from 0, and item_id.

    A malformed line, one with something that is no number of 64 bits or with another count than it
    says, is a user without interactions.
    """

    def __iter__(self) -> Iterator[pa.Table]:
        """Tables of the interactions in the file's order.

        Raises:
            DataError: if the file is damaged, or if too many lines are malformed.
        """
        users: list[int] = []
        items: list[np.ndarray] = []
        held = 0
        with self.raw.open() as stream:
            for user, line in enumerate(stream):
                try:
                    if b"_" in line:  # which Python takes for a separator of thousands
                        raise ValueError
                    count, *listed = map(int, line.split())
                    if count != len(listed):
                        raise ValueError
                    numbers = np.array(listed, dtype=np.int64)
                except (ValueError, OverflowError):
                    self.malformed.add(user + 1, line)
                    continue
                self.malformed.rows += 1
                users.append(user)
                items.append(numbers)
                held += count
                if held >= _TOGETHER:
                    yield _table(users, items)
                    users, items, held = [], [], 0
        if held:
            yield _table(users, items)
        self.malformed.require_few()


def _table(users: list[int], items: list[np.ndarray]) -> pa.Table:
    counts = [len(listed) for listed in items]
    return pa.table({"user_id": np.repeat(users, counts), "item_id": np.concatenate(items)})
