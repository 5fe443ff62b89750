"""Locking a folder, so that one process at a time uses it; the lock ends with the process."""

from __future__ import annotations

import json
import logging
import os
import shlex
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from beekit.errors import BeekitError, RunError
from beekit.files import take_lock

logger = logging.getLogger(__name__)

# The file that is locked. It exists while a process uses the folder, and after a kill.
LOCK_FILE = ".beekit.lock"
# The thread that has each folder, and the descriptors that hold the locks.
_owners: dict[Path, int] = {}
_descriptors: set[int] = set()


@contextmanager
def alone_in(folder: str | Path, *, make: bool = True) -> Iterator[None]:
    """Lock a folder for this thread.

    The system frees the lock when the process ends in any way. A thread may lock a folder that it
    has locked already. A folder that was made here and is empty at the end is removed.

    Args:
        folder: the folder.
        make: make the folder if it does not exist; if False, a missing folder is not locked.

    Raises:
        RunError: if another process or thread has the folder (the message names the process), or if
            it is a file and `make` is True.
    """
    folder = Path(folder).resolve()
    if _owners.get(folder) == threading.get_ident() or not (make or folder.is_dir()):
        yield
        return
    if folder.exists() and not folder.is_dir():
        remedy = "Choose another folder."
        raise RunError(f"{folder} is a file", expected="a folder", remedy=remedy)
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        descriptor = _take(folder)
    except BaseException:
        _remove_empty(made)
        raise
    _owners[folder] = threading.get_ident()
    _descriptors.add(descriptor)
    try:
        yield
    finally:
        del _owners[folder]
        _descriptors.discard(descriptor)
        if _is_at(descriptor, folder / LOCK_FILE):
            (folder / LOCK_FILE).unlink()
        os.close(descriptor)
        _remove_empty(made)


def require_new(folder: Path, error: type[BeekitError]) -> None:
    """Check that a folder does not exist, or holds only the lock file of a killed process.

    Raises:
        BeekitError: of the class `error`, if it holds anything else.
    """
    if folder.exists() and not (
        folder.is_dir() and {entry.name for entry in folder.iterdir()} == {LOCK_FILE}
    ):
        found = f"{folder} exists already"
        raise error(found, expected="a new folder", remedy="Choose another --out, or remove it.")


def _take(folder: Path) -> int:
    """Lock the lock file of a folder, and return its descriptor."""
    path = folder / LOCK_FILE
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # another process has just removed the folder
            continue
        try:
            if not take_lock(descriptor):
                logger.warning(
                    "%s is on a file system without locks: make sure that no other process uses it",
                    folder,
                )
        except BlockingIOError as error:
            os.close(descriptor)
            found = f"{folder} is in use by {_described(path)}"
            remedy = "Wait for that process or end it, or choose another folder."
            raise RunError(found, expected="one process at a time", remedy=remedy) from error
        if _is_at(descriptor, path):
            break
        os.close(descriptor)  # the other process removed the file between the two calls
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": _command()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({**holder, "since": since}).encode(), 0)
    return descriptor


def _described(path: Path) -> str:
    """The process that has a lock, in words, from the content of the lock file."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return (
            f"process {holder['pid']} on {holder['host']} ({holder['command']}), "
            f"since {holder['since']}"
        )
    except (OSError, ValueError, KeyError, TypeError):  # locked, but not written yet
        return "another process"


def _command() -> str:
    """The command line of this process, in at most 200 characters."""
    program = Path(sys.argv[0])
    name = "beekit" if program.stem in ("__main__", "cli") else program.name
    return shlex.join([name, *sys.argv[1:]])[:200].encode(errors="replace").decode()


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _remove_empty(made: list[Path]) -> None:
    """Remove the folders that were made, innermost first, until one is not empty."""
    with suppress(OSError):
        for place in made:
            place.rmdir()


def _let_go() -> None:
    """Close the parent's locks in a forked child, so that they do not outlive the parent."""
    for descriptor in _descriptors:
        with suppress(OSError):
            os.close(descriptor)
    _descriptors.clear()
    _owners.clear()


os.register_at_fork(after_in_child=_let_go)
