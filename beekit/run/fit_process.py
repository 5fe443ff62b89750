"""Fitting a model in a process of its own, so that its memory and a crash are its own."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from beekit.disk_full import is_disk_full
from beekit.errors import BeekitError
from beekit.files import write_json
from beekit.models.registry import can_be_saved, load_model, save_model
from beekit.out_of_memory import is_out_of_memory
from beekit.ranking import Model
from beekit.run.cost import Cost, measured
from beekit.run.fit_arguments import FitArguments
from beekit.run.fit_record import record_fit

logger = logging.getLogger(__name__)

# Below both, a fit takes less time and memory than starting a process does.
_INTERACTIONS = 200_000
_ITEMS = 5_000
# Exit code of the process when it cannot even write down how it ended.
_NO_ROOM = 28


class FitFailed(Exception):
    """A model could not be fitted in a process of its own; the message is the reason."""


def reason_of(error: Exception) -> str:
    """Why a model is left out, in one line."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, (BeekitError, FitFailed)):
        return said
    if is_out_of_memory(error):
        return f"out of memory ({said})" if said else "out of memory"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def worth_a_process(kind: type, X: sp.csr_array) -> bool:
    """Whether a fit is large enough for one, and another process can import the model."""
    large = X.nnz >= _INTERACTIONS or X.shape[1] >= _ITEMS
    importable = kind.__module__ != "__main__" and "<locals>" not in kind.__qualname__
    return large and importable and can_be_saved(kind)


def fitted_apart(
    kind: type,
    settings: Mapping[str, Any],
    content: Mapping[str, np.ndarray],
    arguments: FitArguments,
    folder: Path,
) -> tuple[Model, Cost]:
    """A model fitted in a process that ends afterwards, and what fitting cost there.

    The process gets what the model learns from and `content`, the class's arrays, as files in
    `folder`, which is gone at the end, and gives the model back by `save` and `load`.

    Raises:
        FitFailed: if the fit fails there, or if the system ends the process.
        OSError: if the disk has no room for the files.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        job = {"module": kind.__module__, "name": kind.__qualname__, "settings": dict(settings)}
        (folder / "job.json").write_text(json.dumps(job))
        arguments.save(folder / "arguments")
        np.savez(folder / "content.npz", allow_pickle=False, **content)
        code = _run(folder)
        if code == _NO_ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        outcome = folder / "outcome.json"
        if code or not outcome.is_file():
            raise FitFailed(_ending(code))
        told = json.loads(outcome.read_text())
        if "reason" in told:
            logger.debug("%s", told["traceback"])
            raise FitFailed(told["reason"])
        return load_model(folder / "model", trust_foreign_code=True), Cost(**told)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path) -> int:
    """Exit code of the process, which ends with this one at the latest."""
    # With -P and without "": a file in the working directory must not stand for a module there
    # that it does not stand for here.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "beekit.run.fit_process", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        process_group=0,  # Ctrl-C is for this process, which then ends that one
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdin is not None  # for the type checker
    with process.stdin:
        try:
            return process.wait()
        finally:
            process.kill()
            process.wait()


def _ending(code: int) -> str:
    if code == -signal.SIGKILL:
        return "the system ended its process, most likely out of memory (SIGKILL)"
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"its process ended without a model ({name})"


def _work(folder: Path) -> None:
    """Fit the model of a job, in the process made for it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("beekit").setLevel(logging.INFO)
    try:
        job = json.loads((folder / "job.json").read_text())
        module: Any = import_module(job["module"])
        kind = reduce(getattr, job["name"].split("."), module)
        arguments = FitArguments.load(folder / "arguments")
        with np.load(folder / "content.npz") as arrays:
            content = {name: arrays[name] for name in arrays.files}
        _warm_up(kind, job["settings"], content)
        with measured() as cost:
            model = arguments.fit(kind(**job["settings"], **content))
        record_fit(model, cost)
        save_model(model, folder / "model")
        outcome: dict[str, Any] = dataclasses.asdict(cost)
    except Exception as error:
        outcome = {"reason": reason_of(error), "traceback": traceback.format_exc()}
    try:
        write_json(folder / "outcome.json", outcome)
    except OSError as error:
        if not is_disk_full(error):
            raise
        sys.exit(_NO_ROOM)


def _warm_up(kind: type, settings: dict[str, Any], content: dict[str, np.ndarray]) -> None:
    """Import libraries and start threads before the measurement, so that neither counts as cost."""
    few = sp.csr_array(np.array([[1, 1], [1, 0], [0, 1]], dtype=np.float32))
    with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
        logging.disable()
        small = {name: array[:2] for name, array in content.items()}
        kind(**settings, **small).fit(few)
    logging.disable(logging.NOTSET)


def _end_with_parent() -> None:
    """The parent never writes: its pipe closes when it is done, or dead."""
    # The bare descriptor: a thread blocked in `sys.stdin` makes Python abort at its end.
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    _work(Path(sys.argv[1]))
