"""Reading files with one user a line: the number of items, then the items."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import IO

import numpy as np
import pyarrow as pa

from beekit.prepare.lines import RawTable

# How many lines become one table.
_TOGETHER = 1 << 13


class UserLines(RawTable):
    """The interactions in such a file, as tables of user_id (the line number, from 0) and item_id.

    A line is malformed if it holds something other than 64-bit integers, or another number of items
    than it states. It counts as a user without interactions.
    """

    def _tables(self, stream: IO[bytes]) -> Iterator[pa.Table]:
        numbered = enumerate(stream)
        while together := list(islice(numbered, _TOGETHER)):
            users = [np.empty(0, dtype=np.int64)]
            items = [np.empty(0, dtype=np.int64)]
            for user, line in together:
                try:
                    if b"_" in line:  # Python would accept it between digits
                        raise ValueError
                    count, *listed = map(int, line.split())
                    if count != len(listed):
                        raise ValueError
                    items.append(np.array(listed, dtype=np.int64))
                except (ValueError, OverflowError):
                    self.malformed.add(user + 1, line)
                else:
                    self.malformed.rows += 1
                    users.append(np.full(count, user))
            yield pa.table({"user_id": np.concatenate(users), "item_id": np.concatenate(items)})
