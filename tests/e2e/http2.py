"""A caller that speaks HTTP/2, for one request."""

import json
import ssl
from collections.abc import Sequence
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, StreamEnded, StreamReset

from tests.e2e.callers import connect
from tests.e2e.processes import HOST

Fields = Sequence[tuple[str, str]]

_STREAM = 1
_READ = 65_536


def ask_http2(
    port: int, context: ssl.SSLContext, *, headers: Fields = (), trailers: Fields = ()
) -> tuple[dict[str, Any], tuple[str, int]]:
    """Return what `echo` saw of a request on a new connection, and the caller's own address."""
    context.set_alpn_protocols(["h2"])
    with connect(port, context) as connection:
        assert connection.selected_alpn_protocol() == "h2"
        facts = json.loads(_exchange(connection, headers, trailers).splitlines()[-1])
        assert isinstance(facts, dict)
        return facts, connection.getsockname()


def _exchange(connection: ssl.SSLSocket, headers: Fields, trailers: Fields) -> bytes:
    # Names in capitals or with an underscore are for the server to judge.
    http2 = H2Connection(H2Configuration(header_encoding="utf-8", validate_outbound_headers=False))
    http2.initiate_connection()
    request = [(":method", "POST"), (":scheme", "https"), (":authority", HOST), (":path", "/"), *headers]
    http2.send_headers(_STREAM, request)
    http2.send_data(_STREAM, b"abc", end_stream=not trailers)
    if trailers:
        http2.send_headers(_STREAM, list(trailers), end_stream=True)
    connection.sendall(http2.data_to_send())
    body = b""
    while True:
        for event in http2.receive_data(connection.recv(_READ)):
            match event:
                case DataReceived():
                    body += event.data or b""
                case StreamEnded():
                    return body
                case StreamReset() | ConnectionTerminated():
                    raise AssertionError(f"the server ended the request: {event}")
        connection.sendall(http2.data_to_send())
