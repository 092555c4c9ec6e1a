"""A host of CRLs on loopback that a test changes, breaks, and holds in the middle of an answer."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LIMIT = 60.0
"""Seconds after which an answer that nobody let go goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold what is answered.

    Attributes:
        body: as it is sent.
        status: HTTP status code.
        headers: beside the length.
        length: that is told; None for the true one.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


class CRLHost(ThreadingHTTPServer):
    """Serve lists by their paths.

    Attributes:
        answers: by path; without one the answer is 404.
        asked: how often each path was asked for.
        holding: set while an answer is held.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers: dict[str, bytes | Answer] = {}
        self.asked: Counter[str] = Counter()
        self.holding = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def hold(self) -> None:
        """Send only the first half of each answer from now on, until `let_go`."""
        self.holding.clear()
        self.go.clear()

    def let_go(self) -> None:
        self.go.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a caller that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: CRLHost

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        found = self.server.answers.get(self.path, Answer(status=404))
        answer = Answer(body=found) if isinstance(found, bytes) else found
        self.send_response(answer.status)
        for header in answer.headers.items():
            self.send_header(*header)
        self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
        self.end_headers()
        half = len(answer.body) // 2
        self.wfile.write(answer.body[:half])
        if not self.server.go.is_set():
            self.server.holding.set()
            self.server.go.wait(LIMIT)
        self.wfile.write(answer.body[half:])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def run_crl_host(port: int = 0) -> Iterator[CRLHost]:
    """Run a host until the block ends."""
    with CRLHost(port) as host:
        thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield host
        finally:
            host.let_go()
            host.shutdown()
            thread.join(10)
