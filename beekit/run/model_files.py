"""Whether a run's model is still the one that was trained and measured."""

from __future__ import annotations

from beekit.run.folder import RunFolder
from beekit.run_files import require_noted


def require_as_trained(folder: RunFolder) -> None:
    """Refuse a model whose files are not those that training wrote.

    A run of a version that noted no digests passes.

    Raises:
        RunError: if a file of the model is missing or changed, or if the results cannot be read.
    """
    whole = folder.whole
    if not whole.results.is_file():
        return
    require_noted(whole.model, whole.read_results().get("training", {}).get("model_files"))
