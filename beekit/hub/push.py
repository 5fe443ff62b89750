"""A run to the Hub: one commit, so that a repository holds all of it or nothing."""

from __future__ import annotations

import hashlib
import json
import logging
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import RemoteEntryNotFoundError
from huggingface_hub.hf_api import CommitInfo, ModelInfo, RepoFile

from beekit.errors import HubError
from beekit.hub.client import (
    WAITS,
    check_repo_name,
    client,
    is_passing,
    one_line,
    retried,
)
from beekit.hub.facts import Facts
from beekit.hub.outgoing import MANIFEST, Outgoing, outgoing

logger = logging.getLogger(__name__)

# What the Hub itself puts into a new repository.
_OF_HUB = (".gitattributes",)
_MAIN = "main"


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
    endpoint: str | None = None,
    token: str | None = None,
) -> Pushed:
    """Push a finished run's model, card, results and split ids to a model repository.

    Large files go first; then one commit makes all of it visible at once. What was uploaded before
    an interruption is found there by its hash, so the same call goes on where it stopped. Files of
    an earlier push that this run does not have are removed in the same commit.

    Args:
        run: its folder.
        repo: `user/name`; made where it is not there.
        facts: what the card says beside the results.
        private: make the repository private.
        revision: branch to push to, made where it is not there; `main` without.
        create_pr: open a pull request instead of changing the branch.
        index: the FAISS index too.
        endpoint, token: of the Hub; HF_ENDPOINT and the saved token without.

    Raises:
        RunError: no finished run.
        HubError: a bad name or card, no token, no right, no network, a repository that holds other
            files or is public where `private` was asked for, or a commit that did not arrive whole.
    """
    sent = plan(run, repo, facts=facts, index=index)
    api = client(endpoint, token)
    with one_line(repo, api):
        retried(api.whoami)
        retried(lambda: api.create_repo(repo, private=private or None, exist_ok=True))
        if revision:
            retried(lambda: api.create_branch(repo, branch=revision, exist_ok=True))
        branch = revision or _MAIN
        found = retried(lambda: api.model_info(repo, revision=branch))
        earlier = _require_ours(api, repo, found, private)
        if earlier.get(MANIFEST) == sent.manifest and not create_pr:
            return Pushed(f"{api.endpoint}/{repo}/tree/{branch}", changed=False)
        listed = json.loads(earlier.get(MANIFEST, b'{"files": {}}'))["files"]
        commit = _commit(api, repo, branch, found, sent, set(listed), create_pr)
        _require_whole(api, repo, commit.oid, sent)
    return Pushed(commit.pr_url or commit.commit_url, changed=True)


def plan(
    run: str | Path, repo: str, *, facts: Facts | None = None, index: bool = False
) -> Outgoing:
    """What `push` would send, without a word to the network.

    Raises:
        RunError: no finished run.
        HubError: a bad name or card.
    """
    check_repo_name(repo)
    return outgoing(run, replace(facts or Facts(), repo=repo), index=index)


def _require_ours(api: HfApi, repo: str, found: ModelInfo, private: bool) -> Mapping[str, bytes]:
    """The manifest of an earlier push by path, if there was one; refuse a repository of others.

    Raises:
        HubError: it holds files that beekit did not put there, or is public against the wish.
    """
    if private and found.private is False:
        raise HubError(
            f"{repo} is public",
            expected="a private or new repository, since --private was given",
            remedy="Make it private on its page, or choose another --repo.",
        )
    names = {sibling.rfilename for sibling in found.siblings or []} - set(_OF_HUB)
    if not names:
        return {}
    if MANIFEST in names:
        return {MANIFEST: _read(api, repo, MANIFEST, str(found.sha))}
    some = ", ".join(sorted(names)[:3])
    raise HubError(
        f"{repo} holds other files ({some})",
        expected="a new repository, or one that beekit pushed",
        remedy="Choose another --repo, or a branch of its own with --revision.",
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
    did: by the manifest on it.
    """
    there = {sibling.rfilename for sibling in found.siblings or []}
    gone = sorted((earlier & there) - set(sent.files))
    message = f"Push from beekit: {len(sent.files)} files"
    additions = [CommitOperationAdd(path, content) for path, content in sent.files.items()]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="It seems that you are about to commit a data")
        api.preupload_lfs_files(
            repo, additions, revision=branch, create_pr=create_pr, free_memory=False
        )
        commit: Callable[[], CommitInfo] = lambda: api.create_commit(  # noqa: E731
            repo,
            [*additions, *map(CommitOperationDelete, gone)],
            commit_message=message,
            revision=branch,
            create_pr=create_pr,
            parent_commit=None if create_pr else found.sha,
        )
        for wait in (*WAITS, None):
            try:
                return commit()
            except Exception as error:
                if wait is None or create_pr or not is_passing(error):
                    raise
                time.sleep(wait)
            happened = _happened(api, repo, branch, str(found.sha), sent)
            if happened:
                return happened
    raise AssertionError("the last try returns or raises")


def _happened(api: HfApi, repo: str, branch: str, before: str, sent: Outgoing) -> CommitInfo | None:
    """The commit of a push whose answer was lost; None where it did not happen."""
    now = retried(lambda: api.model_info(repo, revision=branch)).sha
    if now is None or now == before or _read(api, repo, MANIFEST, now) != sent.manifest:
        return None
    url = f"{api.endpoint}/{repo}/commit/{now}"
    return CommitInfo(url, commit_message="", commit_description="", oid=now)


def _require_whole(api: HfApi, repo: str, commit: str, sent: Outgoing) -> None:
    """Compare what the Hub lists in the commit with what was sent.

    Raises:
        HubError: a file missing, or of another size or content.
    """
    listed = retried(lambda: list(api.list_repo_tree(repo, recursive=True, revision=commit)))
    there = {entry.path: entry for entry in listed if isinstance(entry, RepoFile)}
    wrong = [path for path, data in sent.contents() if not _same(there.get(path), data)]
    if wrong:
        raise HubError(
            f"{len(wrong)} of {len(sent.files)} files did not arrive whole "
            f"({', '.join(wrong[:3])})",
            expected=f"all of them in commit {commit[:8]} of {repo}",
            remedy="Give the same command again.",
        )


def _same(entry: RepoFile | None, data: bytes) -> bool:
    """Whether the Hub's entry has this content: by its SHA-256, or the name git gives it."""
    if entry is None:
        return False
    if entry.lfs is not None:
        return entry.lfs.sha256 == hashlib.sha256(data).hexdigest()
    return entry.blob_id == hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _read(api: HfApi, repo: str, path: str, revision: str) -> bytes:
    """A small file of a repository; empty where it is not there."""
    try:
        file = retried(lambda: api.hf_hub_download(repo, path, revision=revision))
    except RemoteEntryNotFoundError:
        return b""
    return Path(file).read_bytes()
