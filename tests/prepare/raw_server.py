"""A publisher's server on this machine, which serves, and fails, as a test says."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class RawServer:
    """Serves `files` by their paths.

    `faults[path]` are consumed one a request: a number is answered as HTTP status, "cut" breaks the
    connection in the middle of what was asked for, "stop" before the first byte.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[int | str]] = defaultdict(list)
        self.asked: list[tuple[str, str | None]] = []
        self.ranges = True
        self.tag = '"{}"'
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> RawServer:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def _handler(publisher: RawServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            publisher.asked.append((path, self.headers.get("Range")))
            faults = publisher.faults[path]
            fault = faults.pop(0) if faults else None
            if isinstance(fault, int):
                self.send_error(fault)
                return
            if path not in publisher.files:
                self.send_error(404)
                return
            self._serve(publisher.files[path], fault)

        def _serve(self, content: bytes, fault: str | None) -> None:
            tag = publisher.tag.format(hashlib.sha1(content).hexdigest())
            begin = 0
            wanted = self.headers.get("Range")
            same = self.headers.get("If-Range", tag) == tag
            if publisher.ranges and wanted and same:
                begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if begin >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header(
                    "Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}"
                )
            else:
                self.send_response(200)
            if publisher.tag:
                self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            rest = content[begin:]
            self.wfile.write({"cut": rest[: len(rest) // 2], "stop": b""}.get(fault or "", rest))

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler
