"""The request of a data action, with the headers and the body of the command line."""

import re
import secrets
import uuid
from collections.abc import Iterable
from pathlib import Path

from mtls_middleware.cli.wire.message import CORRELATION_HEADER, Header, Target
from mtls_middleware.display import displayed
from mtls_middleware.errors import MTLSError

DATA_BYTES = 10_000_000
"""Of a body; no data action sends as much."""

CHUNK_BYTES = 16_384

_HEADER_FILE_BYTES = 65_536
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 §5.5
_FRAMING = {"content-length", "transfer-encoding", "connection"}


def standard_headers(target: Target, correlation_id: str) -> tuple[Header, ...]:
    """Return what every data action sends, under an organisation made up for this call."""
    return (
        ("Host", target.authority),
        ("User-Agent", "PureCloud-Data-Actions"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip,deflate"),
        ("Content-Type", "application/json"),
        (CORRELATION_HEADER, correlation_id),
        ("ININ-Organization-Id", str(uuid.uuid4())),
        ("ININ-Home-Organization-Id", str(uuid.uuid4())),
        ("ININ-User-Id", str(uuid.uuid4())),
    )


def new_correlation_id() -> str:
    """Return an id to find the call in a log by."""
    return f"call-{secrets.token_hex(6)}"


def combined(standard: Iterable[Header], given: Iterable[Header]) -> tuple[Header, ...]:
    """Return all headers: those that were given take the place of others."""
    given = tuple(given)
    replaced = {name.lower() for name, _ in given}
    return (*(header for header in standard if header[0].lower() not in replaced), *given)


def parse_headers(texts: Iterable[str]) -> tuple[Header, ...]:
    """Return the headers of the options `--header`.

    Raises:
        MTLSError: one of them cannot be sent. Its value is not shown, because it may be a secret.
    """
    return tuple(_parsed(line) for text in texts for line in (_lines_of(text[1:]) if text.startswith("@") else (text,)))


def read_body(text: str) -> bytes:
    """Return the body of the option `--data`.

    Raises:
        MTLSError: its file cannot be read.
    """
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    return _content_of(text[1:], "--data", DATA_BYTES)


def written(method: str, target: Target, headers: Iterable[Header], body: bytes) -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {target.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += ["Transfer-Encoding: chunked", "Connection: close", "", ""]
    chunks = (body[start : start + CHUNK_BYTES] for start in range(0, len(body), CHUNK_BYTES))
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return "\r\n".join(lines).encode("latin-1") + framed + b"0\r\n\r\n"


def _parsed(line: str) -> Header:
    name, colon, value = line.partition(":")
    value = value.strip(" \t")
    if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise MTLSError(f"--header {displayed(name, 64)!r}: write 'Name: value', without line breaks")
    if name.lower() in _FRAMING:
        raise MTLSError(f"--header {name}: data actions send chunked, on a connection of its own, and so does call")
    return name, value


def _lines_of(path: str) -> list[str]:
    content = _content_of(path, "--header", _HEADER_FILE_BYTES)
    return [line for line in content.decode("latin-1").splitlines() if line.strip()]


def _content_of(path: str, option: str, limit: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise MTLSError(f"{option} @{displayed(path)}: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > limit:
        raise MTLSError(f"{option} @{displayed(path)}: holds more than {limit:,} bytes")
    return content
