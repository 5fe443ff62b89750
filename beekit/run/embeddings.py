"""Embeddings of a comparison's catalog: which items there are is settled first, then each encoder
embeds them once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

from beekit.data import Dataset
from beekit.encoders import ItemInputs, embed_items
from beekit.run.comparison import Comparison, Entry
from beekit.run.encoder import encoder_to_compare
from beekit.run.input_differences import input_differences, log_notes
from beekit.run.inputs import item_inputs
from beekit.run_folder import run_of


def settle_items(
    config: Comparison, dataset: Dataset, entries: Sequence[Entry]
) -> tuple[Dataset, dict[str, ItemInputs]]:
    """The dataset without the items whose pictures cannot be used, so the one to split.

    The same pictures are usable for all encoders: the first that reads any tells, and what it reads
    is returned too, by its key.
    """
    if dataset.catalog.images is not None:
        for entry in entries:
            encoder = None if entry.encoder is None else encoder_to_compare(config, entry, dataset)
            if encoder is not None and encoder.supports("image"):
                usable, inputs = item_inputs(config, dataset, encoder)
                return usable, {encoder_key(config, entry): inputs}
    return dataset, {}


def run_behind(entry: Entry) -> Path | None:
    """The run an entry's encoder comes from, however it is named."""
    return Path(entry.run) if entry.run else run_of(entry.encoder)


def encoder_key(config: Comparison, entry: Entry) -> str:
    """An encoder and how it reads texts, which one embedding may share with another."""
    if entry.run is not None:  # it knows how long its texts are, and what stands before them
        return f"{entry.encoder}, as its run"
    limit, prompt = config.max_seq_length, config.prompt
    cut = "" if limit is None else f", {limit} tokens"
    return f"{entry.encoder}{cut}" + ("" if prompt is None else f", prompt {prompt!r}")


@dataclass
class Embeddings:
    """Embeddings of a comparison's catalog, computed once an encoder.

    Attributes:
        inputs: what encoders read of the items, as far as that is there, by their keys.
        known: what has been computed, by fingerprint of the dataset and encoder.
        notes: how encoders of runs read other than they were trained to.
    """

    config: Comparison
    dataset: Dataset
    inputs: dict[str, ItemInputs]
    known: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _differing: dict[str, list[str]] = field(default_factory=dict)

    def encoder(self, entry: Entry) -> SentenceTransformer | None:
        """The encoder, where `of` needs it."""
        if entry.encoder is None or self._key(entry) in self.known:
            return None
        return encoder_to_compare(self.config, entry, self.dataset)

    def _key(self, entry: Entry) -> tuple[str, str]:
        return self.dataset.fingerprint, encoder_key(self.config, entry)

    def of(self, entry: Entry, encoder: SentenceTransformer | None = None) -> np.ndarray:
        """(items, dims) in the order of the dataset; `encoder` is the entry's, if it is loaded."""
        key = self._key(entry)
        encoder = encoder or self.encoder(entry)
        if encoder is not None:
            inputs = self.inputs.pop(key[1], None)
            if inputs is None:
                _, inputs = item_inputs(self.config, self.dataset, encoder)
            item_ids = self.dataset.catalog.item_ids
            self.known[key] = embed_items(encoder, inputs, item_ids=item_ids, progress=True)
        self._note_reading(entry, encoder)
        return self.known[key]

    def _note_reading(self, entry: Entry, encoder: SentenceTransformer | None) -> None:
        """Note how a run's encoder reads other than it was trained to."""
        run, name = run_behind(entry), encoder_key(self.config, entry)
        if run is None:
            return
        if name not in self._differing:
            used = encoder or encoder_to_compare(self.config, entry, self.dataset)
            self._differing[name] = input_differences(run, self.config, self.dataset, used)
        self.notes += log_notes(entry.label, self._differing[name])
