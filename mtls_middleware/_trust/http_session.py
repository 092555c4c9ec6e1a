"""One request after another: bounded bodies, and one kind of failure for everything that can go wrong."""

import ssl
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from os import environ
from typing import cast

import httpcore2
import httpx2

from mtls_middleware._trust.http import BODY_BYTES, Deadline, FailureKind, HTTPFailure, Resolve, Response
from mtls_middleware._trust.http_network import Network
from mtls_middleware.display import displayed

_GZIP = zlib.MAX_WBITS | 16
_STANDARD_HEADERS = {
    "User-Agent": "mtls-middleware",
    "Accept": "*/*",
    # Asking for no compression leaves nothing to decompress; gzip is taken nevertheless from those who cannot be asked.
    "Accept-Encoding": "identity",
}

_ERRORS = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    OSError,
    ValueError,
)
"""What httpx2, and httpcore2 below it, raise because of an address or of the other side."""


@contextmanager
def open_until(
    deadline: Deadline, transport: httpx2.BaseTransport | None, resolve: Resolve | None
) -> Iterator["HTTPSession"]:
    """Open a session that ends at a deadline; a transport that was given stays open behind it."""
    if transport is not None:
        yield HTTPSession(deadline, transport)
        return
    with closing(Network(deadline, resolve)) as network:
        yield HTTPSession(deadline, network)


class HTTPSession:
    """Send requests one after another; not for several threads."""

    def __init__(self, deadline: Deadline, transport: httpx2.BaseTransport) -> None:
        self._deadline = deadline
        self._transport = transport

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
        try:
            request = httpx2.Request(method, url, headers={**_STANDARD_HEADERS, **(headers or {})}, content=content)
            if request.url.scheme not in {"http", "https"} or not request.url.host:
                raise HTTPFailure(FailureKind.URL, "the address is not http:// or https:// and a host")
            answer = self._transport.handle_request(request)
            with closing(answer):
                return Response(
                    status=answer.status_code,
                    headers={name.lower(): value for name, value in answer.headers.items()},
                    body=self._body(answer, body_bytes),
                )
        except _ERRORS as error:
            raise _failure(error) from error

    def _body(self, answer: httpx2.Response, limit: int) -> bytes:
        body = bytearray()
        for chunk in cast("httpx2.SyncByteStream", answer.stream):  # as it came: decompression is bounded below
            self._deadline.bound(0)
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
        match answer.headers.get("content-encoding", "identity").strip().lower():
            case "identity" | "":
                return bytes(body)
            case "gzip" | "x-gzip":
                return _decompressed(bytes(body), limit)
            case other:
                raise HTTPFailure(
                    FailureKind.GARBLED, f"the answer is encoded as {displayed(other)}, which was not asked for"
                )


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
    if isinstance(error, httpx2.TimeoutException | httpcore2.TimeoutException):
        return HTTPFailure(FailureKind.TIMEOUT, "a step took too long")
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return HTTPFailure(FailureKind.TLS, f"the TLS handshake failed ({text})")
    if isinstance(error, httpx2.ProxyError | httpcore2.ProxyError):
        return HTTPFailure(FailureKind.PROXY, f"the proxy refused ({text})")
    if isinstance(error, httpx2.InvalidURL):
        return HTTPFailure(FailureKind.URL, f"the address cannot be used ({text})")
    if isinstance(error, httpx2.ConnectError | httpcore2.ConnectError):
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
