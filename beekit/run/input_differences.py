"""Whether an encoder reads items here as it did in its training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from sentence_transformers import SentenceTransformer

from beekit.data import Dataset
from beekit.encoders.load import token_limit
from beekit.encoders.pooling import pooling_of
from beekit.encoders.prompts import item_prompt
from beekit.results import dataset_results
from beekit.run.data_config import DataConfig
from beekit.run_folder import RunFolder

logger = logging.getLogger(__name__)

# Keys of a configuration that say how items are read, and what of them counts as readable.
_POLICIES = ("missing_text", "missing_image")


def input_differences(
    run: Path, config: DataConfig, dataset: Dataset, encoder: SentenceTransformer
) -> list[str]:
    """One line for each way in which the encoder of a run reads other than it was trained to."""
    whole = RunFolder(run).whole
    results, trained = whole.read_results(), whole.raw_config()
    training = results.get("training")
    if not training:
        return []
    lines = []
    for what, here in content_of(dataset).items():
        known = list(dict.fromkeys(getattr(one, what) for one in dataset_results(results)))
        if here not in known:
            was = " and ".join(one or f"no {what}" for one in known)
            lines.append(f"trained on {was}, read here as {here or f'no {what}'}")
    limit = training.get("max_seq_length")
    if dataset.catalog.text is not None and limit and encoder.supports("text"):
        now = token_limit(encoder)
        if now != limit:
            lines.append(f"trained on up to {limit} tokens of a text, reads up to {now} here")
    settings = {
        "pooling": pooling_of(encoder),
        "prompt": item_prompt(encoder),
        **{key: getattr(config, key) for key in _POLICIES},
    }
    before = {"pooling": training.get("pooling"), **{k: v for k, v in trained.items() if v}}
    # Versions that noted no prompt read none.
    before["prompt"] = training.get("prompt") or ""
    for key, mine in settings.items():
        theirs = before.get(key)
        if theirs is not None and mine is not None and theirs != mine:
            lines.append(f"trained with {key}={theirs}, read here with {key}={mine}")
    return lines


def log_notes(label: str, lines: Sequence[str]) -> list[str]:
    """The lines with what they are about, logged; for `notes` of the results."""
    notes = [f"{label}: {line}" for line in lines]
    for note in notes:
        logger.warning("%s", note)
    return notes


def content_of(dataset: Dataset) -> dict[str, str | None]:
    """The template of the texts and the column of the pictures that an encoder reads."""
    catalog = dataset.catalog
    return {"text": catalog.text, "image": None if catalog.images is None else catalog.images.name}
