"""Paths in a configuration, which must lead to the same places wherever its file is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from beekit.run.comparison import Comparison
from beekit.run.config import Config
from beekit.run.encoder_files import OPEN_CLIP

_Job = TypeVar("_Job", Config, Comparison)
# Keys that may hold paths, of a configuration or an entry of `data`, and of an entry of `models`.
_PATHS = ("data", "out", "encoder", "image_encoder", "cache")
_ENCODERS = ("encoder", "image_encoder")
_OF_MODELS = ("encoder", "run")


def absolute(config: _Job) -> _Job:
    """The same configuration with an absolute path for each relative one that leads somewhere.

    What is not there stays as it is written: it may be a name on the Hub, or a mistake.
    """

    def lead(key: str, value: str) -> str:
        if key in _ENCODERS and value.startswith(OPEN_CLIP):
            name, slash, weights = value.partition("/")
            return name + slash + _place(weights) if Path(weights).is_file() else value
        return _place(value) if key in ("out", "cache") or Path(value).exists() else value

    return _replaced(config, lead)


def _place(path: str) -> str:
    """The absolute path, the same one however it was written: without `..`, unless that follows a
    link, where leaving it out would lead elsewhere."""
    plain = os.path.normpath(Path(path).absolute())
    same = os.path.realpath(plain) == os.path.realpath(path)
    return plain if same else str(Path(path).absolute())


def moved(config: _Job, folder: Path) -> _Job:
    """The configuration of a run that lies in `folder`, wherever it was when it was written.

    What lay in the run's own folder, as a quickstart's shop does, is looked for in `folder`.
    """
    earlier = Path(config.out)
    if _place(config.out) == _place(str(folder)):
        return config

    def lead(key: str, value: str) -> str:
        if not Path(value).is_relative_to(earlier):
            return value
        return str(folder.absolute() / Path(value).relative_to(earlier))

    return _replaced(config, lead)


def _replaced(config: _Job, lead: Callable[[str, str], str]) -> _Job:
    changes = _section(vars(config), _PATHS, lead)
    if not isinstance(config.data, str):
        changes["data"] = [
            lead("data", one)
            if isinstance(one, str)
            else {**one, **_section(one, _PATHS, lead)}
            if isinstance(one, dict)
            else one
            for one in config.data
        ]
    if isinstance(config, Comparison):
        changes["models"] = {
            label: {**own, **_section(own, _OF_MODELS, lead)} if isinstance(own, dict) else own
            for label, own in config.models.items()
        }
    return config.replace(**changes)


def _section(
    section: dict[str, Any], keys: tuple[str, ...], lead: Callable[[str, str], str]
) -> dict[str, Any]:
    return {key: lead(key, section[key]) for key in keys if isinstance(section.get(key), str)}
