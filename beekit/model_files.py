"""Checking that the files of a saved model are those that were trained and evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from beekit.errors import RunError
from beekit.files import file_digest

# The card is not checked, because it does not change what the model computes.
_CARD = "README.md"


def model_digests(model: Path) -> dict[str, str]:
    """The SHA-256 of each file of a saved model except its card, by the path inside the folder."""
    files = (path for path in sorted(model.rglob("*")) if path.is_file() and path.name != _CARD)
    return {path.relative_to(model).as_posix(): file_digest(path) for path in files}


def require_noted(model: Path, noted: Mapping[str, str] | None) -> None:
    """Check the files of a saved model against the digests stored by training, if there are any.

    Raises:
        RunError: if a file is missing or has changed.
    """
    if noted is None:
        return
    found = model_digests(model)
    for name in noted:
        if noted[name] != found.get(name):
            state = "changed" if name in found else "missing"
            raise RunError(
                f"{model / name} is {state} since the model was trained and evaluated",
                expected="the model's files as training wrote them",
                remedy="Restore the file from a copy, or train again; keep a changed model in a "
                "folder outside the run.",
            )
