"""A chat model at an endpoint with OpenAI's protocol, such as vLLM.

The package `openai` is not used. It limits retries by number and not by time, waits at most 8 s
between two, gives up at a `Retry-After` above 120 s, and does not check that an answer is a chat
completion. It would only send the request, with headers that describe this machine.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from beekit.describe.chat import Reply, Sampling, require_setting
from beekit.describe.request import Outcome, Permanent, Refused, Temporary, post
from beekit.errors import ConfigError, DescribeError

_PRINTABLE = "[!-~]+"  # ASCII without spaces
_LONGEST_WAIT = 60.0  # seconds between two attempts, unless the endpoint asks for more


@dataclass(frozen=True)
class EndpointChat:
    """A model served at an OpenAI-compatible endpoint, asked many questions at a time.

    Temporary failures (timeouts, cut connections, status 408, 409, 425, 429 and 5xx) are tried
    again. The wait doubles each time and is shortened at random by up to half, or is what
    `Retry-After` says. If a question has no answer after `patience` seconds while others are
    answered, only this question is given up. The same holds for a question that the endpoint
    refuses (400, 413, 422) if it accepts a simple question with the same settings. Redirects are
    not followed, because they would send the key to another server.

    Attributes:
        url: URL of the server, `http://host:8000`, or of its API, `https://host/v1`.
        model: name of the model at the endpoint.
        sampling: how answers are drawn.
        key: bearer token; None for an endpoint that needs none.
        key_name: where the key comes from, for messages.
        concurrency: number of questions asked at once.
        timeout: seconds without a byte after which an attempt fails.
        patience: seconds after which a question that keeps failing is given up.
        first_wait: seconds, approximately, between the first and the second attempt.

    Raises:
        ConfigError: if `url` is not a plain http or https URL, if `key` is empty or holds anything
            other than printable ASCII without spaces, or if a number is not above 0.
    """

    url: str
    model: str
    sampling: Sampling = field(default_factory=Sampling)
    key: str | None = field(default=None, repr=False)
    key_name: str = "key"
    concurrency: int = 16
    timeout: float = 120.0
    patience: float = 600.0
    first_wait: float = 1.0

    def __post_init__(self) -> None:
        _ = self.address
        if self.key is not None and not re.fullmatch(_PRINTABLE, self.key):
            raise ConfigError(
                f"a key in {self.key_name} that is empty, or holds spaces, line ends or other "
                "characters that no key has",
                expected="letters, digits and punctuation, as the provider gave it",
                remedy=f"Set {self.key_name} again, or unset it.",
            )
        for name in ("concurrency", "timeout", "patience", "first_wait"):
            value = getattr(self, name)
            require_setting(name, value, value > 0, "a number above 0")

    @property
    def identity(self) -> dict[str, Any]:
        """Model and sampling. The address is not part of it, so that a job can go on with the same
        model at another address."""
        sampling = {**self.sampling.identity, "extra": self.sampling.extra}
        return {"model": self.model, "served": "endpoint", **sampling}

    @property
    def address(self) -> str:
        """The URL that questions are posted to."""
        try:
            parts = urlsplit(self.url)
            plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            plain = False
        if not plain or not re.fullmatch(_PRINTABLE, self.url) or re.search("[@?#]", self.url):
            hidden = "@" in self.url or "?" in self.url  # not shown: it may hold a password or key
            raise ConfigError(
                "an endpoint URL with a user name, password or query"
                if hidden
                else f"endpoint URL {self.url!r}",
                expected="a URL such as http://localhost:8000/v1",
                remedy="Correct it; put a key into an environment variable.",
            )
        path = parts.path.rstrip("/")
        if not path.endswith("/chat/completions"):
            path = (path or "/v1") + "/chat/completions"
        return f"{parts.scheme}://{parts.netloc}{path}"

    def answers(self, questions: Sequence[str]) -> Iterator[list[tuple[int, Reply]]]:
        """Replies as they arrive; see `ChatModel.answers`.

        Raises:
            DescribeError: if the endpoint refuses the key, the model, the address or the settings,
                if it cannot be reached, if it answers no question for `patience` seconds, or if it
                asks to wait longer than that.
        """
        workers = min(self.concurrency, len(questions))
        waiting: SimpleQueue[int | None] = SimpleQueue()
        for position in (*range(len(questions)), *[None] * workers):  # None ends a worker
            waiting.put(position)
        finished: SimpleQueue[tuple[int, Reply | Exception]] = SimpleQueue()
        around = _Round(self)

        def work() -> None:
            for position in iter(waiting.get, None):
                try:
                    reply = around.ask(questions[position])
                except Exception as error:  # raised again where the replies are read
                    finished.put((position, error))
                    return
                if reply is None:
                    return
                finished.put((position, reply))

        for _ in range(workers):  # daemon threads, so that Ctrl-C does not wait for a slow answer
            threading.Thread(target=work, daemon=True).start()
        left = len(questions)
        try:
            while left:
                arrived = [finished.get()]
                while not finished.empty():
                    arrived.append(finished.get())
                replies = [(at, reply) for at, reply in arrived if isinstance(reply, Reply)]
                left -= len(replies)
                if replies:
                    yield replies
                for _, error in arrived:
                    if isinstance(error, Exception):
                        raise error
        finally:
            around.over.set()


class _Round:
    """The questions of one call of `answers`, and what their outcomes show about the endpoint."""

    def __init__(self, endpoint: EndpointChat) -> None:
        self.endpoint = endpoint
        self.over = threading.Event()  # set when replies are no longer read
        self.last_answer = float("-inf")  # time of the endpoint's last answer, monotonic clock
        self.probing = threading.Lock()

    def ask(self, question: str) -> Reply | None:
        """The reply to a question, after as many attempts as needed; None if `over` is set."""
        began = time.monotonic()
        attempts = 0
        while not self.over.is_set():
            outcome = self._post(question)
            attempts += 1
            if isinstance(outcome, Reply):
                return outcome
            if isinstance(outcome, Refused):
                if not outcome.certain:
                    self._require_accepted_settings(outcome)
                return Reply("", problem=outcome.why)
            if isinstance(outcome, Permanent):
                raise self._end(*outcome)
            wait = self._wait(outcome, attempts)
            if time.monotonic() + wait - began > self.endpoint.patience:
                limited = (outcome.retry_after or 0.0) > self.endpoint.patience
                if self.last_answer < began or limited:
                    later = f", asking to wait {wait:.0f} s" if limited else ""
                    raise self._end(
                        f"no answer in {attempts} attempts, the last: {outcome.why}{later}",
                        "an endpoint that answers",
                        "Check the endpoint, then give the same command again; it goes on where "
                        "this one stopped.",
                    )
                return Reply("", problem=f"{outcome.why}, {attempts} attempts", unanswered=True)
            self.over.wait(wait)
        return None

    def _wait(self, outcome: Temporary, attempts: int) -> float:
        if outcome.retry_after is not None:  # never without any wait, even if it says "0"
            return max(outcome.retry_after, self.endpoint.first_wait / 2)
        longest = min(self.endpoint.first_wait * 2.0 ** min(attempts - 1, 30), _LONGEST_WAIT)
        return random.uniform(0.5, 1.0) * longest  # random, so that questions do not retry at once

    def _post(self, question: str) -> Outcome:
        chosen = self.endpoint
        body = {
            "model": chosen.model,
            "messages": [{"role": "user", "content": question}],
            **chosen.sampling.identity,
            **chosen.sampling.extra,
        }
        body = {name: value for name, value in body.items() if value is not None}
        outcome = post(chosen.address, body, chosen.key, chosen.timeout)
        if isinstance(outcome, Reply):
            self.last_answer = time.monotonic()
        elif isinstance(outcome, Temporary) and outcome.strange and self.last_answer < 0:
            remedy = "Check the address; it often ends in /v1."
            return Permanent(outcome.why, "a chat completion", remedy)
        return outcome

    def _require_accepted_settings(self, refused: Refused) -> None:
        """Check by a simple question whether the endpoint refuses the settings or one question.

        Raises:
            DescribeError: if it has not answered anything yet and refuses the simple question too.
        """
        with self.probing:
            if self.last_answer < 0 and isinstance(self._post("Say hello."), Refused | Permanent):
                remedy = "Change the setting that the message names; `extra` sets further fields."
                raise self._end(refused.why, "settings that the endpoint accepts", remedy)

    def _end(self, found: str, expected: str, remedy: str) -> DescribeError:
        where = f"{self.endpoint.model!r} at {self.endpoint.address}"
        remedy = remedy.replace("KEY", self.endpoint.key_name)
        return DescribeError(f"{where}: {found}", expected=expected, remedy=remedy)
