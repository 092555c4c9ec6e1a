"""The HTTP client: one request after another, one deadline, bounded bodies, one kind of failure."""

import ssl
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from os import environ
from urllib.parse import SplitResult, urlsplit

import httpcore2

from mtls_middleware._io.http import (
    BODY_BYTES,
    Deadline,
    FailureKind,
    HTTPFailure,
    Resolve,
    Response,
)
from mtls_middleware._io.http_network import Network
from mtls_middleware.display import displayed

_GZIP = zlib.MAX_WBITS | 16
_STANDARD_HEADERS = {
    "User-Agent": "mtls-middleware",
    "Accept": "*/*",
    # Asking for no compression leaves nothing to decompress; gzip is taken nevertheless from those who cannot be asked.
    "Accept-Encoding": "identity",
}

_ERRORS = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    OSError,
    ValueError,
)
"""What httpcore2 raises because of an address or of the other side."""


@contextmanager
def open_until(
    deadline: Deadline, resolve: Resolve | None, sockets: httpcore2.NetworkBackend | None = None
) -> Iterator["HTTPSession"]:
    """Open a session that ends at a deadline.

    Args:
        deadline: of everything in it.
        resolve: instead of the system's resolver.
        sockets: instead of the system's, in tests.
    """
    with closing(Network(deadline, resolve, sockets or httpcore2.SyncBackend())) as network:
        yield HTTPSession(deadline, network)


class HTTPSession:
    """A session over the network. Not for several threads."""

    def __init__(self, deadline: Deadline, network: Network) -> None:
        self._deadline = deadline
        self._network = network

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        body_bytes: int = BODY_BYTES,
    ) -> Response:
        """Send a request, and read its answer.

        Raises:
            HTTPFailure: there is no complete answer.
        """
        self._deadline.bound(0)
        target = _target_of(url)
        try:
            with self._network.send(method, target, {**_STANDARD_HEADERS, **(headers or {})}, content) as answer:
                received = _by_name(answer.headers)
                return Response(
                    status=answer.status, headers=received, body=self._body(answer, _encoding(received), body_bytes)
                )
        except _ERRORS as error:
            raise _failure(error) from error

    def _body(self, answer: httpcore2.Response, encoding: str, limit: int) -> bytes:
        body = bytearray()
        for chunk in answer.iter_stream():
            self._deadline.bound(0)
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
        match encoding:
            case "identity" | "":
                return bytes(body)
            case "gzip" | "x-gzip":
                return _decompressed(bytes(body), limit)
            case other:
                raise HTTPFailure(
                    FailureKind.GARBLED, f"the answer is encoded as {displayed(other)}, which was not asked for"
                )


def _target_of(url: str) -> SplitResult:
    """Split an address, or raise: nothing is escaped, folded or guessed on the way to the wire."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise HTTPFailure(FailureKind.URL, f"the address cannot be used ({displayed(str(error))})") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise HTTPFailure(FailureKind.URL, "the address is not http:// or https:// and a host")
    if "@" in parts.netloc or port == 0 or not (url.isascii() and url.isprintable() and " " not in url):
        raise HTTPFailure(FailureKind.URL, "the address cannot be used (it holds a user, a blank or an odd character)")
    return parts


def _by_name(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _encoding(headers: Mapping[str, str]) -> str:
    return headers.get("content-encoding", "identity").strip().lower()


def _decompressed(body: bytes, limit: int) -> bytes:
    decompressor = zlib.decompressobj(_GZIP)
    try:
        content = decompressor.decompress(body, limit + 1)
    except zlib.error as error:
        raise HTTPFailure(FailureKind.GARBLED, "the answer says that it is gzip, and is not") from error
    if len(content) > limit:
        raise _too_large(limit)
    if not decompressor.eof or decompressor.unused_data:
        raise HTTPFailure(FailureKind.GARBLED, "the gzip of the answer is cut off, or something follows it")
    return content


def _too_large(limit: int) -> HTTPFailure:
    return HTTPFailure(FailureKind.TOO_LARGE, f"the answer is larger than {limit:,} bytes")


def _failure(error: Exception) -> HTTPFailure:
    causes = list(_causes(error))
    text = displayed(str(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return HTTPFailure(
                FailureKind.TLS,
                f"the server's certificate is not trusted here ({displayed(cause.verify_message)}){_trust_store()}",
            )
    if isinstance(error, httpcore2.TimeoutException):
        return HTTPFailure(FailureKind.TIMEOUT, "a step took too long")
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return HTTPFailure(FailureKind.TLS, f"the TLS handshake failed ({text})")
    if isinstance(error, httpcore2.ProxyError):
        return HTTPFailure(FailureKind.PROXY, f"the proxy refused ({text})")
    if isinstance(error, httpcore2.ConnectError):
        return HTTPFailure(FailureKind.UNREACHABLE, f"no connection ({text})")
    return HTTPFailure(FailureKind.GARBLED, f"the exchange broke off ({text})")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _trust_store() -> str:
    named = [f"{name}={displayed(environ[name])}" for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)]
    return f"; {' and '.join(named)} say what is" if named else ""
