"""A run folder and the configuration that made it: taking the folder for a job, and resuming."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from beekit.files import write_json, write_text
from beekit.run.comparison import Comparison, load_comparison
from beekit.run.config import Config, load_saved_config
from beekit.run.locations import absolute, moved
from beekit.run_files import read_json
from beekit.run_folder import OR_REMOVE, RunFolder, taken


def saved_config(folder: RunFolder) -> Config:
    """The resolved configuration of a training; an error if none can be read.

    What lies in the run's own folder is found there, wherever that has been moved.
    """
    folder.require_config()
    return moved(load_saved_config(folder.config), folder.path)


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
    saved = absolute(saved_config(folder)) if folder.config.is_file() else None
    differing = ["key"] if saved is None else differences(saved, asked)
    if saved is None or differing:
        what = "quickstart" if begun else "run"
        found = f"{folder.path} holds an unfinished {what} with another {', '.join(differing)}"
        raise taken(found, "the same configuration, to go on with it", OR_REMOVE)
    if last_checkpoint(folder) is None:
        return asked
    return saved.replace(cache=asked.cache)


def lacks_report(folder: RunFolder, asked: Config | Comparison, last: Path) -> bool:
    """Whether the same job was killed when it had its results, and not yet its `last` file."""
    if not folder.results.is_file() or last.is_file() or folder.repeats.exists():
        return False
    if not folder.config.is_file() or ("models" in folder.raw_config()) != isinstance(
        asked, Comparison
    ):
        return False
    if isinstance(asked, Comparison):
        compared = moved(load_comparison(str(folder.config)), folder.path)
        return not differences(absolute(compared), asked)
    return not differences(absolute(saved_config(folder)), asked)


@contextmanager
def made_again(folder: RunFolder) -> Iterator[None]:
    """Within it, the results of a run are out of the way. They are put back if an error, such as a
    refusal to go on, ends it before there are new ones."""
    aside = folder.results.with_name(f"{folder.results.name}.partial")
    folder.results.rename(aside)
    try:
        yield
    except BaseException:
        if not folder.results.is_file():
            aside.rename(folder.results)
        raise
    finally:
        aside.unlink(missing_ok=True)


def claim(folder: RunFolder, made_of: Mapping[str, Any], versions: Mapping[str, str]) -> list[str]:
    """Take the folder for a training that `config_to_run` lets begin or go on there.

    A checkpoint that was made of something else must not be continued: of another split, for it may
    know what is held out, or of other files of the encoder, which the frozen part and the figures
    before training are read from.

    Args:
        folder: of the run.
        made_of: digests of what the checkpoints are made of, by what it is; a folder of an earlier
            version noted fewer.
        versions: of the libraries, and the device, that numbers depend on.

    Returns:
        a line if checkpoints were made with other versions.
    """
    used = [dict(versions)]
    if last_checkpoint(folder) is not None:
        noted = read_json(folder.made_of) if folder.made_of.is_file() else {}
        other = [what for what in made_of if noted.get(what, made_of[what]) != made_of[what]]
        if other or "split" not in noted or "fingerprint" not in noted:
            what = _named(noted, made_of, other)
            found = f"{folder.path} holds an unfinished run with another {what}"
            raise taken(found, "the same configuration and data, to go on with it", OR_REMOVE)
        earlier = noted.get("versions", [])
        used = [*earlier, *(one for one in used if one not in earlier)]
    folder.checkpoints.mkdir(parents=True, exist_ok=True)
    write_json(folder.made_of, {**made_of, "versions": used})
    return [_of_several(used)] if used[1:] else []


def _named(noted: Mapping[str, Any], made_of: Mapping[str, Any], other: list[str]) -> str:
    """What is not as it was, and of an encoder, in which file."""
    names = []
    for what in other:
        was, now = noted[what], made_of[what]
        if isinstance(was, dict) and isinstance(now, dict):
            files = [f for f in sorted({*was, *now}) if was.get(f) != now.get(f)]
            names.append(f"{what} ({', '.join(files[:3])})")
        elif what not in ("split", "fingerprint"):
            names.append(what)
    return ", ".join(names) or "dataset or split"


def _of_several(used: Sequence[Mapping[str, str]]) -> str:
    """That a training went on with other versions, whose last digits may differ."""
    changed = [name for name in used[0] if len({one.get(name) for one in used}) > 1]
    each = [", then ".join(dict.fromkeys(str(one.get(n)) for one in used)) for n in changed]
    told = "; ".join(f"{name} {values}" for name, values in zip(changed, each, strict=True))
    return f"training was interrupted and went on with other versions ({told})"


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
