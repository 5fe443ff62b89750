"""What a model learns from: the training part and, if it stops early, the validation part."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from beekit.data import Interactions
from beekit.errors import DataError
from beekit.matrices import Reads
from beekit.models.early_stopping import Learning, StopsEarly
from beekit.ranking import Model
from beekit.run.cost import Cost
from beekit.split import HeldOut

_MATRICES = ("train", "source", "target")


@dataclass(frozen=True)
class Learns:
    """The arguments of `fit`.

    Attributes:
        train: X (users, items), in what the model reads.
        validation: what it may be validated on; None for a model that does not stop early.
        keep_in: folder for an interrupted fit; None for a model that cannot go on.
    """

    train: sp.csr_array
    validation: HeldOut | None = None
    keep_in: Path | None = None

    @classmethod
    def of(
        cls, kind: type, train: sp.csr_array, validation: HeldOut | None, keep_in: Path | None
    ) -> Self:
        """What a model of this class learns from, of all that there is."""
        if not issubclass(kind, StopsEarly):
            return cls(train)
        return cls(train, validation, keep_in)

    def fit(self, model: Any) -> Model:
        """The model, fitted."""
        given = {"validation": self.validation, "keep_in": self.keep_in}
        fitted: Model = model.fit(self.train, **{k: v for k, v in given.items() if v is not None})
        return fitted

    def save(self, folder: Path) -> None:
        """Write all of it to a folder that is not there yet."""
        folder.mkdir(parents=True)
        held = self.validation
        matrices = (self.train, *(() if held is None else (held.source, held.target)))
        for name, matrix in zip(_MATRICES, matrices, strict=False):
            sp.save_npz(folder / f"{name}.npz", sp.csr_array(matrix), compressed=False)
        if held is not None:
            np.save(folder / "candidates.npy", held.candidates)
            np.save(folder / "users.npy", held.users)
        keep_in = None if self.keep_in is None else str(self.keep_in)
        (folder / "keep_in.json").write_text(json.dumps(keep_in))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote."""
        paths = {name: folder / f"{name}.npz" for name in _MATRICES}
        train, *held = (sp.csr_array(sp.load_npz(p)) for p in paths.values() if p.is_file())
        validation = None
        if held:
            validation = HeldOut(held[0], held[1], np.load(folder / "candidates.npy"))
            validation.__dict__["users"] = np.load(folder / "users.npy")
        keep_in = json.loads((folder / "keep_in.json").read_text())
        return cls(train, validation, None if keep_in is None else Path(keep_in))


def learnt(model: Any, cost: Cost) -> None:
    """Write down what a fitted model learnt: how many numbers, how its epochs went, and the time
    of runs that were interrupted."""
    cost.seconds += getattr(model, "seconds_before", 0.0)
    fields = dataclasses.fields(model) if dataclasses.is_dataclass(model) else ()
    values = [getattr(model, field.name, None) for field in fields if not field.init]
    arrays: list[Any] = [v for v in values if getattr(v, "dtype", np.dtype(int)).kind == "f"]
    cost.parameters = sum(a.nnz if sp.issparse(a) else a.size for a in arrays) if fields else None
    learning = getattr(model, "learning", None)
    cost.learning = dataclasses.asdict(learning) if isinstance(learning, Learning) else None


def said_of(learning: Mapping[str, Any]) -> str:
    """How the epochs of a model went, in a sentence."""
    return (
        "epoch {best_epoch} of {epochs} trained ({of} at most) was the best on {validated_on}: "
        "{metric} {value:.4f}, after {seconds_to_best:.0f} s of {seconds:.0f} s"
    ).format(**learning)


def reads_of(kind: type) -> Reads:
    """What models of a class read from the numbers of X."""
    reads: Reads = getattr(kind, "reads", "items")
    return reads


def require_readable(kinds: Mapping[str, type], interactions: Interactions) -> None:
    """Refuse interactions without the numbers that a model reads; `kinds` are classes by label.

    Raises:
        DataError: if so.
    """
    for label, kind in kinds.items():
        reads = reads_of(kind)
        try:
            interactions.valued(interactions.matrix, reads)
        except DataError as error:
            found = f"models.{label} ({kind.__name__}), which reads {reads}, and {error.found}"
            raise DataError(found, expected=error.expected, remedy=error.remedy) from error
