"""The Hub's client: calls tried again where that may help, and failures told in one line."""

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

# Seconds between tries.
WAITS = (1.0, 3.0, 9.0)
_TOKEN = "Make a token with write access and give it to `hf auth login` or HF_TOKEN."
# What was found, what was expected, and what to do; of the error's class, else of its status.
_NO_RIGHT = (
    "no right to that with {repo} ({said})",
    "a token with access to that user or organisation",
    "Choose another --repo, or log in as its owner.",
)
_OVERTAKEN = ("{repo} has changed while this was pushed", "no other writer", "Push again.")
_BY_CLASS = {
    errors.LocalTokenNotFoundError: ("no token for the Hub", "one with write access", _TOKEN),
    errors.OfflineModeIsEnabled: ("HF_HUB_OFFLINE is set", "leave to use the network", "Unset it."),
    errors.GatedRepoError: ("{repo} is gated", "a token that may read it", "Ask on its page."),
    errors.RevisionNotFoundError: ("no such revision of {repo}", "one it has", "Check --revision."),
    errors.RepositoryNotFoundError: (
        "no repository {repo}, or a private one this token may not see",
        "a model on the Hub",
        "Check the name and the token.",
    ),
}
_BY_STATUS: Mapping[int | None, tuple[str, str, str]] = {
    401: ("a token the Hub does not know", "a valid one", _TOKEN),
    403: _NO_RIGHT,
    409: _OVERTAKEN,
    412: _OVERTAKEN,
}


def client(token: str | None) -> HfApi:
    """The Hub's client, with the saved token where none is given."""
    return HfApi(token=token, library_name="beekit", library_version=beekit.__version__)


def check_repo_name(repo: str) -> None:
    """Refuse what cannot be a repository's name, `user/name`."""
    try:
        validate_repo_id(repo)
        fits = repo.count("/") == 1
    except errors.HFValidationError:
        fits = False
    if not fits:
        expected = "user/name, of letters, digits, '-', '_' and '.'"
        raise HubError(f"--repo {repo}", expected=expected, remedy="Correct the name.")


def ask(api: HfApi, repo: str, call: Callable[[], T]) -> T:
    """The result of a call to the Hub, made again where the network or the server failed it.

    The client repeats the requests that move large files, and not those that it cannot know to be
    harmless: who we are, what a repository holds, a commit.

    `call` must do the same when it is made again after it failed anywhere. A failure of the client
    or the network, as which every RuntimeError and ValueError counts, becomes a HubError.
    """
    for tries, wait in enumerate((*WAITS, None)):
        try:
            return call()
        except BeekitError:
            raise
        except Exception as error:
            root = _root(error)
            # A commit whose answer was lost may arrive after we looked, and refuse the next.
            late = tries > 0 and _status(root) in (409, 412)
            if wait is not None and (late or is_passing(root)):
                if tries == 0:
                    logger.info("trying again, since the Hub failed (%s)", _said(root))
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
    """Whether an error is of the network or the server, and may be gone the next time."""
    error = _root(error)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return False
    if (status := _status(error)) is not None:
        return status in (408, 429) or status >= 500
    # An error page where JSON belongs is a gateway's.
    return isinstance(error, json.JSONDecodeError) or _of_network(error)


def _line(error: BaseException) -> tuple[str, str, str] | None:
    """What to say of a failure; None where it is not of the Hub."""
    for kind, line in _BY_CLASS.items():
        if isinstance(error, kind):
            return line
    if (status := _status(error)) in _BY_STATUS:
        return _BY_STATUS[status]
    if isinstance(error, errors.HfHubHTTPError):
        later = "The same command goes on where it stopped."
        remedy = later if is_passing(error) else "Check what it says about the repository."
        return "{endpoint} answers {status} ({said})", "success", remedy
    # The storage library tells of refusals as it does of the network, by their text alone.
    of_storage = isinstance(error, (RuntimeError, ConnectionError))
    refused = of_storage and re.search(r"\b(401|403)\b", str(error))
    if refused or type(error).__name__ == "XetAuthenticationError":
        return _NO_RIGHT
    incomplete = (errors.FileMetadataError, errors.LocalEntryNotFoundError, RuntimeError)
    if isinstance(error, incomplete) or _of_network(error):
        return (
            "no whole answer from {endpoint} ({said})",
            "a connection to the Hub",
            "Check the network, or HF_ENDPOINT; the same command goes on where it stopped.",
        )
    if isinstance(error, ValueError):  # how the client tells of metadata and LFS refused
        return (
            "the Hub refuses the upload to {repo}: {said}",
            "metadata and files that it takes",
            "Correct the card's YAML file.",
        )
    return None


def _root(error: BaseException) -> BaseException:
    """Of an error and what it was raised from, the one that says most: the Hub's own word, then
    the network's, then the first."""
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    own = (errors.HfHubHTTPError, errors.LocalTokenNotFoundError, errors.OfflineModeIsEnabled)
    found = [one for one in chain if isinstance(one, own)] + [e for e in chain if _of_network(e)]
    return (found or chain)[0]


def _status(error: BaseException) -> int | None:
    """The HTTP status of the Hub's answer, where it is one."""
    answer = error.response if isinstance(error, errors.HfHubHTTPError) else None
    return None if answer is None else answer.status_code


def _of_network(error: BaseException) -> bool:
    """Errors of the client's HTTP library, whose name depends on the client's version."""
    return isinstance(error, ConnectionError) or type(error).__module__.startswith("httpx")


def _said(error: BaseException) -> str:
    said = error.server_message if isinstance(error, errors.HfHubHTTPError) else None
    text = said or " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}…"
