"""A run to the Hub: one commit, so that a repository holds all of it or nothing."""

from __future__ import annotations

import hashlib
import logging
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelCard
from huggingface_hub.errors import HfHubHTTPError, RemoteEntryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import CommitInfo, ModelInfo, RepoFile

from beekit.errors import HubError
from beekit.hub.client import check_repo_name, client, is_passing, one_line, retried
from beekit.hub.facts import Facts
from beekit.hub.manifest import MANIFEST, read_manifest, sha256
from beekit.hub.outgoing import CARD, Outgoing, outgoing, read

logger = logging.getLogger(__name__)

# What the Hub itself puts into a new repository.
_OF_HUB = (".gitattributes",)
_MAIN = "main"
# A card that is only a head: what the Hub writes where a licence is chosen on its page.
_ONLY_HEAD = re.compile(rb"\s*---\n.*?\n---\s*", re.DOTALL)


@dataclass(frozen=True)
class Pushed:
    """Where a run went.

    Attributes:
        url: of the commit, or of the pull request.
        changed: whether anything was sent; False where the repository held it already.
    """

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

    The Hub is shown the card's metadata first. Large files go next; then one commit makes all of it
    visible at once. What was uploaded before an interruption is found there by its hash, so the
    same call goes on where it stopped. Files of an earlier push that this run does not have are
    removed in the same commit; a card edited on the Hub alone stays as it is.

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
        RunError: if the run is not finished, holds repeats or lacks a file.
        ConfigError: if the facts name a dataset that the run does not have.
        HubError: if `repo` cannot be a name, if `revision` and `create_pr` are both given, if
            `outgoing` refuses the card or a file, if the token, the right or the network is
            missing, if the repository holds other files, if it is public and `private` is set, or
            if the commit does not arrive whole.
    """
    if create_pr and revision:
        raise HubError(
            f"a pull request, and the branch {revision}",
            expected="one of them: a pull request is made to main",
            remedy="Leave out --create-pr or --revision.",
        )
    sent = plan(run, repo, facts=facts, index=index)
    api = client(token)
    with one_line(repo, api):
        retried(api.whoami)
        retried(lambda: ModelCard(sent.card).validate())
        retried(lambda: api.create_repo(repo, private=private or None, exist_ok=True))
        found = _target(api, repo, revision, private)
        branch = revision or _MAIN
        earlier = _earlier(api, repo, found)
        if not create_pr and earlier and _arrived(api, repo, str(found.sha), sent, card=False):
            return Pushed(f"{api.endpoint}/{repo}/tree/{branch}", changed=False)
        if earlier and sha256(_read(api, repo, CARD, str(found.sha))) != earlier[CARD]:
            logger.warning("%s of %s was edited on the Hub, and is replaced", CARD, repo)
        commit = _commit(api, repo, branch, found, sent, set(earlier), create_pr)
        if not _arrived(api, repo, commit.oid, sent):
            raise HubError(
                f"not all of {len(sent.files)} files are in commit {commit.oid[:8]} of {repo}",
                expected="all of them, as they were sent",
                remedy="Give the same command again.",
            )
    return Pushed(commit.pr_url or commit.commit_url, changed=True)


def plan(
    run: str | Path, repo: str, *, facts: Facts | None = None, index: bool = False
) -> Outgoing:
    """What `push` would send, without a word to the network.

    Raises:
        RunError: if the run is not finished, holds repeats or lacks a file.
        ConfigError: if the facts name a dataset that the run does not have.
        HubError: if `repo` cannot be a name, or if `outgoing` refuses the card or a file.
    """
    check_repo_name(repo)
    return outgoing(run, (facts or Facts()).replace(repo=repo), index=index)


def _target(api: HfApi, repo: str, revision: str | None, private: bool) -> ModelInfo:
    """The branch to push to, made from main where it is not there and main is ours.

    Raises:
        HubError: if `private` is set and the repository is public, or if the branch is to be made
            and `_earlier` refuses what main holds.
    """
    main = retried(lambda: api.model_info(repo))
    if private and main.private is False:
        raise HubError(
            f"{repo} is public",
            expected="a private or new repository, since --private was given",
            remedy="Make it private on its page, or choose another --repo.",
        )
    if revision is None:
        return main
    try:
        return retried(lambda: api.model_info(repo, revision=revision))
    except RevisionNotFoundError:
        _earlier(api, repo, main)
        retried(lambda: api.create_branch(repo, branch=revision, exist_ok=True))
        return retried(lambda: api.model_info(repo, revision=revision))


def _earlier(api: HfApi, repo: str, found: ModelInfo) -> Mapping[str, str]:
    """The files of an earlier push with their hashes, if there was one.

    Raises:
        HubError: if the repository holds files that beekit did not put there, or a broken manifest.
    """
    names = {sibling.rfilename for sibling in found.siblings or []} - set(_OF_HUB)
    commit = str(found.sha)
    if MANIFEST in names:
        return read_manifest(_read(api, repo, MANIFEST, commit), repo)
    if names == {CARD} and _ONLY_HEAD.fullmatch(_read(api, repo, CARD, commit)):
        return {}
    if not names:
        return {}
    raise HubError(
        f"{repo} holds other files ({', '.join(sorted(names)[:3])})",
        expected="a new repository, or one that beekit pushed",
        remedy="Choose another --repo.",
    )


def _commit(
    api: HfApi,
    repo: str,
    branch: str,
    found: ModelInfo,
    sent: Outgoing,
    earlier: set[str],
    create_pr: bool,
) -> CommitInfo:
    """Upload and commit, on top of what was found; again where the answer was lost.

    The client does not repeat a commit, which might then happen twice. A branch tells whether it
    did; a pull request does not.
    """
    there = {sibling.rfilename for sibling in found.siblings or []}
    gone = sorted((earlier & there) - set(sent.files))
    additions = [CommitOperationAdd(path, content) for path, content in sent.files.items()]

    def commit() -> CommitInfo:
        return api.create_commit(
            repo,
            [*additions, *map(CommitOperationDelete, gone)],
            commit_message=f"Push from beekit: {len(sent.files)} files",
            revision=branch,
            create_pr=create_pr,
            parent_commit=None if create_pr else found.sha,
        )

    def happened(error: Exception) -> CommitInfo | None:
        if create_pr:
            raise HubError(
                f"no answer to the pull request to {repo}, which may be open",
                expected="one",
                remedy="Look at its page before giving the same command again.",
            ) from error
        now = str(retried(lambda: api.model_info(repo, revision=branch)).sha)
        if now == found.sha or not _arrived(api, repo, now, sent):
            return None
        url = f"{api.endpoint}/{repo}/commit/{now}"
        return CommitInfo(url, commit_message="", commit_description="", oid=now)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="It seems that you are about to commit a data")
        api.preupload_lfs_files(
            repo, additions, revision=branch, create_pr=create_pr, free_memory=False
        )
        try:
            return retried(commit, between=happened)
        except HfHubHTTPError as error:
            # A commit whose answer was lost can finish after we looked, and refuse the next.
            if is_passing(error) or create_pr or (late := happened(error)) is None:
                raise
            return late


def _arrived(api: HfApi, repo: str, commit: str, sent: Outgoing, *, card: bool = True) -> bool:
    """Whether a commit holds all that is sent, by what the Hub lists of it.

    Args:
        card: the card counts too, and the manifest, which has its hash.
    """
    listed = retried(lambda: list(api.list_repo_tree(repo, recursive=True, revision=commit)))
    there = {entry.path: entry for entry in listed if isinstance(entry, RepoFile)}
    counted = [path for path in sent.files if card or path not in (CARD, MANIFEST)]
    return all(_same(there.get(path), sent, path) for path in counted)


def _same(entry: RepoFile | None, sent: Outgoing, path: str) -> bool:
    """Whether the Hub's entry is the file sent: by its SHA-256, or the name git gives it."""
    if entry is None:
        return False
    if entry.lfs is not None:
        return entry.lfs.sha256 == (sent.hashes.get(path) or sha256(sent.files[path]))
    data = read(sent.files[path])
    return entry.blob_id == hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _read(api: HfApi, repo: str, path: str, revision: str) -> bytes:
    """A small file of a repository; empty where it is not there."""
    try:
        file = retried(lambda: api.hf_hub_download(repo, path, revision=revision))
    except RemoteEntryNotFoundError:
        return b""
    return Path(file).read_bytes()
