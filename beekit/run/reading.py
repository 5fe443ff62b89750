"""Whether an encoder reads items here as it did in its training."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from beekit.data import Dataset
from beekit.encoders.pooling import pooling_of
from beekit.results import dataset_results
from beekit.run.data_config import DataConfig
from beekit.run_files import read_yaml
from beekit.run_folder import RunFolder

logger = logging.getLogger(__name__)

# Keys of a configuration that say how items are read, and what of them counts as readable.
_POLICIES = ("missing_text", "missing_image")


def differing_reading(
    run: Path, config: DataConfig, dataset: Dataset, encoder: SentenceTransformer
) -> list[str]:
    """One line for each way in which a run's encoder reads other than it was trained to.

    Args:
        run: where it was trained.
        config: what it is used for now.
        dataset: whose items it reads.
        encoder: as it is used now.
    """
    whole = RunFolder(run).whole
    results, trained = whole.read_results(), saved_configuration(whole)
    training = results.get("training")
    if not training:
        return []
    lines = []
    for side, here in content_of(dataset).items():
        known = list(dict.fromkeys(getattr(one, side) for one in dataset_results(results)))
        if here not in known:
            was = " and ".join(one or f"no {side}" for one in known)
            lines.append(f"trained on {was}, read here as {here or f'no {side}'}")
    limit = training.get("max_seq_length")
    if dataset.catalog.text is not None and limit and encoder.supports("text"):
        now = encoder.max_seq_length
        if now != limit:
            lines.append(f"trained on up to {limit} tokens of a text, reads up to {now} here")
    settings = {"pooling": pooling_of(encoder), **{key: getattr(config, key) for key in _POLICIES}}
    if hasattr(config, "prompt"):
        settings["prompt"] = config.prompt
    for key, mine in settings.items():
        theirs = trained.get(key)
        if theirs is not None and mine is not None and theirs != mine:
            lines.append(f"trained with {key}={theirs}, read here with {key}={mine}")
    return lines


def say(label: str, lines: Sequence[str]) -> list[str]:
    """The lines with what they are about, logged; for `notes` of the results."""
    notes = [f"{label}: {line}" for line in lines]
    for note in notes:
        logger.warning("%s", note)
    return notes


def content_of(dataset: Dataset) -> dict[str, str | None]:
    """The template of the texts and the column of the pictures that an encoder reads."""
    catalog = dataset.catalog
    return {"text": catalog.text, "image": None if catalog.images is None else catalog.images.name}


def saved_configuration(folder: RunFolder) -> Mapping[str, Any]:
    """A run's configuration as it lies there, whichever version wrote it; empty without one.

    Raises:
        RunError: if the file is broken.
    """
    path = folder.config
    return read_yaml(path) if path.is_file() else {}
