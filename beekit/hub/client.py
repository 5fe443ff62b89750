"""Calls to the Hub: they are repeated if that may help, and their errors become one line."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from huggingface_hub import HfApi, errors
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

import beekit
from beekit.errors import BeekitError, HubError

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Seconds to wait before each new try.
WAITS = (1.0, 3.0, 9.0)
_TOKEN = "Make a token with write access and give it to `hf auth login` or HF_TOKEN."
# What was found, what was expected, and what to do; by the class of the error, else by its status.
_NO_RIGHT = (
    "no permission to do this with {repo} ({said})",
    "a token with access to that user or organisation",
    "Choose another --repo, or log in as its owner.",
)
_OVERTAKEN = (
    "{repo} was changed by somebody else during this push",
    "nobody else pushing at the same time",
    "Push again.",
)
_BY_CLASS = {
    errors.LocalTokenNotFoundError: ("no token for the Hub", "one with write access", _TOKEN),
    errors.OfflineModeIsEnabled: (
        "HF_HUB_OFFLINE is set, which forbids to use the network",
        "access to the network",
        "Unset HF_HUB_OFFLINE.",
    ),
    errors.GatedRepoError: (
        "{repo} is gated",
        "a token that may read it",
        "Request access on its page.",
    ),
    errors.RevisionNotFoundError: (
        "no such revision of {repo}",
        "a branch, tag or commit of it",
        "Check --revision.",
    ),
    errors.RepositoryNotFoundError: (
        "no repository {repo}, or a private one that this token may not read",
        "a model on the Hub",
        "Check the name and the token.",
    ),
}
_BY_STATUS: Mapping[int | None, tuple[str, str, str]] = {
    401: ("a token that the Hub does not know", "a valid token", _TOKEN),
    403: _NO_RIGHT,
    409: _OVERTAKEN,
    412: _OVERTAKEN,
}


def client(token: str | None) -> HfApi:
    """The Hub's client; it uses the saved token if `token` is None."""
    return HfApi(token=token, library_name="beekit", library_version=beekit.__version__)


def check_repo_name(repo: str) -> None:
    """Check that `repo` can be a repository's name, `user/name`.

    Raises:
        HubError: if it cannot.
    """
    try:
        validate_repo_id(repo)
        fits = repo.count("/") == 1
    except errors.HFValidationError:
        fits = False
    if not fits:
        expected = "user/name, with letters, digits, '-', '_' and '.'"
        raise HubError(f"--repo {repo}", expected=expected, remedy="Correct the name.")


def ask(api: HfApi, repo: str, call: Callable[[], T]) -> T:
    """The result of a call to the Hub, which is repeated if the network or the server failed.

    huggingface_hub itself repeats requests for large files, but not the others: the user's name,
    the content of a repository, a commit.

    Args:
        api: the client.
        repo: the repository, for messages.
        call: what to do. It has to be safe to repeat after it failed at any point.

    Raises:
        HubError: if the call fails for good. Every RuntimeError and ValueError counts as a failure
            of the client or the network.
    """
    for tries, wait in enumerate((*WAITS, None)):
        try:
            return call()
        except BeekitError:
            raise
        except Exception as error:
            root = _root(error)
            # A commit whose answer was lost may be made after we read the branch; then the next try
            # is refused with this status.
            late = tries > 0 and _status(root) in (409, 412)
            if wait is not None and (late or is_passing(root)):
                if tries == 0:
                    logger.info(
                        "trying again, because the request to the Hub failed (%s)", _said(root)
                    )
                time.sleep(wait)
                continue
            if (line := _line(root)) is None:
                raise
            known = {"repo": repo, "endpoint": api.endpoint, "status": _status(root)}
            found, expected, remedy = line
            found = found.format(**known, said=_said(root))
            raise HubError(found, expected=expected, remedy=remedy) from error
    raise AssertionError("the last try returns or raises")


def is_passing(error: BaseException) -> bool:
    """Whether an error comes from the network or the server, so that trying again may help."""
    error = _root(error)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return False
    if (status := _status(error)) is not None:
        return status in (408, 429) or status >= 500
    # A page that is not JSON comes from a gateway.
    return isinstance(error, json.JSONDecodeError) or _of_network(error)


def _line(error: BaseException) -> tuple[str, str, str] | None:
    """What was found, expected and to do for an error; None if it does not come from the Hub."""
    for kind, line in _BY_CLASS.items():
        if isinstance(error, kind):
            return line
    if (status := _status(error)) in _BY_STATUS:
        return _BY_STATUS[status]
    if isinstance(error, errors.HfHubHTTPError):
        later = "Give the same command again later; it goes on where it stopped."
        remedy = later if is_passing(error) else "Check the repository, as the message says."
        return "{endpoint} answers {status} ({said})", "success", remedy
    # Errors of the storage library do not have a status, but their texts name it.
    of_storage = isinstance(error, (RuntimeError, ConnectionError))
    refused = of_storage and re.search(r"\b(401|403)\b", str(error))
    if refused or type(error).__name__ == "XetAuthenticationError":
        return _NO_RIGHT
    incomplete = (errors.FileMetadataError, errors.LocalEntryNotFoundError, RuntimeError)
    if isinstance(error, incomplete) or _of_network(error):
        return (
            "no complete answer from {endpoint} ({said})",
            "a connection to the Hub",
            "Check the network and HF_ENDPOINT; then give the same command again, which goes on "
            "where it stopped.",
        )
    if isinstance(error, ValueError):  # raised by the client if metadata or LFS files are refused
        return (
            "the Hub refuses the upload to {repo}: {said}",
            "metadata and files that it accepts",
            "Correct the card's YAML file.",
        )
    return None


def _root(error: BaseException) -> BaseException:
    """The most informative error among `error` and its causes: one of the Hub, else one of the
    network, else `error` itself."""
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    own = (errors.HfHubHTTPError, errors.LocalTokenNotFoundError, errors.OfflineModeIsEnabled)
    found = [one for one in chain if isinstance(one, own)] + [e for e in chain if _of_network(e)]
    return (found or chain)[0]


def _status(error: BaseException) -> int | None:
    """The HTTP status of the Hub's answer; None if the error has no answer."""
    answer = error.response if isinstance(error, errors.HfHubHTTPError) else None
    return None if answer is None else answer.status_code


def _of_network(error: BaseException) -> bool:
    """Whether the error comes from the network or from the HTTP library of huggingface_hub."""
    return isinstance(error, ConnectionError) or type(error).__module__.startswith("httpx")


def _said(error: BaseException) -> str:
    said = error.server_message if isinstance(error, errors.HfHubHTTPError) else None
    text = said or " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}…"
