"""Public names of encoders and datasets, without paths of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

# A name on the Hub: user/name, or a name alone.
NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_OPEN_CLIP = "open_clip:"


def published(encoders: Iterable[Any]) -> list[str]:
    """The encoders that are names on the Hub, and not paths.

    Call this when the run is made, because whether `a/b` is a folder depends on the current folder.
    """
    return [str(name) for name in encoders if on_hub(name)]


def on_hub(encoder: Any) -> bool:
    """Whether an encoder of a configuration has the form of a name on the Hub, and no folder of
    this name exists now."""
    if not isinstance(encoder, str) or encoder.startswith((".", "/", "~", _OPEN_CLIP)):
        return False
    named = encoder.count("/") == 1 and NAME.fullmatch(encoder) is not None
    return named and not Path(encoder).exists()


def public_name(encoder: str, known: Sequence[str]) -> str:
    """The public name of an encoder; of a path, only its last part.

    Args:
        encoder: an encoder in a configuration.
        known: the encoders that were names on the Hub when the run was made.
    """
    if encoder in known:
        return encoder
    if encoder.startswith(_OPEN_CLIP):
        architecture, _, weights = encoder.partition("/")
        return f"{architecture}/{public_name(weights, [])}" if weights else architecture
    return PurePath(encoder).name or "encoder"


def slug(name: str) -> str:
    """A dataset's name in the form that the Hub's metadata accepts."""
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-") or "dataset"
