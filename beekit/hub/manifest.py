"""`beekit.json`: every file of a pushed run with its SHA-256.

It tells beekit's repositories from others, and whether one arrived whole.
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
# Without these there is no run.
_NEEDED = (CARD, RESULTS, CONFIG, "modules.json")


def make_manifest(files: Mapping[str, Path | bytes]) -> bytes:
    """The manifest of files by their path in the repository."""
    hashes = {path: sha256(files[path]) for path in sorted(files)}
    content = {"schema": 1, "beekit": beekit.__version__, "files": hashes}
    return (json.dumps(content, indent=2) + "\n").encode()


def read_manifest(content: bytes, repo: str) -> dict[str, str]:
    """The SHA-256 of each file by its path; refused without the files of a run, or with paths
    outside the repository."""
    try:
        files = json.loads(content)["files"]
        texts = all(isinstance(part, str) for entry in files.items() for part in entry)
    except (ValueError, KeyError, TypeError, AttributeError):
        files, texts = {}, False
    paths = [PurePosixPath(path) for path in files]
    outside = any(path.is_absolute() or ".." in path.parts for path in paths)
    if not texts or outside or not {*_NEEDED} <= {*files}:
        raise HubError(
            f"{MANIFEST} in {repo} is not one of beekit's, or damaged",
            expected=f"the files of a run, {', '.join(_NEEDED)} among them",
            remedy="Choose another repository, or an earlier --revision.",
        )
    return dict(files)


def sha256(content: Path | bytes) -> str:
    """Of a file or of bytes, in hexadecimal."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return file_digest(content)
