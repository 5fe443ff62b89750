"""What an interrupted comparison had done, so that the same command goes on with the next model."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from beekit.data import Dataset
from beekit.evaluation import Evaluation, RatingEvaluation
from beekit.evaluation.item_intervals import Lists
from beekit.evaluation.rating_metrics import RatingErrors
from beekit.files import replacing_folder, write_json
from beekit.model_files import model_digests
from beekit.run.comparison import Comparison, Entry
from beekit.run.cost import Cost
from beekit.run.encoder_files import digests_of
from beekit.run.environment import versions
from beekit.run.readable import reads_of
from beekit.run_files import read_json
from beekit.run_folder import RunFolder
from beekit.split import Split

logger = logging.getLogger(__name__)

# In the folder of a comparison while it is unfinished: a folder for each model.
KEPT = ".evaluated"
_ABOUT, _ARRAYS = "about.json", "arrays.npz"
# Keys of a configuration that change no number of a model.
_NEUTRAL = ("out", "cache", "note", "chosen_on", "repeats", "models", "encoder")
# The arrays of `RatingErrors`.
_OF_RATINGS = ("users", "items", "errors")
_KEYS = ("made_of", "cost", "notes", "parts", "files", "model")


@dataclass(frozen=True)
class Done:
    """A model's evaluations by part of the split, what it cost, and what is noted of it."""

    evaluations: Mapping[str, Evaluation | RatingEvaluation]
    cost: Cost
    notes: list[str]


class KeptEvaluations:
    """The models that a comparison has evaluated so far.

    They are kept for the same dataset, split, settings, files of the encoder, and versions of the
    libraries. Of models and metrics from outside none is kept: their code may have changed.
    """

    def __init__(
        self, folder: RunFolder, config: Comparison, dataset: Dataset, split: Split
    ) -> None:
        self._folder, self._split = folder, split
        self._foreign = any(":" in metric for metric in config.evaluation.metrics)
        content = {k: v for k, v in config.content().items() if k not in _NEUTRAL}
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._common = [content, dataset.fingerprint, split.hash, versions(device)]
        self._encoders: dict[str, dict[str, str]] = {}

    def load(self, entry: Entry) -> Done | None:
        """What was kept of a model, whole and for this comparison; None if nothing was."""
        place = self._place(entry)
        if not place.is_dir() or not self._keeps(entry):
            return None
        try:
            about = read_json(place / _ABOUT, _KEYS)
            if about["made_of"] != self._made_of(entry):
                return None
            files = {name: d for name, d in model_digests(place).items() if name != _ABOUT}
            model = self._folder.model_folder(entry.label)
            if files != about["files"] or model_digests(model) != about["model"]:
                raise ValueError("its files are not as they were written")
            with np.load(place / _ARRAYS, allow_pickle=False) as arrays:
                evaluations = {
                    part: self._evaluation(entry, part, told, arrays)
                    for part, told in about["parts"].items()
                }
            return Done(evaluations, Cost(**about["cost"]), list(about["notes"]))
        except Exception as error:  # whatever damage makes of it: it can be had again
            logger.warning("%s is fitted again: what was kept of it is damaged", entry.label)
            logger.debug("%s", place, exc_info=error)
            return None

    def save(self, entry: Entry, done: Done) -> None:
        """Keep a model's evaluations, whole or not at all."""
        if not self._keeps(entry):
            return
        arrays: dict[str, np.ndarray] = {}
        parts: dict[str, Any] = {}
        for part, one in done.evaluations.items():
            arrays[f"{part}.users"] = one.users
            for number, values in enumerate(one.per_user.values()):
                arrays[f"{part}.{number}"] = values
            told = {"scenario": one.scenario, "metrics": one.metrics, "seconds": one.seconds}
            parts[part] = {**told, "per_user": list(one.per_user)}
            if isinstance(one, RatingEvaluation):
                for name in _OF_RATINGS:
                    arrays[f"{part}.errors.{name}"] = getattr(one.errors, name)
                continue
            arrays[f"{part}.ranked"] = one.lists.ranked
            parts[part]["top_k"] = one.ranked.shape[1]
        with replacing_folder(self._place(entry)) as staging:
            np.savez(staging / _ARRAYS, allow_pickle=False, **arrays)
            about = {
                "made_of": self._made_of(entry),
                "cost": dataclasses.asdict(done.cost),
                "notes": done.notes,
                "parts": parts,
                "files": model_digests(staging),
                "model": model_digests(self._folder.model_folder(entry.label)),
            }
            write_json(staging / _ABOUT, about)

    def fit_folder(self, entry: Entry) -> Path | None:
        """Where a fit of the model keeps what it needs to go on; None for one from outside."""
        if not self._keeps(entry):
            return None
        return self._folder.path / KEPT / f"{self._place(entry).name}.fit"

    def remove(self) -> None:
        """Remove all of it, once the comparison is complete."""
        shutil.rmtree(self._folder.path / KEPT, ignore_errors=True)

    def _place(self, entry: Entry) -> Path:
        return self._folder.path / KEPT / self._folder.model_folder(entry.label).name

    def _keeps(self, entry: Entry) -> bool:
        return not self._foreign and entry.kind.__module__.startswith("beekit.")

    def _made_of(self, entry: Entry) -> str:
        if entry.encoder is not None and entry.encoder not in self._encoders:
            self._encoders[entry.encoder] = digests_of(entry.encoder, self._folder.path)
        encoder = self._encoders.get(str(entry.encoder))
        own = [entry.label, entry.kind.__qualname__, dict(entry.settings), encoder, entry.run]
        if (reads := reads_of(entry.kind)) != "items":
            own.append(self._split.interactions.fingerprint(reads))
        given = json.dumps([*self._common, *own, entry.encoder], sort_keys=True, default=str)
        return sha256(given.encode()).hexdigest()

    def _evaluation(
        self, entry: Entry, part: str, told: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> Evaluation | RatingEvaluation:
        users, held_out = arrays[f"{part}.users"], self._split.parts[part]
        named = enumerate(told["per_user"])
        common: dict[str, Any] = {
            "model": entry.label,
            "users": users,
            "per_user": {name: arrays[f"{part}.{number}"] for number, name in named},
            **{name: told[name] for name in ("scenario", "metrics", "seconds")},
        }
        if "top_k" not in told:
            errors = RatingErrors(*(arrays[f"{part}.errors.{name}"] for name in _OF_RATINGS))
            return RatingEvaluation(**common, errors=errors)
        ranked = arrays[f"{part}.ranked"]
        lists = Lists(ranked, held_out.target[users], held_out.candidates)
        return Evaluation(**common, ranked=ranked[:, : told["top_k"]], lists=lists)
