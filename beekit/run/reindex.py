"""Indexing a run's catalog again: after items were added to the dataset folder, or to be faster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from beekit.folder_lock import alone_in
from beekit.run.first_checks import require_data
from beekit.run.resume import saved_config
from beekit.run_folder import RunFolder

if TYPE_CHECKING:
    from beekit.data import Dataset
    from beekit.index import IndexQuality, ItemIndex

# Users whose lists are compared with exact search: the recall's error is then about one percent.
_MEASURED = 1000


def reindex(run: str | Path, factory: str = "Flat") -> tuple[RunFolder, IndexQuality | None]:
    """Embed the run's catalog, as its dataset folder is now, with the run's model and index it.

    Items that training saw stay warm; every other item, new ones included, is cold. `factory` is
    "Flat" or a FAISS factory string, as `ItemIndex` takes it.

    Returns:
        the folder, and how the index answers up to a thousand users; None if there are no users.

    Raises:
        RunError: if there is no finished training on one dataset, or if another process has it.
        ConfigError: if FAISS cannot make such an index, or if there are too few items to train it.
    """
    folder = RunFolder(Path(run))
    with alone_in(folder.whole.path, make=False):
        folder.require_kind("training", "quickstart")
        config = saved_config(folder)
        folder.require_not_repeated()
        folder.require_one_dataset()
        folder.require_model()
        require_data(config)
        folder.require_as_trained()
        # Imported here: these take seconds, and a mistake above shows before.
        from beekit.index.factory import untrained
        from beekit.run.dataset import load_dataset
        from beekit.run.encoder import run_encoder
        from beekit.run.input_differences import input_differences, log_notes
        from beekit.run.inputs import embed_and_index, item_inputs
        from beekit.run.serve import save_index
        from beekit.split import load_training_item_ids

        dataset = load_dataset(config)
        encoder = run_encoder(folder, config)
        if folder.results.is_file():
            log_notes(str(folder.path), input_differences(folder.path, config, dataset, encoder))
        dims = encoder.get_embedding_dimension()
        if factory != "Flat" and dims:  # a mistake shows before the catalog is embedded
            untrained(factory, dims)
        dataset, inputs = item_inputs(config, dataset, encoder)
        index, text_part = embed_and_index(encoder, inputs, dataset.catalog.item_ids, factory)
        trained = load_training_item_ids(folder.split)
        save_index(folder, index, dataset.catalog, trained, text_part)
        return folder, _quality(index, dataset)


def _quality(index: ItemIndex, dataset: Dataset) -> IndexQuality | None:
    from beekit.index import measure_index

    X = dataset.interactions.matrix
    if not X.shape[0]:
        return None
    users = np.random.default_rng(0).permutation(X.shape[0])[:_MEASURED]
    return measure_index(index, X[np.sort(users)], k=10)
