"""Whether the files of a saved model are still those that were trained and measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from beekit.errors import RunError
from beekit.files import file_digest

# Says what a model is, not what it does.
_CARD = "README.md"


def model_digests(model: Path) -> dict[str, str]:
    """SHA-256 of each file of a saved model, by its path inside; of its card not."""
    files = (path for path in sorted(model.rglob("*")) if path.is_file() and path.name != _CARD)
    return {path.relative_to(model).as_posix(): file_digest(path) for path in files}


def require_noted(model: Path, noted: Mapping[str, str] | None) -> None:
    """Refuse a saved model with a file missing or changed since training noted it."""
    if noted is None:
        return
    found = model_digests(model)
    for name in noted:
        if noted[name] != found.get(name):
            state = "changed" if name in found else "missing"
            raise RunError(
                f"{model / name} is {state} since the model was trained and measured",
                expected="the model's files as training wrote them",
                remedy="Restore the file from a copy, or train again; use a changed model from a "
                "folder outside of the run.",
            )
