"""Outputs that appear complete or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


@contextmanager
def replacing_folder(folder: str | Path) -> Iterator[Path]:
    """A fresh folder to write into, which takes the place of `folder` when the block succeeds."""
    folder = Path(folder)
    staging = folder.with_name(f".{folder.name}.partial")
    retired = folder.with_name(f".{folder.name}.retired")
    for leftover in (staging, retired):
        shutil.rmtree(leftover, ignore_errors=True)
    staging.mkdir(parents=True)
    yield staging
    if folder.exists():
        folder.rename(retired)
    staging.rename(folder)
    shutil.rmtree(retired, ignore_errors=True)


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
