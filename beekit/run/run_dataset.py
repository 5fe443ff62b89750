"""The datasets of a training: one mostly, several where an encoder learns from them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sentence_transformers import SentenceTransformer

from beekit.data import Dataset
from beekit.encoders import ItemInputs
from beekit.run.config import Config
from beekit.run.dataset import load_dataset
from beekit.run.inputs import item_inputs
from beekit.run_folder import RunFolder
from beekit.split import Split, make_split


@dataclass(frozen=True)
class RunDataset:
    """A dataset as it is trained and evaluated on, without the items that are left out.

    `config` is as it is for this dataset; its split, index and results go to `folder`, which is
    the run's own if it is the only one.
    """

    config: Config
    folder: RunFolder
    dataset: Dataset
    split: Split
    inputs: ItemInputs


def load_datasets(config: Config) -> list[tuple[Config, Dataset, Split]]:
    """Datasets and splits as far as they are known before an encoder is there."""
    loaded = []
    for own in config.datasets():
        dataset = load_dataset(own)
        loaded.append((own, dataset, make_split(dataset.interactions, own.split)))
    return loaded


def settle_datasets(
    folder: RunFolder, loaded: Sequence[tuple[Config, Dataset, Split]], encoder: SentenceTransformer
) -> list[RunDataset]:
    """The datasets of a run, split again where items turned out to have no usable picture.

    Opening pictures may take hours: mistakes in the data and the split show before.
    """
    settled = []
    for config, dataset, split in loaded:
        usable, inputs = item_inputs(config, dataset, encoder)
        if usable is not dataset:
            split = make_split(usable.interactions, config.split)
        own = folder.dataset(dataset.name) if loaded[1:] else folder
        settled.append(RunDataset(config, own, usable, split, inputs))
    return settled
