"""A pushed run from the Hub, as a run folder: model, results and split, checked file by file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from beekit.errors import HubError, RunError
from beekit.files import replacing_folder
from beekit.hub.client import check_repo_name, client, one_line, retried
from beekit.hub.outgoing import MANIFEST, RUN_PARTS


def pull(
    repo: str,
    out: str | Path,
    *,
    revision: str | None = None,
    data: str | Path | None = None,
    endpoint: str | None = None,
    token: str | None = None,
) -> str:
    """Bring a run that beekit pushed into a run folder.

    The folder appears when everything has arrived and each file has the hash it was pushed with;
    what was downloaded before an interruption is not downloaded again. It is served, indexed and
    verified like one trained here, given its dataset.

    Args:
        repo: `user/name`.
        out: run folder to make.
        revision: branch, tag or commit; `main` without.
        data: the dataset folder on this machine, written into the run's configuration. Of several
            datasets, a folder that holds theirs by name.
        endpoint, token: of the Hub; HF_ENDPOINT and the saved token without.

    Returns:
        the commit it was taken from.

    Raises:
        RunError: `out` is there already.
        HubError: no such repository or revision, one that beekit did not push, no network, or files
            that differ from what was pushed.
    """
    check_repo_name(repo)
    out = Path(out)
    if out.exists():
        raise RunError(
            f"{out} is there already", expected="a new folder", remedy="Choose another --out."
        )
    api = client(endpoint, token)
    with one_line(repo, api):
        commit = str(retried(lambda: api.model_info(repo, revision=revision)).sha)
        paths = set(retried(lambda: api.list_repo_files(repo, revision=commit)))
        if MANIFEST not in paths:
            raise HubError(
                f"no {MANIFEST} in {repo}",
                expected="a repository made by `beekit push`",
                remedy="Load it with SentenceTransformer instead.",
            )
        snapshot = Path(
            retried(lambda: api.snapshot_download(repo, revision=commit, max_workers=4))
        )
    hashes = json.loads((snapshot / MANIFEST).read_text(encoding="utf-8"))["files"]
    _require_pushed(snapshot, hashes, repo)
    with replacing_folder(out) as staging:
        for path in [*hashes, MANIFEST]:
            place = staging / (path if _of_run(path) else f"model/{path}")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes((snapshot / path).read_bytes())
        _settle(staging, out, data)
    return commit


def _of_run(path: str) -> bool:
    return PurePosixPath(path).parts[0] in RUN_PARTS


def _require_pushed(snapshot: Path, hashes: dict[str, str], repo: str) -> None:
    """Refuse files that are missing or differ from the manifest, or that lie outside the folder.

    Raises:
        HubError: so.
    """
    wrong = []
    for path, expected in hashes.items():
        pure = PurePosixPath(path)
        inside = not pure.is_absolute() and ".." not in pure.parts
        file = snapshot / path
        if not inside or not file.is_file() or _sha256(file) != expected:
            wrong.append(path)
    if wrong:
        raise HubError(
            f"{len(wrong)} of {len(hashes)} files of {repo} are not as pushed "
            f"({', '.join(wrong[:3])})",
            expected=f"what {MANIFEST} lists",
            remedy="Somebody changed them since: choose a --revision before that.",
        )


def _settle(staging: Path, out: Path, data: str | Path | None) -> None:
    """Write places of this machine into the configurations, and give each dataset the model."""
    for path in [staging / "config.yaml", *sorted(staging.glob("datasets/*/config.yaml"))]:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        part = path.parent.relative_to(staging)
        config["out"] = str(out / part)
        if data is not None:
            config["data"] = _placed(config["data"], Path(data), several=part != Path())
        path.write_text(
            yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )
        if part != Path():
            (path.parent / "model").symlink_to("../../model", target_is_directory=True)


def _placed(named: Any, data: Path, several: bool) -> Any:
    """Datasets of a configuration, named there, as folders here."""
    if isinstance(named, list):
        return [_placed(part, data, several=True) for part in named]
    if isinstance(named, dict):
        return {**named, "data": str(data / named["data"])}
    return str(data / named) if several else str(data)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
