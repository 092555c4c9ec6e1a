"""Connections with one deadline: a server that sends a byte now and then does not move it."""

import ssl
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from os import environ
from urllib.parse import SplitResult, unquote, urlsplit

import httpcore2
import truststore

from mtls_middleware._io.forks import waiting
from mtls_middleware._io.http import Deadline, FailureKind, HTTPFailure, Resolve, look_up, proxy_of

CONNECT_SECONDS = 5.0
"""For one address of a host; others may be tried after it."""

IDLE_SECONDS = 10.0
"""For one read or write: a living server answers within it."""

_TIMEOUTS = {"connect": CONNECT_SECONDS, "read": IDLE_SECONDS, "write": IDLE_SECONDS, "pool": CONNECT_SECONDS}
_PROXY_SCHEMES = {"http", "https"}


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
            tls = tls_context() if secure else None  # reading the trust store costs more than most CRLs
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
