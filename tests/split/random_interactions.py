"""Random small interactions, and reading a matrix back as pairs of ids."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from beekit.data import Interactions

Pairs = set[tuple[object, object]]


@st.composite
def random_interactions(draw) -> Interactions:
    """Users with about half of the items each, distinct timestamps, some items nobody used.

    The catalog is in no order; ids are integers or strings.
    """
    users, items = draw(st.integers(5, 12)), draw(st.integers(6, 14))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    used = generator.random((users, items)) < 0.5
    used[np.arange(users), generator.integers(items, size=users)] = True
    used[generator.integers(users, size=items), np.arange(items)] = True
    rows, columns = np.nonzero(used)
    unused = draw(st.integers(0, 3))
    names = generator.permutation(100)[: items + unused]
    stamps = generator.permutation(len(rows)).astype(np.float64)
    as_id = draw(st.sampled_from([int, str]))
    catalog = [as_id(name) for name in names]
    order = generator.permutation(len(rows))
    return Interactions.from_arrays(
        [as_id(row) for row in rows[order]],
        [catalog[column] for column in columns[order]],
        timestamps=stamps[order],
        catalog_ids=[catalog[i] for i in generator.permutation(len(catalog))],
    )


def pairs(matrix: sp.csr_array, interactions: Interactions) -> Pairs:
    """{(user_id, item_id)} of a matrix with one entry a pair, read entry by entry."""
    found = set()
    for row in range(matrix.shape[0]):
        for entry in range(matrix.indptr[row], matrix.indptr[row + 1]):
            assert matrix.data[entry] == 1
            found.add((interactions.user_ids[row], interactions.item_ids[matrix.indices[entry]]))
    assert len(found) == matrix.nnz
    return found


def renumbered(interactions: Interactions, seed: int) -> Interactions:
    """The same interactions from files with their rows in another order, the catalog's too."""
    generator = np.random.default_rng(seed)
    coo = interactions.matrix.tocoo()
    order = generator.permutation(coo.nnz)
    return Interactions.from_arrays(
        interactions.user_ids[coo.row[order]],
        interactions.item_ids[coo.col[order]],
        timestamps=None if interactions.timestamps is None else interactions.timestamps[order],
        catalog_ids=generator.permutation(interactions.item_ids),
    )


def tiny() -> Interactions:
    """Eight users and ten items that never change: every third pair or so, and item 99 unused.

    User u used item i in 0..9 where (3u + 5i + ui) mod 4 < 2, at time 7(10u + i) mod 83.
    """
    table = [(u, i) for u in range(8) for i in range(10) if (3 * u + 5 * i + u * i) % 4 < 2]
    users, items = np.array(table).T
    return Interactions.from_arrays(
        users,
        items,
        timestamps=(7.0 * (10 * users + items)) % 83,
        catalog_ids=[99, *range(9, -1, -1)],
    )
