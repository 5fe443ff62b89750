"""Of a run's results and configuration, what may be told to strangers.

Interactions, texts and pictures of items stay behind, and so do paths of the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from beekit.hub.facts import on_hub

# Of results: items with their names and texts.
_OF_ITEMS = ("neighbours",)
_ENCODERS = ("encoder", "image_encoder")
# Of configurations: places on one machine.
_PLACES = ("out", "cache")


def public_results(results: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `results.json` without items, and encoders by name."""
    kept = {key: value for key, value in results.items() if key not in _OF_ITEMS}
    if "training" in kept:
        kept["training"] = _named(kept["training"])
    return kept


def public_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `config.yaml` with datasets and encoders by name, and without places."""
    kept = _named({key: value for key, value in config.items() if key not in _PLACES})
    data = config["data"]
    kept["data"] = [_dataset(part) for part in data] if isinstance(data, list) else _name(data)
    return kept


def _dataset(part: Any) -> Any:
    return {**part, "data": _name(part["data"])} if isinstance(part, dict) else _name(part)


def _named(section: Mapping[str, Any]) -> dict[str, Any]:
    paths = [key for key in _ENCODERS if section.get(key) and not _is_name(section[key])]
    return {**section, **{key: _name(section[key]) for key in paths}}


def _is_name(encoder: str) -> bool:
    """Whether others know the encoder by it; a path would mean nothing to them."""
    return on_hub(encoder) or encoder.startswith("open_clip:")


def _name(path: Any) -> str:
    return Path(str(path)).resolve().name
