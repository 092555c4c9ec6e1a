"""What is written on the wire, byte by byte."""

import pytest

from mtls_middleware.cli.wire.message import Framing, Message, Request, Version, written

CERTIFICATE = ("X-SSL-Client-Cert", "C")
COMMON = (
    "Host: actions.example.com\r\nUser-Agent: mtls-middleware-doctor\r\nAccept: */*\r\n"
    "ININ-Correlation-Id: doctor-x\r\n"
)


def write(message: Message) -> str:
    request = Request(
        message=message, method="GET", authority="actions.example.com", path="/actions?x=1", correlation_id="doctor-x"
    )
    return written(request).decode("latin-1")


CASES: dict[str, tuple[Message, str]] = {
    "nothing": (Message(), "Connection: close\r\n\r\n"),
    "copies in their order": (
        Message(headers=(CERTIFICATE, ("x-ssl-client-cert", "D"))),
        "Connection: close\r\nX-SSL-Client-Cert: C\r\nx-ssl-client-cert: D\r\n\r\n",
    ),
    "folded": (
        Message(headers=(("X-SSL-Client-Cert", "\r\n C"),), body=Framing.LENGTH),
        (
            "Connection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
            "X-SSL-Client-Cert: \r\n C\r\n\r\n{}"
        ),
    ),
    "named in Connection": (
        Message(connection=("X-SSL-Client-Cert", "X-SSL-Client-Verify")),
        "Connection: close, X-SSL-Client-Cert, X-SSL-Client-Verify\r\n\r\n",
    ),
    "trailers": (
        Message(body=Framing.CHUNKED, trailers=(CERTIFICATE,)),
        (
            "Connection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            "2\r\n{}\r\n0\r\nX-SSL-Client-Cert: C\r\n\r\n"
        ),
    ),
    "announced trailers": (
        Message(body=Framing.CHUNKED, trailers=(CERTIFICATE,), announced=True),
        (
            "Connection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
            "TE: trailers\r\nTrailer: X-SSL-Client-Cert\r\n\r\n2\r\n{}\r\n0\r\nX-SSL-Client-Cert: C\r\n\r\n"
        ),
    ),
    "websocket": (
        Message(websocket=True),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: bXRscy1kb2N0b3ItdXJsIQ==\r\n\r\n"
        ),
    ),
}


@pytest.mark.parametrize(("message", "expected"), CASES.values(), ids=CASES)
def test_a_request_is_written_as_described(message: Message, expected: str) -> None:
    assert write(message) == f"GET /actions?x=1 HTTP/1.1\r\n{COMMON}{expected}"


def test_path_and_version_can_be_odd() -> None:
    assert write(Message(path="//actions", version=Version.HTTP_1_0)).startswith("GET //actions HTTP/1.0\r\n")
