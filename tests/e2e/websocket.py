"""A caller that opens a WebSocket, for one message. No thread of its own: every wait ends with its connection's."""

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, RejectConnection, Request, TextMessage

from tests.e2e.callers import TIMEOUT, connect
from tests.e2e.processes import HOST

_READ = 65_536
SWITCHING = 101


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Hold what became of it.

    Attributes:
        status: of the answer to the handshake; 101 where it was accepted.
        text: the first message of the server; empty where it was refused.
        own: the caller's own address.
    """

    status: int
    text: str
    own: tuple[str, int]


def open_websocket(
    port: int,
    context: ssl.SSLContext | None,
    path: str = "/",
    headers: Iterable[tuple[str, str]] = (),
    *,
    host: str = HOST,
) -> Opened:
    """Open one, with TLS or without, and take its first message."""
    if context is None:
        with socket.create_connection((HOST, port), timeout=TIMEOUT) as plain:
            return _exchange(plain, host, path, headers)
    with connect(port, context, host=host) as secure:
        return _exchange(secure, host, path, headers)


def _exchange(connection: socket.socket, host: str, path: str, headers: Iterable[tuple[str, str]]) -> Opened:
    websocket = WSConnection(ConnectionType.CLIENT)
    extra = [(name.encode(), value.encode()) for name, value in headers]
    connection.sendall(websocket.send(Request(host=host, target=path, extra_headers=extra)))
    own, status, text = connection.getsockname(), 0, ""
    while True:
        data = connection.recv(_READ)
        websocket.receive_data(data or None)
        for event in websocket.events():
            match event:
                case AcceptConnection():
                    status = SWITCHING
                case RejectConnection():
                    return Opened(status=event.status_code, text="", own=own)
                case TextMessage():
                    text += event.data
                    if event.message_finished:
                        return Opened(status=status, text=text, own=own)
        if not data:
            raise AssertionError(f"the connection ended after the status {status}")
