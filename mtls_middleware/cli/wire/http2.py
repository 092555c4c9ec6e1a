"""HTTP/2, where the package h2 is installed."""

import socket
import ssl
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mtls_middleware.cli.wire.answer import BODY_LIMIT, Answer, Failure, NoAnswerError
from mtls_middleware.cli.wire.message import CONTENT, Framing, Header, Request

if TYPE_CHECKING:
    from h2.connection import H2Connection

READ_BYTES = 65_536

EVENTS_LIMIT = 10_000
"""Frames of one answer."""

ALPN = "h2"


def converse(connection: socket.socket, request: Request, remaining: Callable[[], float]) -> Answer:
    """Send a request on a new connection, and return what comes back.

    Raises:
        OSError: the connection's own.
        NoAnswerError: there is no answer for another reason.
    """
    if not isinstance(connection, ssl.SSLSocket) or connection.selected_alpn_protocol() != ALPN:
        raise NoAnswerError(Failure.NOT_OFFERED)
    if find_spec("h2") is None:
        raise NoAnswerError(Failure.NOT_INSTALLED)
    return _converse(connection, request, remaining)


def _converse(connection: socket.socket, request: Request, remaining: Callable[[], float]) -> Answer:
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
                raise NoAnswerError(Failure.CLOSED)
            for event in protocol.receive_data(data):
                seen += 1
                match event:
                    case ResponseReceived():
                        headers = {str(name): str(value) for name, value in event.headers}
                    case DataReceived():
                        body = (body + event.data)[: BODY_LIMIT + 1]
                        protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case StreamReset() | ConnectionTerminated() if not headers:
                        raise NoAnswerError(Failure.CLOSED)
                    case StreamEnded() | StreamReset() | ConnectionTerminated():
                        return Answer.of(int(headers[":status"]), "", headers.get, body)
                    case _:
                        pass
            connection.sendall(protocol.data_to_send())
    except (H2Error, ValueError, KeyError) as error:
        raise NoAnswerError(Failure.NO_HTTP, type(error).__name__) from error
    raise NoAnswerError(Failure.NO_HTTP, "frames without end")


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
    ends = message.body is Framing.NONE
    protocol.send_headers(stream, headers, end_stream=ends)
    if not ends:
        protocol.send_data(stream, CONTENT.encode("ascii"), end_stream=not message.trailers)
        if message.trailers:
            protocol.send_headers(stream, _lowered(message.trailers), end_stream=True)


def _lowered(headers: tuple[Header, ...]) -> list[Header]:
    """Write names as HTTP/2 must have them (RFC 9113 §8.2)."""
    return [(name.lower(), value) for name, value in headers]
