"""Repeats of a training or a comparison: one configuration, other draws, one result over all.

Repeat i, from 0, has `split.seed` + i and training seeds + i, and a folder of its own with all
that a job without repeats leaves. So an interrupted job goes on where it stopped, and a larger
number of repeats runs the new ones alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from beekit.errors import RunError
from beekit.folder_lock import alone_in
from beekit.hub import write_card
from beekit.report import write_report, write_tables
from beekit.results import is_repeated
from beekit.run.comparison import Comparison, Entry, load_comparison
from beekit.run.config import Config
from beekit.run.evaluate import run_comparison
from beekit.run.locations import absolute, moved
from beekit.run.repeat_results import join_results, require_alike
from beekit.run.resume import differences, saved_config, write_config
from beekit.run.train import train
from beekit.run_files import read_yaml
from beekit.run_folder import OR_REMOVE, RunFolder, taken
from beekit.training import BeeFormerTrainingArguments

logger = logging.getLogger(__name__)

_Job = TypeVar("_Job", Config, Comparison)
# Seeds of the training section, and what they are where it says nothing.
_TRAINING_SEEDS = {"seed": BeeFormerTrainingArguments.seed, "data_seed": None}
_NEW_OR_BEGUN = "an empty or new folder, or one with repeats of the same configuration"


def train_repeatedly(config: Config) -> RunFolder:
    """Train as `train` does, or with several `repeats` as often as they say."""
    return train(config) if config.repeats == 1 else _repeat(config, train)


def compare_repeatedly(config: Comparison) -> RunFolder:
    """Compare as `run_comparison` does, or with several `repeats` as often as they say.

    A model with a `run` takes in each repeat the encoder that was trained in the run's own, on the
    same split. Embeddings of other encoders are computed once.
    """
    if config.repeats == 1:
        return run_comparison(config)
    for entry in config.entries():
        if entry.run is not None:
            _require_as_many(entry.label, RunFolder(Path(entry.run)), config.repeats)
    known: dict[tuple[str, str], np.ndarray] = {}

    def compare_once(own: Comparison) -> RunFolder:
        folder = run_comparison(own, known)
        once = {entry.encoder for entry in own.entries() if entry.run is not None}
        for key in [key for key in known if key[1] in once]:
            del known[key]  # no other repeat has that encoder
        return folder

    return _repeat(config, compare_once)


def _repeat(config: _Job, run_once: Callable[[_Job], RunFolder]) -> RunFolder:
    """Run the repeats that are not there yet, and write down what all of them say together."""
    config = absolute(config)
    folder = RunFolder(Path(config.out))
    each: list[dict[str, Any]] = []
    folders = [folder.repeat(number) for number in range(1, config.repeats + 1)]
    with alone_in(config.out):
        _claim(folder, config)
        for number, own in enumerate(folders, start=1):
            there = own.results.is_file()
            logger.info("repeat %d of %d%s", number, config.repeats, " is there" if there else "")
            if there:
                _complete(own, config)
            else:
                run_once(_of_repeat(config, folder, number))
            each.append(own.read_results())
            require_alike([one.path for one in folders], each)
            if number == 1:  # not sooner: what cannot begin leaves nothing behind
                write_config(folder, config)
        results = join_results(
            each,
            folders=[str(own.path.relative_to(folder.path)) for own in folders],
            seeds=[config.split.seed + step for step in range(config.repeats)],
        )
        if isinstance(config, Comparison):
            write_tables(results, folder.path)
        folder.write_results(results)
        write_report([folder.path], folder.report)
    return folder


def _complete(own: RunFolder, config: Config | Comparison) -> None:
    """Make what follows results.json, where a repeat was killed before it came to that."""
    if isinstance(config, Comparison) and not own.report.is_file():
        write_tables(own.read_results(), own.path)
        write_report([own.path], own.report)
    if isinstance(config, Config) and not own.card.is_file():
        write_report([own.path], own.report)
        write_card(own.path)


def _of_repeat(config: _Job, folder: RunFolder, number: int) -> _Job:
    """The configuration of one repeat, numbered from 1."""
    step = number - 1
    changes: dict[str, Any] = {
        "repeats": 1,
        "out": str(folder.repeat(number).path),
        "split": config.split.replace(seed=config.split.seed + step),
    }
    if isinstance(config, Comparison):
        changes["models"] = {
            entry.label: _of_model(config.models[entry.label], entry, number)
            for entry in config.entries()
        }
        return config.replace(**changes)
    training = dict(config.training)
    for name, usual in _TRAINING_SEEDS.items():
        seed = training.get(name, usual)
        if seed is not None:
            training[name] = seed + step
    if training.get("bf16") == "auto" and step and folder.repeat(1).config.is_file():
        # Decided by timing, which may come out differently from repeat to repeat.
        training["bf16"] = saved_config(folder.repeat(1)).training.get("bf16", "auto")
    data = config.data
    if not isinstance(data, str):
        data = [_of_dataset(entry, step) for entry in data]
    return config.replace(**changes, training=training, data=data)


def _of_model(given: Any, entry: Entry, number: int) -> dict[str, Any]:
    """An entry of `models`, with its own seed and the run of the same repeat."""
    own = dict(given or {})
    if entry.seed is not None:
        own["seed"] = entry.seed + number - 1
    if entry.run is not None:
        own["run"] = str(RunFolder(Path(entry.run)).repeat(number).path)
    return own


def _of_dataset(entry: Any, step: int) -> Any:
    """An entry of `data`, whose split may have a seed of its own."""
    split = entry.get("split") if isinstance(entry, dict) else None
    if not split or split.get("seed") is None:
        return entry
    return {**entry, "split": {**split, "seed": split["seed"] + step}}


def _require_as_many(label: str, run: RunFolder, repeats: int) -> None:
    """Refuse an encoder from a run that was not trained once for each repeat."""
    trained = run.read_results().get("repeats", {}).get("count", 1)
    if trained < repeats:
        raise RunError(
            f"models.{label}.run={run.path}, a run with {trained if trained > 1 else 'no'} repeats",
            expected=f"a run with {repeats}, so that each repeat has an encoder of its own split",
            remedy=f"Train it with repeats={repeats} and the same split.seed.",
        )


def _claim(folder: RunFolder, config: _Job) -> None:
    """Take a folder for repeats: a fresh one, or one with some of the same configuration."""
    if not folder.repeats.is_dir():
        _require_empty(folder)
    if folder.results.is_file() and not is_repeated(folder.read_results()):
        raise taken(f"{folder.path} holds a finished run without repeats", _NEW_OR_BEGUN)
    for number in range(1, config.repeats + 1):
        own = folder.repeat(number)
        differing = _differences(own, _of_repeat(config, folder, number))
        if differing:
            found = f"{own.path} is a repeat with another {', '.join(differing)}"
            raise taken(found, "the same configuration, to go on with the others", OR_REMOVE)
    raise_it = "Raise `repeats`, or choose another `out`."
    if folder.repeat(config.repeats + 1).path.exists():
        found = f"repeats={config.repeats}, and {folder.path} holds more"
        raise taken(found, "at least as many as are there", raise_it)
    count = folder.read_results()["repeats"]["count"] if folder.results.is_file() else 0
    each = [folder.repeat(number).results for number in range(1, config.repeats + 1)]
    if count == config.repeats and all(results.is_file() for results in each):
        found = f"{folder.path} holds {config.repeats} finished repeats"
        raise taken(found, "a folder where some are missing", raise_it)


def _require_empty(folder: RunFolder) -> None:
    """Refuse a folder to begin in that holds more than locks and what was killed while it was
    written, which begin with a dot."""
    others = sorted(e.name for e in folder.path.iterdir() if not e.name.startswith("."))
    if others:
        what = "a run without repeats" if folder.config.name in others else "other files"
        found = f"{folder.path} holds {what} ({', '.join(others[:3])})"
        raise taken(found, _NEW_OR_BEGUN)


def _differences(own: RunFolder, config: Config | Comparison) -> list[str]:
    """What of the configuration is other than in a repeat that was begun."""
    if not own.config.is_file():
        return []
    saved = read_yaml(own.config)
    if ("models" in saved) != isinstance(config, Comparison):
        return ["command"]
    if isinstance(config, Comparison):
        return differences(absolute(moved(load_comparison(str(own.config)), own.path)), config)
    return differences(absolute(saved_config(own)), config)
