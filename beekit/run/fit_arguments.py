"""What `fit` of a model gets: the training part and, if it stops early, the validation part."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from beekit.models.early_stopping import StopsEarly
from beekit.ranking import Model
from beekit.split import HeldOut

_MATRICES = ("train", "source", "target")


@dataclass(frozen=True)
class FitArguments:
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
