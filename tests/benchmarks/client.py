"""A client of its own process: HTTP/1.1 over sockets, as lean as Python allows, so that the server is what is timed.

It is run with one argument, JSON: see `Load`. It prints JSON: requests a second, and the 99th percentile in seconds.
"""

import json
import secrets
import socket
import ssl
import statistics
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

DRAWN = "{drawn}"
"""Stands for 64 digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Describe what is sent.

    Attributes:
        host: of the server.
        port: of the server.
        path: of every request.
        requests: of each caller.
        callers: at once.
        certificate: PEM file with the key; None for plain HTTP.
        headers: of every request; where a value holds `DRAWN`, each request has other digits there.
        reconnects: each request has a connection of its own.
        status: that every answer must have.
    """

    host: str
    port: int
    path: str
    requests: int
    callers: int
    certificate: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reconnects: bool = False
    status: int = 200

    def as_argument(self) -> str:
        """Return what the command line takes."""
        return json.dumps(asdict(self))


class Caller:
    """Send requests one after the other, and keep the time of each."""

    def __init__(self, load: Load) -> None:
        self.seconds: list[float] = []
        self._load = load
        lines = [f"GET {load.path} HTTP/1.1", f"Host: {load.host}", *(f"{k}: {v}" for k, v in load.headers.items())]
        self._request, *self._rest = (part.encode("ascii") for part in ("\r\n".join(lines) + "\r\n\r\n").split(DRAWN))
        self._expected = f"HTTP/1.1 {load.status} ".encode()
        self._tls: ssl.SSLContext | None = None
        if load.certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE  # the server's certificate is not what is timed
            self._tls.load_cert_chain(load.certificate)

    def run(self) -> None:
        """Send all of them."""
        connection = self._connect()
        for number in range(self._load.requests):
            begin = time.perf_counter()
            if self._load.reconnects and number:
                connection.close()
                connection = self._connect()
            drawn = (secrets.token_hex(32).encode() + part for part in self._rest)
            connection.sendall(self._request + b"".join(drawn))
            self._read(connection)
            self.seconds.append(time.perf_counter() - begin)
        connection.close()

    def _connect(self) -> socket.socket:
        plain = socket.create_connection((self._load.host, self._load.port), timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain if self._tls is None else self._tls.wrap_socket(plain)

    def _read(self, connection: socket.socket) -> None:
        head, end, body = connection.recv(65536), -1, b""
        while (end := head.find(b"\r\n\r\n")) < 0:
            more = connection.recv(65536)
            if not more:
                raise ConnectionError("the server hung up")
            head += more
        if not head.startswith(self._expected):
            raise ConnectionError(f"an answer that was not expected: {head[:200]!r}")
        fields = head[:end].lower()
        start = fields.index(b"content-length:") + len(b"content-length:")
        length = int(fields[start:].split(b"\r\n", 1)[0])
        body = head[end + 4 :]
        while len(body) < length:
            body += connection.recv(65536)


def main(argument: str) -> None:
    """Send a load, and print what was measured."""
    load = Load(**json.loads(argument))
    callers = [Caller(load) for _ in range(load.callers)]
    threads = [threading.Thread(target=caller.run) for caller in callers]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - begin
    seconds = [one for caller in callers for one in caller.seconds]
    if len(seconds) < load.callers * load.requests:
        raise SystemExit(1)
    sys.stdout.write(json.dumps([len(seconds) / spent, statistics.quantiles(seconds, n=100)[98]]))


if __name__ == "__main__":
    main(sys.argv[1])
