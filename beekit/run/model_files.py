"""Whether a run's model is still the one that was trained and measured."""

from __future__ import annotations

from pathlib import Path

from beekit.errors import RunError
from beekit.files import file_digest
from beekit.run.folder import RunFolder

# Says what a model is, not what it does.
_CARD = "README.md"


def model_digests(model: Path) -> dict[str, str]:
    """SHA-256 of each file of a saved model, by its path inside; of its card not."""
    files = (path for path in sorted(model.rglob("*")) if path.is_file() and path.name != _CARD)
    return {path.relative_to(model).as_posix(): file_digest(path) for path in files}


def require_as_trained(folder: RunFolder) -> None:
    """Refuse a model whose files are not those that training wrote.

    A run of a version that noted no digests passes.

    Raises:
        RunError: if a file of the model is missing, new or changed, or if the results cannot be
            read.
    """
    whole = folder.whole
    if not whole.results.is_file():
        return
    noted = whole.read_results().get("training", {}).get("model_files")
    if noted is None:
        return
    found = model_digests(whole.model)
    for name in sorted({*noted, *found}):
        if noted.get(name) != found.get(name):
            state = "missing" if name not in found else "new" if name not in noted else "changed"
            raise RunError(
                f"{whole.model / name} is {state} since the model was trained and measured",
                expected="the model's files as training wrote them",
                remedy="Restore the file from a copy, or train again; use a changed model from a "
                "folder outside of the run.",
            )
