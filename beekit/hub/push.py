"""Pushing a run to the Hub in one commit, so that a repository holds all of it or nothing.

`create_commit` of huggingface_hub does the work: it lets the Hub check the card, uploads large
files, leaves out files that the repository has, and commits. `upload_folder` is not used, because
it makes several commits if there are many files or the upload takes minutes.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelCard
from huggingface_hub.errors import RevisionNotFoundError
from huggingface_hub.hf_api import CommitInfo, ModelInfo

from beekit.errors import HubError
from beekit.hub.card_facts import Facts
from beekit.hub.client import ask, client, is_passing
from beekit.hub.manifest import MANIFEST, read_manifest, sha256
from beekit.hub.upload_files import files_to_upload, read
from beekit.run_folder import CARD

logger = logging.getLogger(__name__)

# A card with metadata only: the Hub writes it when a licence is chosen for a new repository.
_ONLY_HEAD = re.compile(rb"\s*---\n.*?\n---\s*", re.DOTALL)


class Pushed(NamedTuple):
    """The URL of the commit or pull request, and whether it changed the repository."""

    url: str
    changed: bool


def push(
    run: str | Path,
    repo: str,
    *,
    facts: Facts | None = None,
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    index: bool = False,
    token: str | None = None,
) -> Pushed:
    """Push a finished run's model, card, results and ids of the split to a model repository.

    The same call after an interruption goes on where it stopped, because the Hub recognises
    uploaded files by their hashes. Files of an earlier push that this run does not have are removed
    in the same commit. If nothing else has changed, a card that was edited on the Hub is kept.

    Args:
        run: the run folder.
        repo: `user/name`; the repository is made if it does not exist.
        facts: what the card states besides the results.
        private: make a new repository private; refuse an existing one that is public.
        revision: branch to push to, made if it does not exist; None for `main`.
        create_pr: open a pull request instead of committing to the branch.
        index: push the FAISS index too.
        token: token for the Hub; None for the saved one.

    Raises:
        BeekitError: if `files_to_upload` raises it.
        HubError: if `revision` and `create_pr` are both given, if there is no valid token, no
            permission or no network, if the repository holds files that beekit did not push or
            leaves out pushed files, or if it is public and `private` is set.
    """
    if create_pr and revision:
        raise HubError(
            f"both --create-pr and --revision {revision}",
            expected="one of them, because a pull request is always made to main",
            remedy="Leave out --create-pr or --revision.",
        )
    files = files_to_upload(run, repo, facts, index=index)
    api = client(token)
    before = ask(api, repo, lambda: _target(api, repo, read(files[CARD]), revision, private))
    commit = ask(api, repo, lambda: _commit(api, repo, revision or "main", files, create_pr))
    arrived = ask(api, repo, lambda: _names(api.model_info(repo, revision=commit.oid)))
    if missing := sorted({*files} - arrived):
        raise HubError(
            f"{len(missing)} of {len(files)} files are not in commit {commit.oid[:8]} of {repo} "
            f"({', '.join(missing[:3])})",
            expected="all files of the run",
            remedy="Check whether a .gitignore in the repository excludes them.",
        )
    return Pushed(commit.pr_url or commit.commit_url, changed=commit.oid != before)


def _target(api: HfApi, repo: str, card: bytes, revision: str | None, private: bool) -> str | None:
    """The last commit of the branch to push to; repository and branch are made if missing."""
    api.whoami()
    ModelCard(card.decode()).validate()  # before a repository is made
    api.create_repo(repo, private=private or None, exist_ok=True)
    main = api.model_info(repo)
    if private and main.private is False:
        raise HubError(
            f"{repo} is public",
            expected="a private or new repository, because --private was given",
            remedy="Make it private on its page, or choose another --repo.",
        )
    if revision is None:
        return main.sha
    try:
        return api.model_info(repo, revision=revision).sha
    except RevisionNotFoundError:
        _earlier(api, repo, main)
        api.create_branch(repo, branch=revision, exist_ok=True)
        return main.sha


def _earlier(api: HfApi, repo: str, found: ModelInfo) -> Mapping[str, str]:
    """The files of an earlier push with their hashes; empty for a new repository.

    Raises:
        HubError: if the repository holds files that beekit did not push.
    """
    names = _names(found)
    if MANIFEST in names:
        return read_manifest(_read(api, repo, MANIFEST, found), repo)
    if not names or (names == {CARD} and _ONLY_HEAD.fullmatch(_read(api, repo, CARD, found))):
        return {}
    raise HubError(
        f"{repo} holds other files ({', '.join(sorted(names)[:3])})",
        expected="a new repository, or one that beekit pushed",
        remedy="Choose another --repo.",
    )


def _commit(
    api: HfApi, repo: str, branch: str, files: Mapping[str, Path | bytes], create_pr: bool
) -> CommitInfo:
    """Upload the files and commit them on top of the branch; its last commit if nothing changed.

    It can be called again after an answer was lost, because it first reads the state of the branch.
    A pull request would be opened twice, so a lost answer to that is an error.
    """
    found = api.model_info(repo, revision=branch)
    names, earlier = _names(found), _earlier(api, repo, found)
    same = earlier == read_manifest(read(files[MANIFEST]), "this run")
    stays = {CARD, MANIFEST} & names if same else set()  # the card may have been edited on the Hub
    card = earlier.get(CARD) if CARD in names - stays else None
    if card is not None and sha256(_read(api, repo, CARD, found)) != card:
        logger.warning("%s of %s was edited on the Hub, and is replaced", CARD, repo)
    additions = [CommitOperationAdd(p, content) for p, content in files.items() if p not in stays]
    deletions = [CommitOperationDelete(path) for path in sorted(names & {*earlier} - {*files})]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="It seems that you are about to commit a data")
        api.preupload_lfs_files(
            repo, additions, revision=branch, create_pr=create_pr, free_memory=False
        )
        try:
            return api.create_commit(
                repo,
                [*additions, *deletions],
                commit_message=f"Push from beekit: {len(files)} files",
                revision=branch,
                create_pr=create_pr,
                parent_commit=None if create_pr else found.sha,
            )
        except Exception as error:
            if create_pr and is_passing(error):
                raise HubError(
                    f"no answer from {repo} when opening a pull request, which may be open now",
                    expected="an answer with its address",
                    remedy="Look at the repository's page before giving the same command again.",
                ) from error
            raise


def _names(found: ModelInfo) -> set[str]:
    """The files of a repository without .gitattributes, which the Hub puts into a new one."""
    return {sibling.rfilename for sibling in found.siblings or []} - {".gitattributes"}


def _read(api: HfApi, repo: str, path: str, found: ModelInfo) -> bytes:
    """The content of a small file in the commit that `found` describes."""
    return Path(api.hf_hub_download(repo, path, revision=found.sha)).read_bytes()
