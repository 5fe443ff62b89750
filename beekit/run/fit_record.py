"""What is written down of a fit: how many numbers were learnt, and how the epochs went."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from beekit.models.early_stopping import Learning
from beekit.run.cost import Cost


def record_fit(model: Any, cost: Cost) -> None:
    """Write down what a fitted model learnt: how many numbers, how its epochs went, and the time
    of runs that were interrupted."""
    cost.seconds += getattr(model, "seconds_before", 0.0)
    fields = dataclasses.fields(model) if dataclasses.is_dataclass(model) else ()
    values = [getattr(model, field.name, None) for field in fields if not field.init]
    arrays: list[Any] = [v for v in values if getattr(v, "dtype", np.dtype(int)).kind == "f"]
    cost.parameters = sum(a.nnz if sp.issparse(a) else a.size for a in arrays) if fields else None
    learning = getattr(model, "learning", None)
    cost.learning = dataclasses.asdict(learning) if isinstance(learning, Learning) else None


def said_of_epochs(learning: Mapping[str, Any]) -> str:
    """How the epochs of a model went, in a sentence."""
    return (
        "epoch {best_epoch} of {epochs} trained ({of} at most) was the best on {validated_on}: "
        "{metric} {value:.4f}, after {seconds_to_best:.0f} s of {seconds:.0f} s"
    ).format(**learning)
