"""The Hub's client, its failures told in one line, and tried again where that may help."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from huggingface_hub import HfApi
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

import beekit
from beekit.errors import BeekitError, HubError

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Seconds between tries of what the client does not try again by itself.
WAITS = (1.0, 3.0, 9.0)
_TOKEN = "Make a token with write access and give it to `hf auth login` or HF_TOKEN."


def client(token: str | None) -> HfApi:
    """The Hub's client, with the saved token where none is given."""
    return HfApi(token=token, library_name="beekit", library_version=beekit.__version__)


def check_repo_name(repo: str) -> None:
    """Refuse what cannot be a repository's name.

    Raises:
        HubError: if `repo` cannot be the name of a repository, `user/name`.
    """
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise _bad_name(repo) from error
    if repo.count("/") != 1:
        raise _bad_name(repo)


def retried(call: Callable[[], T], between: Callable[[Exception], T | None] | None = None) -> T:
    """The result of a call that may fail for a moment.

    Args:
        call: changes nothing by being repeated, unless `between` sees to that.
        between: called after each failure that may pass; what it returns, if not None, is the
            result.
    """
    for wait in (*WAITS, None):
        try:
            return call()
        except Exception as error:
            if not is_passing(error):
                raise
            if between is not None and (result := between(error)) is not None:
                return result
            if wait is None:
                raise
            if wait == WAITS[0]:
                logger.info("the Hub does not answer as it should (%s); trying again", said(error))
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def is_passing(error: BaseException) -> bool:
    """Whether an error is of the network or the server, and may be gone the next time."""
    error = _root(error)
    if isinstance(error, OfflineModeIsEnabled):
        return False
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return error.response.status_code in (408, 429) or error.response.status_code >= 500
    # An error page where JSON belongs is a gateway's.
    return isinstance(error, json.JSONDecodeError) or _of_network(error)


@contextmanager
def one_line(repo: str, api: HfApi) -> Iterator[None]:
    """Failures inside as errors that say what to do.

    Raises:
        HubError: if the client or the network fails inside; every RuntimeError and ValueError
            counts as such a failure, and other errors stay as they are.
    """
    try:
        yield
    except BeekitError:
        raise
    except Exception as error:
        told = _told(_root(error), repo, api)
        if told is None:
            raise
        raise told from error


def _told(error: BaseException, repo: str, api: HfApi) -> HubError | None:
    if isinstance(error, LocalTokenNotFoundError):
        return HubError("no token for the Hub", expected="one with write access", remedy=_TOKEN)
    if isinstance(error, OfflineModeIsEnabled):
        return HubError(
            "HF_HUB_OFFLINE is set",
            expected="leave to use the network",
            remedy="Unset it for this command.",
        )
    if isinstance(error, HfHubHTTPError):
        return _status(error, repo, api)
    # The storage library tells of refusals as it does of the network, by their text alone.
    ours = isinstance(error, (RuntimeError, ConnectionError))
    refused = ours and re.search(r"\b(401|403)\b", str(error))
    if refused or type(error).__name__ == "XetAuthenticationError":
        return _no_right(repo, said(error))
    incomplete = (FileMetadataError, LocalEntryNotFoundError, RuntimeError)
    if isinstance(error, incomplete) or _of_network(error):
        return HubError(
            f"no whole answer from {api.endpoint} ({said(error)})",
            expected="a connection to the Hub",
            remedy="Check the network, or HF_ENDPOINT; the same command goes on where it stopped.",
        )
    if isinstance(error, ValueError):  # how the client tells of metadata and LFS refused
        return HubError(
            f"the Hub refuses the upload to {repo}: {said(error)}",
            expected="metadata and files that it takes",
            remedy="Correct the card's YAML file.",
        )
    return None


def _status(error: HfHubHTTPError, repo: str, api: HfApi) -> HubError:
    status = error.response.status_code if error.response is not None else 0
    if isinstance(error, GatedRepoError):
        return HubError(
            f"{repo} is gated",
            expected="a token of somebody who may read it",
            remedy="Ask for access on its page.",
        )
    if isinstance(error, RevisionNotFoundError):
        return HubError(
            f"no such revision of {repo}",
            expected="a branch, tag or commit that is there",
            remedy="Check --revision.",
        )
    if isinstance(error, RepositoryNotFoundError):
        return HubError(
            f"no repository {repo}, or a private one this token may not see",
            expected="a model on the Hub",
            remedy="Check the name and the token.",
        )
    if status == 401:
        return HubError("a token the Hub does not know", expected="a valid one", remedy=_TOKEN)
    if status == 403:
        return _no_right(repo, said(error))
    if status in (409, 412):
        return HubError(
            f"{repo} has changed while this was pushed",
            expected="nobody else writing to it",
            remedy="Give the same command again.",
        )
    passing = status in (408, 429) or status >= 500
    return HubError(
        f"{api.endpoint} answers {status} ({said(error)})",
        expected="success",
        remedy="The same command goes on where it stopped."
        if passing
        else "Check what it says about the repository.",
    )


def _no_right(repo: str, why: str) -> HubError:
    return HubError(
        f"no right to that with {repo} ({why})",
        expected="a token with access to that user or organisation",
        remedy="Choose another --repo, or log in as its owner.",
    )


def _root(error: BaseException) -> BaseException:
    """Of an error and what it was raised from, the one that says most: the Hub's own word, then
    the network's, then the first."""
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    own = (HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled)
    for says_more in (lambda e: isinstance(e, own), _of_network):
        for one in chain:
            if says_more(one):
                return one
    return error


def _of_network(error: BaseException) -> bool:
    """Errors of the client's HTTP library, whose name depends on the client's version."""
    return isinstance(error, ConnectionError) or type(error).__module__.startswith("httpx")


def said(error: BaseException) -> str:
    said = error.server_message if isinstance(error, HfHubHTTPError) else None
    text = said or " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}…"


def _bad_name(repo: str) -> HubError:
    return HubError(
        f"--repo {repo}",
        expected="user/name, of letters, digits, '-', '_' and '.'",
        remedy="Correct the name.",
    )
