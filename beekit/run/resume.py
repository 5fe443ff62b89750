"""A run folder and the configuration that made it: taking the folder for a job, and resuming."""

from __future__ import annotations

import yaml

from beekit.files import write_json, write_text
from beekit.run.comparison import Comparison
from beekit.run.config import Config, load_saved_config
from beekit.run_files import read_json
from beekit.run_folder import OR_REMOVE, RunFolder, taken


def saved_config(folder: RunFolder) -> Config:
    """The resolved configuration of a training; an error if none can be read."""
    folder.require_config()
    return load_saved_config(folder.config)


def write_config(folder: RunFolder, config: Config | Comparison) -> None:
    """Write a resolved configuration as YAML."""
    text = yaml.safe_dump(config.content(), sort_keys=False, allow_unicode=True)
    write_text(folder.config, text)


def last_checkpoint(folder: RunFolder) -> str | None:
    """The newest complete checkpoint, if any."""
    if not folder.checkpoints.is_dir():
        return None
    from transformers.trainer_utils import get_last_checkpoint

    newest: str | None = get_last_checkpoint(str(folder.checkpoints))
    return newest


def config_to_run(folder: RunFolder, asked: Config) -> Config:
    """The configuration of a training in this folder, which may hold one to go on with.

    What the quickstart began, a training may go on with if it is the same one. A run that goes on
    from a checkpoint keeps its saved configuration, in which `auto` is settled, but for the cache.
    """
    begun = folder.kind == "quickstart"
    folder.require_unfinished("quickstart" if begun else "training")
    if not begun and last_checkpoint(folder) is None:
        return asked
    saved = saved_config(folder) if folder.config.is_file() else None
    differing = ["key"] if saved is None else differences(saved, asked)
    if saved is None or differing:
        what = "quickstart" if begun else "run"
        found = f"{folder.path} holds an unfinished {what} with another {', '.join(differing)}"
        raise taken(found, "the same configuration, to go on with it", OR_REMOVE)
    if last_checkpoint(folder) is None:
        return asked
    return saved.replace(cache=asked.cache)


def claim(folder: RunFolder, split_hash: str, fingerprint: str) -> None:
    """Take the folder for a training that `config_to_run` lets begin or go on there.

    A checkpoint that learnt from another split or dataset than these must not be continued, for it
    may know what is held out.
    """
    made_of = {"split": split_hash, "fingerprint": fingerprint}
    if last_checkpoint(folder) is None:
        folder.checkpoints.mkdir(parents=True, exist_ok=True)
        write_json(folder.made_of, made_of)
    elif not folder.made_of.is_file() or read_json(folder.made_of) != made_of:
        found = f"{folder.path} holds an unfinished run with another dataset or split"
        raise taken(found, "the same configuration and data, to go on with it", OR_REMOVE)


def differences(saved: Config | Comparison, asked: Config | Comparison) -> list[str]:
    """Keys whose values differ, less a bf16 that was `auto` and has been settled.

    Where a folder is, where pictures are cached and how many repeats there are is left out.
    """
    apart = ("training", "out", "cache", "repeats")
    names = [
        name
        for name in vars(asked)
        if name not in apart and getattr(saved, name) != getattr(asked, name)
    ]
    trained = getattr(saved, "training", {}), getattr(asked, "training", {})
    for key in sorted({*trained[0], *trained[1]}):
        mine, theirs = trained[0].get(key), trained[1].get(key)
        if mine != theirs and not (key == "bf16" and theirs == "auto"):
            names.append(f"training.{key}")
    return names
