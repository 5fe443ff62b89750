"""Which datasets an encoder was trained on: those of its run, and of the runs that it started from.

A run notes beside its split what the runs it started from had learnt, so that this is known of it
wherever it is moved, and whatever happens to those runs. Of a run made before that was noted, the
paths in its configuration are followed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beekit.errors import BeekitError, RunError
from beekit.files import write_json
from beekit.hub.manifest import MANIFEST
from beekit.results import DatasetResults, dataset_results, is_joint, joint_hash
from beekit.run.dataset import load_dataset
from beekit.run.resume import saved_config
from beekit.run_files import broken, read_json
from beekit.run_folder import ENCODERS, REPEATS, RunFolder, run_of
from beekit.split import make_split
from beekit.split.training_record import (
    TrainingRecord,
    load_training_record,
    record_training,
    save_training_record,
)

logger = logging.getLogger(__name__)

# In the folder of a run's split: what it started from, and a folder of items and pairs for each.
BEFORE = "before.json"
_EACH = "before"
_TOLD = ("run", "name", "fingerprint", "split", "together")


@dataclass(frozen=True)
class Source:
    """A dataset that an encoder learnt from.

    Attributes:
        run: who trained it: a path, or a name where no more is known.
        name, fingerprint: of the dataset.
        split_hash: of the split it was trained with.
        learnt: what is noted of the training; None where nothing is.
        together: the same for datasets that were trained on at once, and for no others; empty of
            one trained on alone.
    """

    run: str
    name: str
    fingerprint: str
    split_hash: str
    learnt: TrainingRecord | None
    together: str = ""


def shown(run: str | Path) -> str:
    """What a run is called in results, which are pushed: its folder, without the path to it."""
    place = Path(run).resolve()
    if place.parent.name == REPEATS:
        return f"{place.parent.parent.name}/{REPEATS}/{place.name}"
    return place.name


def sources(run: Path) -> list[Source]:
    """What a run's encoder learnt from: its datasets, and those of the runs it started from.

    Raises:
        RunError: if one of these runs is not a finished training, or if a file that says what it
            learnt from is missing or broken.
    """
    found: list[Source] = []
    waiting, seen = [run], set()
    while waiting:
        folder = RunFolder(waiting.pop())
        folder.require_kind("training", "quickstart")
        folder = folder.whole
        _require(folder.results)
        if folder.path.resolve() in seen:
            continue
        seen.add(folder.path.resolve())
        results, config = folder.read_results(), folder.raw_config()
        found += _own(folder, results, config)
        before = load_before(folder.dataset_folders()[0].split)
        if before is None:
            _require(folder.config)
            waiting += _started_from(folder, results, config)
        found += before or []
    return distinct(found)


def _require(path: Path) -> None:
    """Refuse a run without a file that says what its encoder learnt from."""
    if not path.is_file():
        raise RunError(
            f"no {path.name} in {path.parent}, so that nobody knows what the encoder learnt from",
            expected="all files of a finished run beside its model",
            remedy="Restore the file or train again; move a model that no run made elsewhere.",
        )


def distinct(found: Iterable[Source]) -> list[Source]:
    """Each source once."""
    kept = {(s.run, s.name, s.fingerprint, s.split_hash): s for s in reversed(list(found))}
    return list(reversed(kept.values()))


def save_before(folder: Path, before: Iterable[Source]) -> None:
    """Note in the folder of a run's split what its encoder had learnt from when it started."""
    described = []
    for number, source in enumerate(distinct(before), start=1):
        if source.learnt is not None:
            place = folder / _EACH / str(number)
            place.mkdir(parents=True)
            save_training_record(place, source.learnt)
        told = [shown(source.run), source.name, source.fingerprint, source.split_hash]
        own = dict(zip(_TOLD, [*told, source.together], strict=True))
        described.append({**own, "noted": source.learnt is not None})
    write_json(folder / BEFORE, {"schema": 1, "sources": described})


def load_before(folder: Path) -> list[Source] | None:
    """What `save_before` noted; None of a run that was made before it did."""
    path = folder / BEFORE
    if not path.is_file():
        return None
    described = read_json(path, ("sources",))["sources"]
    if not isinstance(described, list) or not all(
        isinstance(one, dict)
        and all(isinstance(one.get(key), str) for key in _TOLD)
        and isinstance(one.get("noted", True), bool)
        for one in described
    ):
        raise broken(path, "nothing of use under sources", "JSON as beekit writes it")
    found = []
    for number, one in enumerate(described, start=1):
        # Where it is not said whether anything was noted, something was: of every run is.
        noted = one.get("noted", True)
        learnt = load_training_record(folder / _EACH / str(number)) if noted else None
        run, name, fingerprint, split_hash, together = (one[key] for key in _TOLD)
        found.append(Source(run, name, fingerprint, split_hash, learnt, together))
    return found


def _own(folder: RunFolder, results: Mapping[str, Any], config: Mapping[str, Any]) -> list[Source]:
    datasets, together = dataset_results(results), ""
    if is_joint(results):
        made_of = [one.dataset[key] for one in datasets for key in ("fingerprint", "name")]
        together = joint_hash([*made_of, results["split"]["hash"]])
    found = []
    for number, (one, own) in enumerate(zip(datasets, folder.dataset_folders(), strict=True)):
        learnt = load_training_record(own.split)
        if learnt.contents is None or learnt.pairs is None or learnt.numbers:
            learnt = _learnt_again(folder, config, number, one) or learnt
        described = (one.name, one.dataset["fingerprint"], one.split["hash"])
        found.append(Source(str(folder.path), *described, learnt, together))
    return found


def _learnt_again(
    folder: RunFolder, config: Mapping[str, Any], number: int, stated: DatasetResults
) -> TrainingRecord | None:
    """What a run that notes too little learnt from, where its dataset still is what it was."""
    try:
        own = saved_config(folder).datasets()[number]
        place = _started_in(folder, config) / str(own.data)
        dataset = load_dataset(own.replace(data=str(place if place.is_dir() else own.data)))
        if dataset.fingerprint != stated.dataset["fingerprint"]:
            return None
        split = make_split(dataset.interactions, own.split)
    except (BeekitError, IndexError):
        return None
    same = split.hash == stated.split["hash"]
    return record_training(split, dataset.catalog) if same else None


def _started_from(
    folder: RunFolder, results: Mapping[str, Any], config: Mapping[str, Any]
) -> list[Path]:
    """The runs that the encoders of a configuration lead into."""
    named = [str(config[key]) for key in ("encoder", "image_encoder") if config.get(key)]
    if (folder.path / MANIFEST).is_file():  # pulled: a path was shortened to the name of a folder
        for name in named:
            if name in ENCODERS or name.startswith("checkpoint-"):
                said = "%s: trained on from %s of another run, of which nothing is known here"
                logger.warning(said, folder.path, name)
        return []
    start = _started_in(folder, config)
    return [run for name in named if (run := run_of(str(start / name)) or run_of(name))]


def _started_in(folder: RunFolder, config: Mapping[str, Any]) -> Path:
    """Where a run was started, to which its relative paths belong.

    `out` as it was given leads from there to the run. Without such an `out`, it is where we are.
    """
    out, place = Path(str(config.get("out") or ".")), folder.path.resolve()
    if out.is_absolute() or not out.parts or place.parts[-len(out.parts) :] != out.parts:
        return Path()
    return Path(*place.parts[: -len(out.parts)])
