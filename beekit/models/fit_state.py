"""What an interrupted fit had reached, kept in a folder so that the same fit goes on from there."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import shutil
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from beekit import __version__
from beekit.errors import ConfigError
from beekit.files import replacing_folder
from beekit.models.early_stopping import Watch
from beekit.models.saved import learnt_from_files, learnt_to_files

logger = logging.getLogger(__name__)

_ABOUT, _STATE = "about.json", "state.pt"
# Keeping an epoch takes at most this share of the time of training.
_SHARE = 0.05


@dataclass(frozen=True)
class Reached:
    """How far training has come.

    Attributes:
        epoch: epochs that were trained.
        first_loss: the loss of the first step.
        last_loss: the mean loss of the last epoch.
        ended: whether training ends here.
        seconds: of training until then, in all runs together.
    """

    epoch: int
    first_loss: float
    last_loss: float
    ended: bool
    seconds: float = 0.0


NOTHING_YET = Reached(0, math.inf, math.inf, False)


class FitState:
    """The folder of a fit: the state of training after an epoch, and the best model so far.

    `state` of a training is a mapping from names to modules, optimizers, tensors, generators of
    PyTorch or numpy, and other objects with `state_dict` and `load_state_dict`.

    An epoch is kept if this takes no more than a twentieth of the time since the last one was kept;
    so a long epoch is always kept, and of short ones a few may have to be trained again.

    Args:
        folder: where; what is there of another fit is replaced.
        made_of: a digest of all that the fit depends on.

    Attributes:
        seconds_before: seconds that interrupted runs have trained, after `restore`.

    Raises:
        ConfigError: if the folder holds anything but a fit, which would be lost.
    """

    def __init__(self, folder: str | Path, made_of: str) -> None:
        self._folder, self._made_of = Path(folder), made_of
        self._saved_at, self._took = -math.inf, 0.0
        self.seconds_before = 0.0
        self._started = time.perf_counter()
        taken = self._folder.exists() and not (self._folder / _ABOUT).is_file()
        if taken and not (self._folder.is_dir() and not any(self._folder.iterdir())):
            raise ConfigError(
                f"keep_in={self._folder}, which holds other files",
                expected="a folder of its own, since it is removed at the end",
                remedy="Name a folder that is not there yet.",
            )

    def restore(self, state: Mapping[str, Any], watch: Watch | None) -> Reached:
        """Bring training, and what its watch remembers, to where the fit was interrupted."""
        if not state or not (self._folder / _ABOUT).is_file():
            return NOTHING_YET
        try:
            about = json.loads((self._folder / _ABOUT).read_text(encoding="utf-8"))
            if about["made_of"] != self._made_of:
                logger.info("what an earlier fit left in %s is of another fit", self._folder)
                return NOTHING_YET
            loaded = torch.load(self._folder / _STATE, map_location="cpu", weights_only=True)
            if loaded.keys() != state.keys():
                raise ValueError("its parts are others")
            best = learnt_from_files(self._folder) if watch is not None else {}
            reached = Reached(**about["reached"])
            before = {name: deepcopy(_state_of(part)) for name, part in state.items()}
        except Exception as error:  # whatever damage makes of it: training can start anew
            return self._damaged(error)
        try:
            for name, part in state.items():
                _restore(part, loaded[name])
            if watch is not None:
                watch.restore(about["watch"], best)
        except Exception as error:
            for name, part in state.items():
                _restore(part, before[name])
            return self._damaged(error)
        self.seconds_before = reached.seconds
        logger.info("training goes on after epoch %d", reached.epoch)
        return reached

    def _damaged(self, error: Exception) -> Reached:
        logger.warning("training starts anew: what was kept of it is damaged (%s)", error)
        return NOTHING_YET

    def save(self, reached: Reached, state: Mapping[str, Any], watch: Watch | None) -> None:
        """Keep an epoch, whole or not at all."""
        started = time.perf_counter()
        if not state or started - self._saved_at < self._took / _SHARE:
            return
        seconds = self.seconds_before + started - self._started
        about = {
            "made_of": self._made_of,
            "reached": dataclasses.asdict(dataclasses.replace(reached, seconds=seconds)),
            "watch": None if watch is None else watch.remembered(),
        }
        with replacing_folder(self._folder) as staging:
            torch.save({name: _state_of(part) for name, part in state.items()}, staging / _STATE)
            if watch is not None:
                learnt_to_files(watch.best, staging)
            (staging / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
        self._saved_at = time.perf_counter()
        self._took = self._saved_at - started

    def remove(self) -> None:
        """Remove the folder, once the model is complete."""
        shutil.rmtree(self._folder, ignore_errors=True)


def digest_of_fit(model: Any, *matrices: sp.csr_array | np.ndarray) -> str:
    """SHA-256 of a model's class and settings, of what it learns from, and of the versions of
    beekit and PyTorch."""
    digest = sha256(f"{type(model).__module__}.{type(model).__qualname__}".encode())
    digest.update(f"{__version__} {torch.__version__}".encode())
    settings = {f.name: getattr(model, f.name) for f in dataclasses.fields(model) if f.init}
    arrays = [value for value in settings.values() if isinstance(value, np.ndarray)]
    plain = {name: v for name, v in settings.items() if not isinstance(v, np.ndarray)}
    digest.update(json.dumps(plain, sort_keys=True, default=str).encode())
    for matrix in matrices:
        if isinstance(matrix, np.ndarray):
            arrays.append(matrix)
        else:
            arrays += [np.array(matrix.shape), matrix.indptr, matrix.indices, matrix.data]
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _state_of(part: Any) -> Any:
    if isinstance(part, torch.Tensor):
        return part.detach()
    if isinstance(part, torch.Generator):
        return part.get_state()
    if isinstance(part, np.random.Generator):
        return part.bit_generator.state
    return part.state_dict()


def _restore(part: Any, state: Any) -> None:
    if isinstance(part, torch.Tensor):
        with torch.no_grad():
            part.copy_(state)
    elif isinstance(part, torch.Generator):
        part.set_state(state)
    elif isinstance(part, np.random.Generator):
        part.bit_generator.state = state
    else:
        part.load_state_dict(state)
