"""Connections of the client library, for which one deadline counts: that of the call that they are used in.

The library bounds each operation by itself, so an engine that sends a byte now and then would hold a caller for ever.
"""

import socket
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection
from redis.credentials import CredentialProvider
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection

from mtls_middleware._io.http import left_of
from mtls_middleware.engine import Engine

CALL_SECONDS = 1.0
"""For all of a call, with the connection that it may need: look-up, TLS and login."""

CONNECTIONS = 2
"""Of one client: the lease is renewed while a long CRL is written."""

_AT_ONCE = 0.001
"""Seconds; none at all would mean not to block, which the library takes for no failure."""


class BoundedSocket:
    """A socket whose operations end with the call. The library knows nothing else of sockets than these methods."""

    def __init__(self, one: socket.socket) -> None:
        self._socket = one
        self._blocks = True

    def recv(self, size: int) -> bytes:
        """Receive what is there."""
        return self._bounded().recv(size)

    def recv_into(self, buffer: bytearray) -> int:
        """Receive what is there."""
        return self._bounded().recv_into(buffer)

    def sendall(self, content: bytes) -> None:
        """Send everything: over TLS, Python begins the time anew for each part."""
        left = memoryview(content)
        while left:
            left = left[self._bounded().send(left) :]

    def settimeout(self, seconds: float | None) -> None:
        """Say whether to block; how long is not the library's to say."""
        self._blocks = seconds != 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as a socket has it
        return getattr(self._socket, name)

    def _bounded(self) -> socket.socket:
        self._socket.settimeout(_seconds_left() if self._blocks else 0)
        return self._socket


def _seconds_left() -> float:
    return max(left_of(CALL_SECONDS), _AT_ONCE)


def _bounded(kind: type[Any]) -> type[Any]:
    """Return a kind of connection for which the deadline counts, also while it connects."""
    seconds = property(lambda _: _seconds_left(), lambda *_: None)  # the library sets what it was told at the beginning
    return type(
        f"Bounded{kind.__name__}",
        (kind,),
        {
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "_connect": lambda self: BoundedSocket(kind._connect(self)),  # noqa: SLF001 - nothing public makes a socket
        },
    )


_KINDS = {False: _bounded(Connection), True: _bounded(SSLConnection)}
_MANAGED = {False: _bounded(SentinelManagedConnection), True: _bounded(SentinelManagedSSLConnection)}
_UNIX = _bounded(UnixDomainSocketConnection)


class _Login(CredentialProvider):
    """User and password, as they are now."""

    def __init__(self, user: str, password: Callable[[], str]) -> None:
        self._user, self._password = user, password

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return what the library logs in with."""
        password = self._password()
        return (self._user, password) if self._user else (password,)


def answering_client(engine: Engine, password: Callable[[], str]) -> Any:  # noqa: ANN401 - one of three of the library
    """Return a client that has answered; whatever the library or the network raises is the caller's."""
    client = _client_of(engine, password)
    try:
        client.ping()
    except BaseException:
        client.close()
        raise
    return client


def _client_of(engine: Engine, password: Callable[[], str]) -> Any:  # noqa: ANN401 - one of three
    """Return a client with nothing left to the defaults of the library, which retry for half a minute."""
    bounds: dict[str, Any] = {"protocol": 2, "health_check_interval": 0, "retry": Retry(NoBackoff(), 0)}
    if not engine.socket:
        bounds["socket_keepalive"] = True
    if engine.tls:
        bounds |= {
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_ca_certs": engine.ca or None,
            "ssl_certfile": engine.cert or None,
            "ssl_keyfile": engine.key or None,
        }
    options = dict(bounds)
    if engine.user or engine.password or password():
        options["credential_provider"] = _Login(engine.user, password)
    if engine.is_cluster:
        return _cluster(engine, options)
    options["db"] = engine.database
    if engine.service:
        found = Sentinel([], **options)
        found.sentinels = [_single(_KINDS[engine.tls], bounds, host=host, port=port) for host, port in engine.hosts]
        return found.master_for(engine.service, connection_class=_MANAGED[engine.tls], max_connections=CONNECTIONS)
    if engine.socket:
        return _single(_UNIX, options, path=engine.socket)
    ((host, port),) = engine.hosts
    return _single(_KINDS[engine.tls], options, host=host, port=port)


def _single(kind: type[Any], options: dict[str, Any], **where: str | int) -> "redis.Redis":
    pool = BlockingConnectionPool(
        connection_class=kind, max_connections=CONNECTIONS, timeout=int(CALL_SECONDS), **where, **options
    )
    return redis.Redis.from_pool(pool)


def _cluster(engine: Engine, options: dict[str, Any]) -> Any:  # noqa: ANN401 - untyped
    """Return a client of a cluster. Only one that begins with an address takes a kind of connection."""
    (host, port), *others = engine.hosts
    return redis.RedisCluster(
        url=f"redis://{f'[{host}]' if ':' in host else host}:{port}",
        startup_nodes=[redis.cluster.ClusterNode(*other) for other in others],
        require_full_coverage=False,
        max_connections=CONNECTIONS,
        connection_class=_KINDS[engine.tls],
        **options,
    )
