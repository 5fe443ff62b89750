"""What a run that serves says of its items: id, name, and whether training knew them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beekit.data import Catalog, ids
from beekit.errors import RunError
from beekit.files import replacing_folder
from beekit.index_files import ITEMS
from beekit.models.registry import save_model
from beekit.ranking import Model
from beekit.run_files import read_parquet


@dataclass(frozen=True)
class KnownItems:
    """Items in the order of an index or model: ids, names, and whether each is cold.

    Cold items have no interaction in training.
    """

    item_ids: np.ndarray
    labels: list[str]
    cold: np.ndarray

    def __len__(self) -> int:
        return len(self.item_ids)

    @classmethod
    def of(cls, catalog: Catalog, trained: np.ndarray) -> KnownItems:
        """A catalog's items; cold are all but those with the ids `trained`."""
        # One new text id among integers makes all ids text.
        item_ids, trained_ids = ids.same_kind(ids.as_ids(catalog.item_ids), ids.as_ids(trained))
        cold = ids.positions(item_ids, trained_ids) < 0
        return cls(ids.to_numpy(item_ids), catalog.labels(np.arange(len(catalog))), cold)

    def with_cold(self, catalog: Catalog, new: np.ndarray) -> KnownItems:
        """These items, followed by items `new` (indices) of a catalog that training never saw."""
        added, known = ids.same_kind(ids.as_ids(catalog.item_ids[new]), ids.as_ids(self.item_ids))
        return KnownItems(
            ids.to_numpy(pa.concat_arrays([known, added])),
            [*self.labels, *catalog.labels(new)],
            np.concatenate([self.cold, np.ones(len(new), dtype=bool)]),
        )

    def new_in(self, catalog: Catalog) -> np.ndarray:
        """Item indices of a catalog whose ids are not among these."""
        given, known = ids.same_kind(ids.as_ids(catalog.item_ids), ids.as_ids(self.item_ids))
        return np.flatnonzero(ids.positions(given, known) < 0)

    def places_in(self, catalog: Catalog) -> np.ndarray:
        """(items,) where a catalog has these items, -1 where it does not."""
        given, known = ids.same_kind(ids.as_ids(catalog.item_ids), ids.as_ids(self.item_ids))
        return ids.positions(known, given)

    def save_with(self, model: Model, folder: Path) -> None:
        """Write a model and these items as one folder, whole or not at all."""
        with replacing_folder(folder) as staging:
            save_model(model, staging / "model")
            for path in (staging / "model").iterdir():
                path.rename(staging / path.name)
            (staging / "model").rmdir()
            self.save(staging)

    def save(self, folder: Path) -> None:
        """Write the items into a folder that is there."""
        labels = pa.array(self.labels, pa.string())
        columns = {"item_id": ids.as_ids(self.item_ids), "label": labels, "cold": self.cold}
        pq.write_table(pa.table(columns), folder / ITEMS)

    @classmethod
    def load(cls, folder: Path) -> KnownItems:
        """The items written in a folder; a RunError if there are none."""
        if not (folder / ITEMS).is_file():
            raise RunError(
                f"no {ITEMS} in {folder}",
                expected="an index made by `beekit index`, or a model kept by `beekit evaluate`",
                remedy="Make it again with `beekit index RUN`.",
            )
        items = read_parquet(folder / ITEMS, ("item_id", "label", "cold"))
        item_ids = ids.to_numpy(ids.as_ids(items["item_id"]))
        return cls(item_ids, items["label"].to_pylist(), np.asarray(items["cold"]))
