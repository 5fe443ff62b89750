"""Names of open_clip's models and weights, and what was perhaps meant by others."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import open_clip

from beekit.errors import EncoderError


def check_names(architecture: str, pretrained: str) -> None:
    """Refuse an architecture that open_clip does not have, and weights that are neither one of its
    tags nor a file; the message names the nearest ones."""
    known = open_clip.list_models()
    if architecture not in known:
        raise EncoderError(
            f"open_clip has no architecture {architecture!r}",
            expected=f"one of its {len(known)}{_nearest(architecture, known)}",
            remedy="open_clip.list_models() lists them.",
        )
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not pretrained:
        raise EncoderError(
            f"open_clip:{architecture} without weights",
            expected=f"open_clip:{architecture}/TAG",
            remedy=f"TAG is a checkpoint's path or one of {', '.join(tags) or 'no published tag'}.",
        )
    published = open_clip.get_pretrained_cfg(architecture, pretrained)
    if not published and not Path(pretrained).is_file():
        raise EncoderError(
            f"{architecture!r} has no weights {pretrained!r}, and there is no such file",
            expected=f"one of {len(tags)} tags{_nearest(pretrained, tags)}, or a checkpoint",
            remedy=f"The tags are {', '.join(tags)}." if tags else "Give a checkpoint's path.",
        )


def _nearest(name: str, known: Sequence[str]) -> str:
    lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.4)
    return f" (nearest: {', '.join(lower[each] for each in found)})" if found else ""
