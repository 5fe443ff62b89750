"""One request to a chat endpoint, and its outcome: a reply, or one of three kinds of failure."""

from __future__ import annotations

import json
import socket
import ssl
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from beekit.describe.chat import Reply
from beekit.retry_after import retry_after_seconds

_AGAIN = frozenset({408, 409, 425, 429})
_THIS_QUESTION = frozenset({400, 413, 422})


class Refused(NamedTuple):
    """The endpoint refuses this question. Unless `certain`, it may refuse all questions with these
    settings."""

    why: str
    certain: bool = False


class Temporary(NamedTuple):
    """Another attempt may help, after `retry_after` seconds if the endpoint names a time. `strange`
    means that the answer was no chat completion."""

    why: str
    retry_after: float | None = None
    strange: bool = False


class Permanent(NamedTuple):
    """Another attempt cannot help, with this or any other question."""

    why: str
    expected: str
    remedy: str


Outcome = Reply | Refused | Temporary | Permanent


def post(address: str, body: dict[str, Any], key: str | None, timeout: float) -> Outcome:
    """Send one request. Proxies are taken from the environment. No outcome contains the key."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = Request(address, json.dumps(body).encode("ascii"), headers)
    try:
        with _opener.open(request, timeout=timeout) as response:
            return _reply(response.read())
    except HTTPError as error:
        with error:
            return _status(error, key)
    except (OSError, HTTPException) as error:
        return _broken(error)


class _Stay(HTTPRedirectHandler):
    """Follows no redirects, because urllib would send the key to the new address."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = build_opener(_Stay)


def _reply(content: bytes) -> Outcome:
    try:
        answer = json.loads(content)
        choice = answer["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content") or "", message.get("refusal")
        finish = choice.get("finish_reason")
        usage = answer.get("usage") or {}
        tokens = [int(usage.get(f"{part}_tokens") or 0) for part in ("prompt", "completion")]
        if not isinstance(text, str):
            raise TypeError("an answer that is not text")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return Temporary("an answer that is not a chat completion", strange=True)
    problem = ""
    if finish == "content_filter":
        problem = "content filter"
    elif refusal and not text:
        text, problem = str(refusal), "refusal"
    return Reply(text, finish == "length", problem, False, *tokens)


def _status(error: HTTPError, key: str | None) -> Outcome:
    code = error.code
    try:
        message = error.read(10_000).decode("utf-8", "replace")
    except (OSError, HTTPException):
        message = ""
    reason = _message(message, key)
    why = f"HTTP {code} ({reason})" if reason else f"HTTP {code}"
    if code in (401, 403):  # the message is not shown, because it may repeat parts of the key
        return Permanent(f"HTTP {code}", "a key that it accepts", "Set KEY to a valid key.")
    if code == 429 and "insufficient_quota" in message:
        return Permanent(
            why, "a quota that is not used up", "Raise it, then give the same command again."
        )
    if code in _AGAIN or code >= 500:
        return Temporary(why, retry_after_seconds(error.headers.get("Retry-After")))
    if code in _THIS_QUESTION:
        if "content_filter" in message:
            return Refused("content filter", certain=True)
        return Refused(why, certain="context_length" in message or "context length" in message)
    if code == 404:
        return Permanent(why, "a model that it serves", "Check the model's name and the address.")
    if code < 400:
        return Permanent(f"HTTP {code}, a redirect", "an answer", "Use the address it leads to.")
    remedy = "Do what the message says, then give the same command again."
    return Permanent(why, "an answer", remedy)


def _broken(error: Exception) -> Outcome:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, ConnectionRefusedError):
        remedy = "Start the server, or correct the address."
        return Permanent("connection refused", "a server at this address", remedy)
    if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
        return Permanent("no such host", "the name of a machine", "Correct the address.")
    if isinstance(cause, ssl.SSLCertVerificationError):
        remedy = "Set SSL_CERT_FILE to the file of its certificate authority."
        return Permanent(
            "a certificate that cannot be verified", "one of a known authority", remedy
        )
    if isinstance(cause, TimeoutError):
        return Temporary("timeout")
    return Temporary(f"connection broken: {type(cause).__name__}")


def _message(content: str, key: str | None) -> str:
    """The endpoint's message in one line of at most 200 characters, without the key."""
    try:
        told: Any = json.loads(content)
        for name in ("error", "message", "detail"):
            if isinstance(told, dict) and name in told:
                told = told[name]
    except ValueError:
        told = content
    line = " ".join(str(told).split())
    if key:
        line = line.replace(key, "***")
    return line if len(line) <= 200 else line[:199] + "…"
