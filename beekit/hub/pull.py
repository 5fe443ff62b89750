"""Pulling a run from the Hub into a run folder, with a check of every file."""

from __future__ import annotations

import glob
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from huggingface_hub import HfApi

from beekit.errors import HubError, RunError
from beekit.files import replacing_folder
from beekit.folder_lock import alone_in, require_new
from beekit.hub.client import ask, check_repo_name, client
from beekit.hub.manifest import MANIFEST, read_manifest, sha256
from beekit.hub.upload_files import RUN_PARTS
from beekit.run_folder import CARD, CONFIG, DATASETS, MODEL

logger = logging.getLogger(__name__)


def pull(
    repo: str,
    out: str | Path,
    *,
    revision: str | None = None,
    data: str | Path | None = None,
    token: str | None = None,
    trust_foreign_code: bool = False,
) -> str:
    """Download a run that beekit pushed into a new run folder.

    The folder appears only after all files have arrived and have the hashes that they were pushed
    with. Files that were downloaded before an interruption are not downloaded again. With its
    dataset, the run can be served, indexed and verified like one trained on this machine. Code in
    the repository is never run: `trust_remote_code` is removed from the configuration.

    Args:
        repo: `user/name`.
        out: the run folder to make.
        revision: branch, tag or commit; None for `main`.
        data: the dataset folder on this machine, which is written into the run's configuration.
            For a run on several datasets, a folder with a subfolder for each, by name.
        token: token for the Hub; None for the saved one.
        trust_foreign_code: accept a run that names a split, model or metric from outside beekit by
            its import path; its code runs when the run is used.

    Returns:
        the commit that was downloaded.

    Raises:
        RunError: if `out` exists, or if another process uses it.
        HubError: if the Hub has no such repository or revision, if beekit did not push it, if the
            Hub cannot be reached, if a file differs from what was pushed, or if the run names code
            from outside beekit and `trust_foreign_code` is False.
    """
    check_repo_name(repo)
    out = Path(out)
    require_new(out, RunError)
    with alone_in(out):
        require_new(out, RunError)  # again, now that no other process can make it
        api = client(token)
        commit, hashes, snapshot = ask(api, repo, lambda: _download(api, repo, revision))
        _require_pushed(snapshot, hashes, repo)
        with replacing_folder(out) as staging:
            for path in (*hashes, MANIFEST):
                of_run = PurePosixPath(path).parts[0] in RUN_PARTS
                place = staging / (path if of_run else f"{MODEL}/{path}")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(snapshot / path, place)
            _settle(staging, out, data, repo, trust_foreign_code)
    return commit


def _download(api: HfApi, repo: str, revision: str | None) -> tuple[str, dict[str, str], Path]:
    """The commit, the hashes in its manifest, and the folder of its files in the cache of
    huggingface_hub; files in the cache are not downloaded again."""
    found = api.model_info(repo, revision=revision)
    if all(sibling.rfilename != MANIFEST for sibling in found.siblings or []):
        raise HubError(
            f"no {MANIFEST} in {repo}",
            expected="a repository made by `beekit push`",
            remedy="Load it with SentenceTransformer instead.",
        )
    commit = str(found.sha)
    manifest = Path(api.hf_hub_download(repo, MANIFEST, revision=commit))
    hashes = read_manifest(manifest.read_bytes(), repo)
    wanted = [glob.escape(path) for path in (*hashes, MANIFEST)]
    snapshot = api.snapshot_download(repo, revision=commit, allow_patterns=wanted, max_workers=4)
    return commit, hashes, Path(snapshot)


def _require_pushed(snapshot: Path, hashes: Mapping[str, str], repo: str) -> None:
    """Check files against the manifest; a card that was edited only gives a warning.

    Raises:
        HubError: if a file is missing or differs.
    """
    files = {path: snapshot / path for path in hashes}
    wrong = [p for p, file in files.items() if not file.is_file() or sha256(file) != hashes[p]]
    if CARD in wrong and files[CARD].is_file():
        logger.warning("%s of %s was edited since it was pushed", CARD, repo)
        wrong.remove(CARD)
    if wrong:
        raise HubError(
            f"{len(wrong)} of {len(hashes)} files of {repo} differ from those that were pushed "
            f"({', '.join(wrong[:3])})",
            expected=f"the files that {MANIFEST} lists",
            remedy="Somebody changed them since then: choose a --revision before the change.",
        )


def _settle(
    staging: Path, out: Path, data: str | Path | None, repo: str, trust_foreign_code: bool
) -> None:
    """Write paths of this machine into the configurations, and link the model into the folder of
    each dataset."""
    for path in [staging / CONFIG, *sorted(staging.glob(f"{DATASETS}/*/{CONFIG}"))]:
        part = path.parent.relative_to(staging)
        try:
            config = dict(yaml.safe_load(path.read_text(encoding="utf-8")))
            config["out"] = str(out / part)
            config.pop("trust_remote_code", None)
            code = sorted({name for name in _code(config) if ":" in name})
            if data is not None:
                config["data"] = _placed(config["data"], str(data), several=part != Path())
        except (yaml.YAMLError, TypeError, ValueError, KeyError) as error:
            raise HubError(
                f"{path.relative_to(staging)} of {repo} is no configuration of a run",
                expected="a configuration that beekit pushed",
                remedy="Choose another --revision.",
            ) from error
        if code and not trust_foreign_code:
            raise HubError(
                f"{path.relative_to(staging)} of {repo} names code from outside beekit "
                f"({', '.join(code)})",
                expected="code that you trust, because using the run runs it",
                remedy="Give --trust-foreign-code if you trust that code.",
            )
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        path.write_text(text, encoding="utf-8")
        if part != Path():
            (path.parent / MODEL).symlink_to(f"../../{MODEL}", target_is_directory=True)


def _code(config: Mapping[str, Any]) -> Iterator[str]:
    """The names in a configuration that may be import paths: kinds of split, models, metrics."""
    data = config.get("data")
    for section in (config, *(data if isinstance(data, list) else [])):
        split = section.get("split") if isinstance(section, dict) else None
        yield str((split or {}).get("kind", ""))
    models = config.get("models")
    for name, model in models.items() if isinstance(models, dict) else ():
        yield str(model.get("model", name) if isinstance(model, dict) else name)
    yield from map(str, (config.get("evaluation") or {}).get("metrics") or [])


def _placed(named: Any, data: str, several: bool) -> Any:
    """The key `data` of a configuration with the folders of this machine instead of names."""
    if isinstance(named, list):
        return [_placed(part, data, several=True) for part in named]
    if isinstance(named, dict):
        return {**named, "data": _placed(named["data"], data, several=True)}
    if not isinstance(named, str):
        raise TypeError(f"data={named!r}")
    # Joined as text, for `data` may be a name on the Hub, of which a path would lose a slash.
    return f"{data.rstrip('/')}/{named}" if several else data
