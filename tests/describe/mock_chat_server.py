"""A chat endpoint on this machine that answers, and fails, as a test says."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Say:
    """An answer, after so many seconds."""

    text: str | None
    finish: str = "stop"
    after: float = 0.0
    message: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Fail:
    """An HTTP status with a body and headers."""

    status: int
    body: str = '{"error": {"message": "failed"}}'
    headers: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """The connection closed in the middle of an answer."""


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    path: str
    question: str
    body: dict
    key: str | None


class ChatServer(ThreadingHTTPServer):
    """Answers `/.../chat/completions` by `plan(question, times it was asked before)`."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, plan: Callable[[str, int], Say | Fail | Cut]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.plan = plan
        self.log: list[Asked] = []
        self.times: Counter[str] = Counter()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def questions(self) -> list[str]:
        return [asked.question for asked in self.log]

    def __exit__(self, *details: object) -> None:
        self.shutdown()
        super().__exit__(*details)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = body["messages"][-1]["content"]
        with server.lock:
            before = server.times[question]
            server.times[question] += 1
            server.log.append(Asked(self.path, question, body, self.headers.get("Authorization")))
        self._answer(server.plan(question, before), question)

    def _answer(self, action: Say | Fail | Cut, question: str) -> None:
        if isinstance(action, Cut):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices": [')
            self.close_connection = True
            return
        if isinstance(action, Fail):
            self._send(action.status, action.body, action.headers)
            return
        time.sleep(action.after)
        message = {"role": "assistant", "content": action.text, **action.message}
        written = len((action.text or "").split())
        completion = {
            "choices": [{"index": 0, "message": message, "finish_reason": action.finish}],
            "usage": {"prompt_tokens": len(question.split()), "completion_tokens": written},
        }
        self._send(200, json.dumps(completion), {})

    def _send(self, status: int, body: str, headers: dict) -> None:
        content = body.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *details: object) -> None:
        """Nothing on standard error."""
