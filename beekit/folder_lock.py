"""One process at a time in a folder: a lock that says who has it, freed when that process dies."""

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

# The file whose lock is taken: there while a process uses the folder, or after it was killed.
LOCK_FILE = ".beekit.lock"
# Which thread has which folder, and the descriptors that hold the locks.
_owners: dict[Path, int] = {}
_descriptors: set[int] = set()


@contextmanager
def alone_in(folder: str | Path, *, make: bool = True) -> Iterator[None]:
    """Lock a folder for this thread; an error names the process that holds it already.

    The lock belongs to the process: the system frees it when that ends, however it ends. Blocks of
    one thread may stand in one another. A folder made here that is empty at the end is removed; if
    `make` is False, a missing folder is not locked.

    Raises:
        RunError: if another process or thread has the folder, or if it is a file and `make` is set.
    """
    folder = Path(folder).resolve()
    if _owners.get(folder) == threading.get_ident() or not (make or folder.is_dir()):
        yield
        return
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file", expected="a folder", remedy="Choose another.")
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
    """Refuse a folder that is there, unless a killed process left its lock file alone in it."""
    if folder.exists() and not (
        folder.is_dir() and {entry.name for entry in folder.iterdir()} == {LOCK_FILE}
    ):
        found = f"{folder} is there already"
        raise error(found, expected="a new folder", remedy="Choose another --out, or remove it.")


def _take(folder: Path) -> int:
    """The descriptor of the lock file, its lock taken."""
    path = folder / LOCK_FILE
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # who had the folder has just removed it
            continue
        try:
            if not take_lock(descriptor):
                logger.warning(
                    "%s is on a file system without locks: see that no other process writes there",
                    folder,
                )
        except BlockingIOError as error:
            os.close(descriptor)
            found = f"{folder} is in use by {_described(path)}"
            remedy = "Wait for that one or end it, or choose another folder."
            raise RunError(found, expected="one process at a time", remedy=remedy) from error
        if _is_at(descriptor, path):
            break
        os.close(descriptor)  # its owner removed the file between the two calls
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": _command()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({**holder, "since": since}).encode(), 0)
    return descriptor


def _described(path: Path) -> str:
    """Who has a lock, as far as the file says."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return (
            f"process {holder['pid']} on {holder['host']} ({holder['command']}), "
            f"since {holder['since']}"
        )
    except (OSError, ValueError, KeyError, TypeError):  # just taken, and not yet written
        return "another process"


def _command() -> str:
    """What this process was called with, in at most 200 characters."""
    program = Path(sys.argv[0])
    name = "beekit" if program.stem in ("__main__", "cli") else program.name
    return shlex.join([name, *sys.argv[1:]])[:200].encode(errors="replace").decode()


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _remove_empty(made: list[Path]) -> None:
    """Folders made on the way, innermost first, as far as nothing is in them."""
    with suppress(OSError):
        for place in made:
            place.rmdir()


def _let_go() -> None:
    """In a forked child: the parent's locks must not outlive it in a worker."""
    for descriptor in _descriptors:
        with suppress(OSError):
            os.close(descriptor)
    _descriptors.clear()
    _owners.clear()


os.register_at_fork(after_in_child=_let_go)
