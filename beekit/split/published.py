"""A split that was published with a paper, for comparing numbers with the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from beekit.errors import SplitError
from beekit.lazy_names import LazyModule
from beekit.split.config import SplitConfig
from beekit.split.entries import entries
from beekit.split.split import HeldOut, Split

if TYPE_CHECKING:
    from beekit.data import Dataset, Interactions, ids
else:
    ids = LazyModule("beekit.data.ids")


class PublishedSplit(SplitConfig):
    """Hold out the test interactions in files that were published with a paper; the seed has no
    effect."""

    kind: Literal["published"] = "published"
    train: str = Field(
        "train.parquet", description="File of the training interactions in the dataset folder."
    )
    test: str = Field(description="File of the test interactions in the dataset folder.")

    meaning = (
        "Training and test interactions come from files that were published with a paper, so that "
        "numbers can be compared with the paper's; all items are candidates."
    )
    drawn = ""
    rates = False
    trainable = False
    own_files = True
    repeatable = False
    without_effect = ("fraction", "validation")

    @property
    def files(self) -> tuple[str, ...]:
        """Those of the two parts, in the dataset folder."""
        return self.train, self.test

    def load(self, folder: Path, duplicates: str) -> tuple[Dataset, Split]:
        """The dataset from the two files of interactions, without a catalog, and its split.

        Raises:
            DataError: if a file cannot be read, if a value is a boolean or not above 0, or if a
                pair of user and item occurs twice in the files and `duplicates` is not "merge".
            SplitError: if no user has both a training and a test interaction.
        """
        import pyarrow as pa

        from beekit.data import Catalog, Dataset, Interactions
        from beekit.data.columns import id_column, value_column
        from beekit.data.rules import strong_enough
        from beekit.data.tables import read_file

        names = (self.train, self.test)
        tables = [read_file(folder / name, id_columns=("user_id", "item_id")) for name in names]
        users, items = (
            [id_column(table, column, name) for table, name in zip(tables, names, strict=True)]
            for column in ("user_id", "item_id")
        )
        for table, name in zip(tables, names, strict=True):
            if "value" in table.column_names:
                remedy = f"Remove those rows of {name}, or its column value."
                strong_enough(value_column(table, name), None, remedy)
        test = Interactions.from_arrays(users[1], items[1], duplicates=duplicates)
        interactions = Interactions.from_arrays(
            pa.concat_arrays(users), pa.concat_arrays(items), duplicates=duplicates
        )
        catalog = Catalog(interactions.item_ids, pa.table({}))
        dataset = Dataset(folder.resolve().name, interactions, catalog)
        return dataset, published_split(interactions, test)


def published_split(interactions: Interactions, test: Interactions) -> Split:
    """The split that holds out the interactions `test`, which are some of `interactions`.

    All items are candidates.

    Raises:
        SplitError: if a test interaction is not in `interactions`, or if no user has both a
            training and a test interaction.
    """
    rows = ids.positions(ids.as_ids(test.user_ids), interactions.user_ids)
    columns = ids.positions(ids.as_ids(test.item_ids), interactions.item_ids)
    X, n_items = interactions.matrix, interactions.n_items
    owners = np.repeat(rows, np.diff(test.matrix.indptr))
    hidden = owners * n_items + columns[test.matrix.indices]
    users = np.repeat(np.arange(interactions.n_users, dtype=np.int64), np.diff(X.indptr))
    is_test = np.isin(users * n_items + X.indices, hidden)
    if rows.min(initial=0) < 0 or columns.min(initial=0) < 0 or is_test.sum() != len(hidden):
        found = "test interactions that are not among the interactions"
        expected = "all interactions, training and test, and the test interactions among them"
        raise SplitError(found, expected=expected, remedy="Build the interactions from both files.")
    train = entries(X, ~is_test)
    test_part = HeldOut(train, entries(X, is_test), np.arange(n_items))
    return Split("published", {}, interactions, train, test=test_part)
