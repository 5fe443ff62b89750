"""A run to the Hub in one commit, so that a repository holds all of it or nothing.

The work is done by `create_commit` of huggingface_hub: it has the Hub read the card, uploads large
files, leaves out what the repository holds already, and commits. Its `upload_folder` would make
several commits of many files or of an upload that takes minutes.
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

# A card that is only a head: what the Hub writes where a licence is chosen on its page.
_ONLY_HEAD = re.compile(rb"\s*---\n.*?\n---\s*", re.DOTALL)


class Pushed(NamedTuple):
    """The URL of the commit or pull request of a run, and whether that changed the repository."""

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
    """Push a finished run's model, card, results and split ids to a model repository.

    What was uploaded before an interruption is found there by its hash, so the same call goes on
    where it stopped. Files of an earlier push that this run does not have are removed in the same
    commit; a card edited on the Hub alone stays as it is.

    Args:
        run: its folder.
        repo: `user/name`; made where it is not there.
        facts: what the card says beside the results.
        private: make the repository private.
        revision: branch to push to, made where it is not there; `main` without.
        create_pr: open a pull request instead of changing the branch.
        index: the FAISS index too.
        token: for the Hub; the saved one without.

    Raises:
        BeekitError: as `files_to_upload` does.
        HubError: if `revision` and `create_pr` are both given, if the token, the right or the
            network is missing, if the repository holds other files or keeps files out, or if it is
            public and `private` is set.
    """
    if create_pr and revision:
        raise HubError(
            f"a pull request, and the branch {revision}",
            expected="one of them: a pull request is made to main",
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
            expected="all of them",
            remedy="See whether a .gitignore in the repository keeps them out.",
        )
    return Pushed(commit.pr_url or commit.commit_url, changed=commit.oid != before)


def _target(api: HfApi, repo: str, card: bytes, revision: str | None, private: bool) -> str | None:
    """The last commit of the branch to push to; repository and branch are made if missing."""
    api.whoami()
    ModelCard(card.decode()).validate()  # metadata that the Hub refuses makes no repository
    api.create_repo(repo, private=private or None, exist_ok=True)
    main = api.model_info(repo)
    if private and main.private is False:
        raise HubError(
            f"{repo} is public",
            expected="a private or new repository, since --private was given",
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
    """The files of an earlier push with their hashes; files of others are refused."""
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
    """Upload, and commit on top of what the branch holds now; its last commit where that is all.

    So this can be called again when an answer was lost: it finds what happened. It would open a
    pull request twice, so a lost answer to that is an error.
    """
    found = api.model_info(repo, revision=branch)
    names, earlier = _names(found), _earlier(api, repo, found)
    same = earlier == read_manifest(read(files[MANIFEST]), "this run")
    stays = {CARD, MANIFEST} & names if same else set()  # a card may have been edited there
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
                    f"no answer to the pull request to {repo}, which may be open",
                    expected="one",
                    remedy="Look at its page before giving the same command again.",
                ) from error
            raise


def _names(found: ModelInfo) -> set[str]:
    """The files of a repository but for the one that the Hub itself puts into a new one."""
    return {sibling.rfilename for sibling in found.siblings or []} - {".gitattributes"}


def _read(api: HfApi, repo: str, path: str, found: ModelInfo) -> bytes:
    """A small file of a repository as it was found."""
    return Path(api.hf_hub_download(repo, path, revision=found.sha)).read_bytes()
