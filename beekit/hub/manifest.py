"""The manifest `beekit.json`: every file of a pushed run with its SHA-256.

It shows that beekit made a repository, and whether all its files arrived unchanged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import beekit
from beekit.errors import HubError
from beekit.files import file_digest
from beekit.run_folder import CARD, CONFIG, RESULTS

MANIFEST = "beekit.json"
# Files that every pushed run has.
_NEEDED = (CARD, RESULTS, CONFIG, "modules.json")


def make_manifest(files: Mapping[str, Path | bytes]) -> bytes:
    """The manifest of files, which are given by their paths in the repository."""
    hashes = {path: sha256(files[path]) for path in sorted(files)}
    content = {"schema": 1, "beekit": beekit.__version__, "files": hashes}
    return (json.dumps(content, indent=2) + "\n").encode()


def read_manifest(content: bytes, repo: str) -> dict[str, str]:
    """The SHA-256 of each file by its path.

    Raises:
        HubError: if the manifest cannot be read, lacks a file that every run has, or names a path
            outside the repository.
    """
    try:
        files = json.loads(content)["files"]
        texts = all(isinstance(part, str) for entry in files.items() for part in entry)
    except (ValueError, KeyError, TypeError, AttributeError):
        files, texts = {}, False
    paths = [PurePosixPath(path) for path in files]
    outside = any(path.is_absolute() or ".." in path.parts for path in paths)
    if not texts or outside or not {*_NEEDED} <= {*files}:
        raise HubError(
            f"{MANIFEST} in {repo} is damaged, or not written by beekit",
            expected=f"the files of a run, including {', '.join(_NEEDED)}",
            remedy="Choose another repository, or an earlier --revision.",
        )
    return dict(files)


def sha256(content: Path | bytes) -> str:
    """The SHA-256 of a file or of bytes, in hexadecimal."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return file_digest(content)
