"""What `call` sends: headers, body, and the certificate that is shown."""

import re
import secrets
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware.cli.dev_ca import CALLERS, NONE, ROOT
from mtls_middleware.cli.wire.message import CORRELATION_HEADER, Header, Target
from mtls_middleware.cli.wire.tls import Described, client_context, described
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
    """Return what every data action sends, apart from the organisation's: ``--header`` adds it."""
    return (
        ("Host", target.authority),
        ("User-Agent", "PureCloud-Data-Actions"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip,deflate"),
        ("Content-Type", "application/json"),
        (CORRELATION_HEADER, correlation_id),
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


_CALLERS = (*(caller.name for caller in CALLERS), NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What is shown and believed.

    Attributes:
        certificate: PEM of the caller's; None for none.
        key: PEM of its key; None where it is in the same file.
        ca: PEM that the server is verified by; None for the system's.
        title: what is shown, in a person's words.
    """

    certificate: Path | None
    key: Path | None
    ca: Path | None
    title: str

    @classmethod
    def choose(
        cls, *, certificate: Path | None, key: Path | None, folder: Path | None, caller: str, ca: Path | None
    ) -> "Credentials":
        """Choose by the options of the command.

        Raises:
            MTLSError: they contradict each other.
        """
        if folder is not None and (certificate is not None or key is not None):
            raise MTLSError("--dev-ca and --cert both name a certificate: keep one of them")
        if key is not None and certificate is None:
            raise MTLSError("--key needs --cert")
        if folder is None:
            return cls(certificate=certificate, key=key, ca=ca, title=_shown(certificate))
        if caller not in _CALLERS:
            raise MTLSError(f"--as {displayed(caller)!r}: must be one of {', '.join(_CALLERS)}")
        root = folder / ROOT
        if not root.is_file():
            raise MTLSError(f"{displayed(str(folder))} is no folder of dev-ca: mtls-middleware dev-ca DIR writes one")
        if caller == NONE:
            return cls(certificate=None, key=None, ca=ca or root, title=_shown(None))
        own = folder / f"{caller}.pem"
        return cls(certificate=own, key=own.with_suffix(".key"), ca=ca or root, title=f"{displayed(str(own))}")

    @property
    def own(self) -> Described | None:
        """Return what the caller's certificate says; None where there is none that can be read."""
        if self.certificate is None:
            return None
        try:
            leaf = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except (OSError, ValueError):
            return None
        return described(leaf.public_bytes(Encoding.DER))

    def context(self) -> ssl.SSLContext:
        """Return the TLS context of the caller.

        Raises:
            MTLSError: a file cannot be used.
        """
        return client_context(self.ca, self.certificate, self.key, options=("--ca", "--cert", "--key"))


def _shown(certificate: Path | None) -> str:
    return "no certificate" if certificate is None else displayed(str(certificate))
