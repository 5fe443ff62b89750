"""Outputs that appear complete or not at all: written under a temporary name, then renamed."""

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
    """A fresh folder to write into, which takes the place of `folder` when the block succeeds.

    When the block fails nothing of it is left, and `folder` is as it was. What a killed process
    left is removed by the next block; had it set the old folder aside and not yet put the new one
    in its place, the old one comes back first. Of two processes that make the same folder at once
    each writes its own, and the last to finish stays.
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
    """A fresh folder to write into, which becomes `folder` when the block succeeds.

    For what several processes may make at once, and all alike: the first to finish stays.
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
            if not folder.is_dir():  # another process has not made it either
                raise


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)  # noqa: PTH105 - Path.replace is the same call


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON, indented, whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def file_digest(path: str | Path, kind: str = "sha256") -> str:
    """Hexadecimal digest of a file; `kind` is "md5" or "sha256"."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()


def take_lock(descriptor: int) -> bool:
    """Take the lock of a folder or file, which the system frees when its process ends.

    False where its file system has no locks; a BlockingIOError if the lock is taken already.
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
        except FileNotFoundError:  # taken for a leftover before it was locked
            continue
        with suppress(BlockingIOError):  # about to be
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
            take_lock(held)  # so that nobody takes it for a leftover between the two renames
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
    """Remove what killed processes left beside `folder`, or bring back what they set aside."""
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
        except BlockingIOError:  # of a process that is still at it
            pass
        finally:
            os.close(held)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
