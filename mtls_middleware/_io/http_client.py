"""The HTTP client: one request after another, one deadline, bounded bodies, one kind of failure."""

import ssl
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from os import environ
from urllib.parse import SplitResult, unquote, urlsplit

import httpcore2
import truststore

from mtls_middleware._io.forks import waiting
from mtls_middleware._io.http import (
    BODY_BYTES,
    Deadline,
    FailureKind,
    HTTPFailure,
    Resolve,
    Response,
    look_up,
    proxy_of,
)
from mtls_middleware.display import displayed

CONNECT_SECONDS = 5.0
"""For one address of a host; others may be tried after it."""

IDLE_SECONDS = 10.0
"""For one read or write: a living server answers within it."""

_TIMEOUTS = {"connect": CONNECT_SECONDS, "read": IDLE_SECONDS, "write": IDLE_SECONDS, "pool": CONNECT_SECONDS}
_PROXY_SCHEMES = {"http", "https"}

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


class Network:
    """The network: requests go through the proxies of the environment, or straight."""

    def __init__(self, deadline: Deadline, resolve: Resolve | None, sockets: httpcore2.NetworkBackend) -> None:
        self._deadline = deadline
        self._resolve = resolve
        self._sockets = sockets
        self._pools: dict[tuple[str | None, bool], httpcore2.ConnectionPool] = {}

    def send(
        self, method: str, url: SplitResult, headers: Mapping[str, str], content: bytes
    ) -> AbstractContextManager[httpcore2.Response]:
        """Send a request, and enter with its answer as soon as its headers are there."""
        named = {"Host": url.netloc, **headers}.items()  # with the brackets of an IPv6 address
        pool = self._pool(proxy_of(url.geturl()), secure=url.scheme == "https")
        return pool.stream(
            method,
            httpcore2.URL(
                scheme=url.scheme,
                host=url.hostname or "",
                port=url.port,
                target=f"{url.path or '/'}?{url.query}" if url.query else url.path or "/",
            ),
            headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in named],
            content=content or None,
            extensions={"timeout": _TIMEOUTS},
        )

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()

    def _pool(self, proxy: str | None, *, secure: bool) -> httpcore2.ConnectionPool:
        pool = self._pools.get((proxy, secure))
        if pool is None:
            tls = tls_context() if secure else None  # reading the trust store costs more than most lists
            pool = self._pools[proxy, secure] = self._direct(tls) if proxy is None else self._through(proxy, tls)
        return pool

    def _direct(self, tls: ssl.SSLContext | None) -> httpcore2.ConnectionPool:
        backend = _Backend(self._deadline, self._resolve, self._sockets)
        return httpcore2.ConnectionPool(ssl_context=tls, network_backend=backend)

    def _through(self, proxy: str, tls: ssl.SSLContext | None) -> httpcore2.HTTPProxy:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in _PROXY_SCHEMES or not parts.hostname or port == 0:
            raise HTTPFailure(FailureKind.PROXY, "the proxy in the environment is no http:// or https:// address")
        secure = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return httpcore2.HTTPProxy(
            f"{parts.scheme}://{host}:{port or (443 if secure else 80)}",
            proxy_auth=(unquote(parts.username).encode(), unquote(parts.password or "").encode())
            if parts.username
            else None,
            ssl_context=tls,
            proxy_ssl_context=tls_context() if secure else None,
            network_backend=_Backend(self._deadline, None, self._sockets),
        )


def tls_context() -> ssl.SSLContext:
    """Trust what SSL_CERT_FILE and SSL_CERT_DIR name; where they name nothing, what the system trusts."""
    paths = ssl.get_default_verify_paths()
    if environ.get(paths.openssl_cafile_env) or environ.get(paths.openssl_capath_env):
        return ssl.create_default_context()
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Backend(httpcore2.NetworkBackend):
    """Connect to one address after the other, until one answers or the time is over."""

    def __init__(self, deadline: Deadline, resolve: Resolve | None, sockets: httpcore2.NetworkBackend) -> None:
        self._deadline = deadline
        self._resolve = resolve or look_up
        self._sockets = sockets

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        self._deadline.bound(0)
        failure: Exception = httpcore2.ConnectError("the host has no address")
        for address in self._resolve(host, port):
            try:
                seconds = self._deadline.bound(timeout or CONNECT_SECONDS)
                with waiting():
                    stream = self._sockets.connect_tcp(address, port, seconds, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self._deadline)
        raise failure


class _Stream(httpcore2.NetworkStream):
    """A connection whose every step gets no more time than is left of the whole."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        seconds = self._deadline.bound(timeout or IDLE_SECONDS)
        with waiting():
            return self._stream.read(max_bytes, seconds)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        seconds = self._deadline.bound(timeout or IDLE_SECONDS)
        with waiting():
            self._stream.write(buffer, seconds)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        seconds = self._deadline.bound(timeout or CONNECT_SECONDS)
        with waiting():
            stream = self._stream.start_tls(ssl_context, server_hostname, seconds)
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


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
    """Take an address apart, or raise: nothing is escaped, folded or guessed on the way to the wire."""
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
