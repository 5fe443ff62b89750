"""New items for a model kept by `beekit evaluate`, without fitting it again."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np

from beekit.errors import RunError
from beekit.folder_lock import alone_in
from beekit.models import load_model
from beekit.ranking import Model
from beekit.run.comparison import load_comparison
from beekit.run.dataset import load_dataset
from beekit.run.embeddings import Embeddings, settle_items
from beekit.run.known_items import KnownItems
from beekit.run.locations import moved
from beekit.run_folder import RunFolder

# Median cosine of embeddings by one encoder, whatever the precision.
_SAME_ENCODER = 0.99


@runtime_checkable
class Extendable(Protocol):
    """A model that takes new items by their vectors."""

    def add_items(self, vectors: np.ndarray) -> Self:
        """Append items (new items, dims) after those it knows."""
        ...


def add_new_items(run: str | Path, label: str) -> int:
    """Give a kept model the items that its dataset folder has now and it does not know yet.

    The new items are embedded with the model's encoder and stand after the others, cold. How many
    were added is returned.

    Raises:
        RunError: if there is no finished comparison with such a model, or if the model knows items
            by their interactions alone.
    """
    folder = RunFolder(Path(run))
    with alone_in(folder.path, make=False):
        folder.require_not_repeated()
        folder.require_kind("comparison")
        folder.read_results()
        place = folder.kept_model(label)
        config = moved(load_comparison(str(folder.config)), folder.path)
        entry = next((entry for entry in config.entries() if entry.label == label), None)
        if entry is None:
            found = f"{label}, a model that {folder.config} does not name"
            raise RunError(found, expected="one of its models", remedy="Evaluate again with it.")
        # The configuration, which names the same code, was read above.
        model: Model = load_model(place, trust_foreign_code=True)
        if not isinstance(model, Extendable):
            found = f"{label}, a model of kind {entry.kind.__name__}"
            expected = "one that knows items by their content, and has `add_items`"
            raise RunError(found, expected=expected, remedy="Evaluate again over the new catalog.")
        known = KnownItems.load(place)
        dataset, inputs = settle_items(config, load_dataset(config), [entry])
        catalog = dataset.catalog
        new = known.new_in(catalog)
        if len(new):
            embedded = Embeddings(config, dataset, inputs).of(entry)
            _require_same_encoder(label, model, known.places_in(catalog), embedded, entry.encoder)
            model.add_items(embedded[new])
            known.with_cold(catalog, new).save_with(model, place)
        return len(new)


def _require_same_encoder(
    label: str, model: Model, places: np.ndarray, embedded: np.ndarray, encoder: str | None
) -> None:
    """Refuse an encoder that is no longer the one the model's items were embedded with.

    Texts may have been edited since, so that most of the known items decide. `places` (known
    items,) has their indices in the catalog, -1 if they are gone; `embedded` is (items, dims).
    """
    kept = getattr(model, "vectors", None)
    there = np.flatnonzero(places >= 0)
    if kept is None or len(kept) != len(places) or not len(there):
        return
    before, now = kept[there], embedded[places[there]]
    if before.shape != now.shape:
        return  # `add_items` says so
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(now, axis=1)
    alike = float(np.median((before * now).sum(axis=1) / np.maximum(lengths, 1e-12)))
    if alike < _SAME_ENCODER:
        raise RunError(
            f"{encoder} embeds the items that {label} knows otherwise than when it was fitted "
            f"(median cosine {alike:.3f})",
            expected="the same encoder",
            remedy="Put that encoder back, or evaluate again.",
        )
