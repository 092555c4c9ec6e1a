"""HTTP/2, where the package h2 is installed."""

import socket
import ssl
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mtls_middleware.cli.wire.message import CONTENT, Answer, Body, Failure, Header, NoAnswer, Request, media_type

if TYPE_CHECKING:
    from h2.connection import H2Connection

BODY_LIMIT = 65_536
"""Bytes of an answer's body that are looked at."""

READ_BYTES = 65_536

EVENTS_LIMIT = 10_000
"""Frames of one answer."""

ALPN = "h2"


def converse(connection: ssl.SSLSocket, request: Request, remaining: Callable[[], float]) -> Answer | NoAnswer:
    """Send a request on a new connection, and return what comes back.

    Args:
        connection: a TLS connection.
        request: what to send.
        remaining: returns the seconds that are left, or raises TimeoutError.

    Raises:
        OSError: the connection's own.
    """
    if connection.selected_alpn_protocol() != ALPN:
        return NoAnswer(failure=Failure.NOT_OFFERED)
    if find_spec("h2") is None:
        return NoAnswer(failure=Failure.NOT_INSTALLED)
    return _converse(connection, request, remaining)


def _converse(connection: socket.socket, request: Request, remaining: Callable[[], float]) -> Answer | NoAnswer:
    from h2.config import H2Configuration  # noqa: PLC0415 - an optional back end
    from h2.connection import H2Connection  # noqa: PLC0415
    from h2.events import (  # noqa: PLC0415
        ConnectionTerminated,
        DataReceived,
        ResponseReceived,
        StreamEnded,
        StreamReset,
    )
    from h2.exceptions import H2Error  # noqa: PLC0415

    protocol = H2Connection(
        H2Configuration(
            client_side=True,
            header_encoding="latin-1",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    headers: dict[str, str] = {}
    body = b""
    seen = 0
    try:
        protocol.initiate_connection()
        _write(protocol, request)
        connection.sendall(protocol.data_to_send())
        while seen < EVENTS_LIMIT:
            connection.settimeout(remaining())
            data = connection.recv(READ_BYTES)
            if not data:
                return NoAnswer(failure=Failure.CLOSED)
            for event in protocol.receive_data(data):
                seen += 1
                match event:
                    case ResponseReceived():
                        headers = {str(name): str(value) for name, value in event.headers}
                    case DataReceived():
                        body = (body + event.data)[:BODY_LIMIT]
                        protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case StreamReset() | ConnectionTerminated() if not headers:
                        return NoAnswer(failure=Failure.CLOSED)
                    case StreamEnded() | StreamReset() | ConnectionTerminated():
                        return _answer(headers, body)
                    case _:
                        pass
            connection.sendall(protocol.data_to_send())
    except (H2Error, ValueError, KeyError) as error:
        return NoAnswer(failure=Failure.NO_HTTP, detail=type(error).__name__)
    return NoAnswer(failure=Failure.NO_HTTP, detail="frames without end")


def _write(protocol: "H2Connection", request: Request) -> None:
    stream = protocol.get_next_available_stream_id()
    message = request.message
    headers: list[Header] = [
        (":method", request.method),
        (":scheme", "https"),
        (":authority", request.authority),
        (":path", request.target),
        *_lowered(request.common),
        *_lowered(message.headers),
    ]
    ends = message.body is Body.NONE
    protocol.send_headers(stream, headers, end_stream=ends)
    if not ends:
        protocol.send_data(stream, CONTENT.encode("ascii"), end_stream=not message.trailers)
        if message.trailers:
            protocol.send_headers(stream, _lowered(message.trailers), end_stream=True)


def _lowered(headers: tuple[Header, ...]) -> list[Header]:
    """Write names as HTTP/2 must have them (RFC 9113 §8.2)."""
    return [(name.lower(), value) for name, value in headers]


def _answer(headers: dict[str, str], body: bytes) -> Answer:
    return Answer(
        status=int(headers[":status"]),
        content_type=media_type(headers.get("content-type", "")),
        alternatives=headers.get("alt-svc", ""),
        body=body,
    )
