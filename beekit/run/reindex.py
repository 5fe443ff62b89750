"""Indexing a run's catalog again, for example after items were added to the dataset folder."""

from __future__ import annotations

from pathlib import Path

from beekit.encoders import ItemTokens, embed_items, load_encoder
from beekit.errors import RunError
from beekit.index import ItemIndex
from beekit.run.dataset import load_dataset
from beekit.run.folder import RunFolder
from beekit.run.serve import save_index
from beekit.split import load_training_item_ids


def reindex(run: str | Path) -> RunFolder:
    """Embed the run's catalog, as its dataset folder is now, with the run's model and index it.

    Items that training saw stay warm; every other item, new ones included, is cold.

    Raises:
        RunError: no run there, or one without a model.
    """
    folder = RunFolder(Path(run))
    config = folder.load_config()
    if not folder.model.is_dir():
        raise RunError(
            f"no model in {folder.path}",
            expected="a finished training",
            remedy="Finish the run with `beekit train`.",
        )
    dataset = load_dataset(config)
    encoder = load_encoder(folder.model, trust_remote_code=config.trust_remote_code)
    tokens = ItemTokens(encoder, dataset.catalog.texts)
    index = ItemIndex(embed_items(encoder, tokens, progress=True), dataset.catalog.item_ids)
    save_index(folder, index, dataset.catalog, load_training_item_ids(folder.split))
    return folder
