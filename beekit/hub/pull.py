"""A pushed run from the Hub, as a run folder: model, results and split, checked file by file."""

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
    """Bring a run that beekit pushed into a run folder.

    The folder appears when everything has arrived and each file has the hash it was pushed with;
    what was downloaded before an interruption is not downloaded again. It is served, indexed and
    verified like one trained here, given its dataset. Code that a repository brings is not run:
    `trust_remote_code` is off, whatever it says.

    Args:
        repo: `user/name`.
        out: run folder to make.
        revision: branch, tag or commit; `main` without.
        data: the dataset folder on this machine, written into the run's configuration. Of several
            datasets, a folder that holds theirs by name.
        token: for the Hub; the saved one without.
        trust_foreign_code: accept a run that names a split or metric from outside beekit by its
            import path, whose code runs when the run is used.

    Returns:
        the commit it was taken from.

    Raises:
        RunError: if `out` is there already, or if another process has it.
        HubError: if the Hub has no such repository, revision or run that beekit pushed, if it
            cannot be reached, if a file differs from what was pushed, or if the run names code from
            outside beekit that is not trusted.
    """
    check_repo_name(repo)
    out = Path(out)
    require_new(out, RunError)
    with alone_in(out):
        require_new(out, RunError)  # still
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
    """The commit, the hashes that its manifest lists, and where its files are, in the client's
    cache; those that are there already are not fetched again."""
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
    """Refuse files that are missing or differ from the manifest; an edited card gives a warning."""
    files = {path: snapshot / path for path in hashes}
    wrong = [p for p, file in files.items() if not file.is_file() or sha256(file) != hashes[p]]
    if CARD in wrong and files[CARD].is_file():
        logger.warning("%s of %s was edited since it was pushed", CARD, repo)
        wrong.remove(CARD)
    if wrong:
        raise HubError(
            f"{len(wrong)} of {len(hashes)} files of {repo} are not as pushed "
            f"({', '.join(wrong[:3])})",
            expected=f"what {MANIFEST} lists",
            remedy="Somebody changed them since: choose a --revision before that.",
        )


def _settle(
    staging: Path, out: Path, data: str | Path | None, repo: str, trust_foreign_code: bool
) -> None:
    """Write places of this machine into the configurations, and give each dataset the model."""
    for path in [staging / CONFIG, *sorted(staging.glob(f"{DATASETS}/*/{CONFIG}"))]:
        part = path.parent.relative_to(staging)
        try:
            config = dict(yaml.safe_load(path.read_text(encoding="utf-8")))
            config["out"] = str(out / part)
            config.pop("trust_remote_code", None)
            code = sorted({name for name in _code(config) if ":" in name})
            if data is not None:
                config["data"] = _placed(config["data"], Path(data), several=part != Path())
        except (yaml.YAMLError, TypeError, ValueError, KeyError) as error:
            raise HubError(
                f"{path.relative_to(staging)} of {repo} is no configuration of a run",
                expected="one as beekit pushes it",
                remedy="Choose another --revision.",
            ) from error
        if code and not trust_foreign_code:
            raise HubError(
                f"{path.relative_to(staging)} of {repo} names code from outside beekit "
                f"({', '.join(code)})",
                expected="trust in whoever wrote that code, since using the run will run it",
                remedy="Give --trust-foreign-code if you have it.",
            )
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        path.write_text(text, encoding="utf-8")
        if part != Path():
            (path.parent / MODEL).symlink_to(f"../../{MODEL}", target_is_directory=True)


def _code(config: Mapping[str, Any]) -> Iterator[str]:
    """What a configuration may name by import path: kinds of split, models and metrics."""
    data = config.get("data")
    for section in (config, *(data if isinstance(data, list) else [])):
        split = section.get("split") if isinstance(section, dict) else None
        yield str((split or {}).get("kind", ""))
    models = config.get("models")
    for name, model in models.items() if isinstance(models, dict) else ():
        yield str(model.get("model", name) if isinstance(model, dict) else name)
    yield from map(str, (config.get("evaluation") or {}).get("metrics") or [])


def _placed(named: Any, data: Path, several: bool) -> Any:
    """Datasets of a configuration, named there, as folders here."""
    if isinstance(named, list):
        return [_placed(part, data, several=True) for part in named]
    if isinstance(named, dict):
        return {**named, "data": str(data / named["data"])}
    return str(data / named) if several else str(data)
