"""Writing files and folders completely or not at all: under a temporary name, then renamed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


@contextmanager
def replacing_folder(folder: str | Path) -> Iterator[Path]:
    """A new folder to write into, which replaces `folder` when the block succeeds.

    If the block fails, the new folder is removed and `folder` stays as it was. What a killed
    process left is removed by the next block; if it had moved the old folder away and not yet
    replaced it, the old folder is restored first. If two processes make the same folder at the same
    time, each writes its own, and the one that finishes last is kept.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(folder)
    staging, held = _new_staging(folder)
    try:
        yield staging
        _put_in_place(staging, folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    finally:
        os.close(held)


@contextmanager
def sharing_folder(folder: str | Path) -> Iterator[Path]:
    """A new folder to write into, which becomes `folder` when the block succeeds.

    It is for a folder that several processes may make at the same time with the same content: the
    one that finishes first is kept.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", suffix=".partial", dir=folder.parent) as staging:
        inside = Path(staging) / folder.name
        inside.mkdir()
        yield inside
        try:
            inside.rename(folder)
        except OSError:
            if not folder.is_dir():  # unless another process has made the folder
                raise


def write_text(path: str | Path, text: str) -> None:
    """Write a text file; if that fails, `path` stays as it was."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)  # noqa: PTH105 - Path.replace is the same call


def write_json(path: str | Path, content: Any) -> None:
    """Write indented JSON; if that fails, `path` stays as it was."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def file_digest(path: str | Path, kind: str = "sha256") -> str:
    """The hexadecimal digest of a file; `kind` is "md5" or "sha256"."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()


def take_lock(descriptor: int) -> bool:
    """Lock a folder or file; the system frees the lock when the process ends.

    Returns:
        False if the file system has no locks.

    Raises:
        BlockingIOError: if another process or descriptor has the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _new_staging(folder: Path) -> tuple[Path, int]:
    """A new empty folder beside `folder`, and the descriptor that holds its lock."""
    while True:
        staging = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
        staging.mkdir()
        try:
            held = os.open(staging, os.O_RDONLY)
        except FileNotFoundError:  # another process removed it as a leftover before it was locked
            continue
        with suppress(BlockingIOError):  # another process is about to remove it
            take_lock(held)
            if staging.is_dir():
                return staging, held
        os.close(held)


def _put_in_place(staging: Path, folder: Path) -> None:
    """Rename `staging` to `folder`, and remove what was there."""
    retired = staging.with_suffix(".retired")
    try:
        held = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        staging.rename(folder)
        return
    try:
        with suppress(BlockingIOError):
            take_lock(held)  # so that no process removes it as a leftover between the two renames
        folder.rename(retired)
        try:
            staging.rename(folder)
        except BaseException:
            if not folder.exists():
                retired.rename(folder)
            raise
        _remove(retired)
    finally:
        os.close(held)


def _clear_leftovers(folder: Path) -> None:
    """Remove what killed processes left beside `folder`, or restore a folder they moved away."""
    name = re.compile(rf"\.{re.escape(folder.name)}(\.[0-9a-f]{{8}})?\.(partial|retired)")
    for leftover in sorted(folder.parent.glob(".*")):
        found = name.fullmatch(leftover.name)
        if not found or not leftover.is_dir():
            continue
        try:
            held = os.open(leftover, os.O_RDONLY)
        except OSError:
            continue
        try:
            if not take_lock(held):
                continue
            if found[2] == "retired" and not folder.exists():
                leftover.rename(folder)
            else:
                _remove(leftover)
        except BlockingIOError:  # it belongs to a process that is still running
            pass
        finally:
            os.close(held)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
