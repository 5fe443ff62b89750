"""What encoders and datasets are called where nobody knows this machine's folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

# user/name, as the Hub has it.
NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_OPEN_CLIP = "open_clip:"


def published(encoders: Sequence[Any]) -> list[str]:
    """The encoders that are names on the Hub, rather than paths.

    To be asked where the run is made: whether `a/b` is a folder depends on where one stands.
    """
    return [str(name) for name in encoders if on_hub(name)]


def on_hub(encoder: Any) -> bool:
    """Whether an encoder of a configuration is a name on the Hub, as things stand here and now."""
    if not isinstance(encoder, str) or encoder.startswith((".", "/", "~", _OPEN_CLIP)):
        return False
    if encoder.count("/") != 1 or Path(encoder).exists():
        return False
    return NAME.fullmatch(encoder) is not None


def told(encoder: str, known: Sequence[str]) -> str:
    """What strangers are told of an encoder: a name, never a path.

    Args:
        encoder: of a configuration.
        known: the encoders that were names on the Hub when the run was made.
    """
    if encoder in known:
        return encoder
    if encoder.startswith(_OPEN_CLIP):
        architecture, _, weights = encoder.partition("/")
        return f"{architecture}/{last_part(weights)}" if weights else architecture
    return last_part(encoder)


def last_part(path: str) -> str:
    """The name of a file or folder."""
    return PurePath(path).name or "encoder"


def slug(name: str) -> str:
    """A dataset's name as the Hub's metadata takes it."""
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-") or "dataset"
