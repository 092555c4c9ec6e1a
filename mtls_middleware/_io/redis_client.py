"""The connection to Valkey or Redis: what it costs is bounded, and what fails is a sentence, never an exception."""

import random
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.connection import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection
from redis.credentials import CredentialProvider
from redis.retry import Retry
from redis.sentinel import Sentinel

from mtls_middleware._io import forks
from mtls_middleware._io.forks import follow_forks, waiting
from mtls_middleware._io.http import LATEST_END
from mtls_middleware.display import displayed
from mtls_middleware.engine import Engine

CALL_SECONDS = 1.0
"""For each step of a call, and for all of a connection with its look-up, TLS and login."""

CONNECTIONS = 2
"""Of one client: the lease is renewed while a long CRL is written."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds in which an engine that did not answer is left alone; doubled with each failure, and jittered."""

REASON_CHARACTERS = 200

_JITTERED = random.SystemRandom().uniform

_Found = TypeVar("_Found")


class AwayError(Exception):
    """The engine did not do what was asked; `problems` has why."""


class Doing(StrEnum):
    """What is asked of the engine, as its problem says it."""

    READ = "read"
    WRITE = "written"
    LOCK = "locked"


class EngineClient:
    """A client that connects when it is first used, and anew after each failure. Threads share it."""

    def __init__(
        self,
        engine: Engine,
        password: Callable[[], str],
        *,
        seconds: Callable[[], float] = time.monotonic,
        draw: Callable[[float, float], float] = _JITTERED,
    ) -> None:
        """Prepare; nobody is asked yet.

        Args:
            engine: where it is.
            password: returns the password, empty for none; it is asked for each connection.
            seconds: never go back.
            draw: for jitter.
        """
        self._engine = engine
        self._password = password
        self._seconds = seconds
        self._draw = draw
        self._reasons: dict[str, str] = {}
        self._begin()
        follow_forks(self)

    def _begin(self) -> None:
        self._client: Any = None  # one of three of the library
        self._connecting: threading.Thread | None = None
        self._opening = threading.Lock()
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._failures = 0
        self._left_alone_until = float("-inf")

    @property
    def problems(self) -> tuple[str, ...]:
        """Return one sentence for each thing that does not work, with the first reason since it worked."""
        return tuple(f"state in {self.shown} cannot be {what}: {reason}" for what, reason in [*self._reasons.items()])

    @property
    def shown(self) -> str:
        """Return the address, without user and password."""
        return self._engine.shown

    def call(self, doing: Doing, act: Callable[[Any], _Found]) -> _Found:
        """Do something with the client of the library, within about a second for each of its steps.

        Raises:
            AwayError: it failed, or is left alone after a failure.
        """
        latest = LATEST_END.get()
        if self._seconds() < self._left_alone_until or (latest is not None and time.monotonic() > latest):
            raise AwayError
        try:
            with waiting(), self._slots:
                found = act(self._connected())
        except Exception as error:  # noqa: BLE001 - however the library or the engine fails, there is just no engine
            self._fail(doing, error)
            raise AwayError from None
        self._failures = 0
        self._reasons.pop(_USED, None)
        self._reasons.pop(doing, None)
        return found

    def close(self) -> None:
        """End the connections. The next call makes new ones."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def after_fork(self) -> None:
        """Leave the parent its connections."""
        self._begin()

    def _connected(self) -> Any:  # noqa: ANN401 - one of three clients of the library
        with self._opening:  # it guards no data, so it may be held for the second that a connection takes
            if self._client is None:
                self._client = self._open()
            return self._client

    def _open(self) -> Any:  # noqa: ANN401 - as above
        """Return a client that has answered. The resolver knows no bound, so it is asked on a thread of its own."""
        if forks.why_no_thread() is not None:
            return _answering(self._engine, self._password)
        if self._connecting is not None and self._connecting.is_alive():
            raise TimeoutError(_LATE)
        results: list[Any] = []

        def connect() -> None:
            try:
                results.append(_answering(self._engine, self._password))
            except Exception as error:  # noqa: BLE001 - it is raised on the thread that waits
                results.append(error)

        self._connecting = threading.Thread(target=connect, name="mtls-middleware-state", daemon=True)
        try:
            self._connecting.start()
        except RuntimeError:  # no more threads, or the interpreter ends: the last report is written all the same
            self._connecting = None
            connect()
        else:
            self._connecting.join(CALL_SECONDS)
        if not results:
            raise TimeoutError(_LATE)
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]

    def _fail(self, doing: Doing, error: Exception) -> None:
        """Remember why, and connect anew: a name may lead elsewhere by now."""
        refused = isinstance(error, redis.ResponseError)
        self._reasons.setdefault(doing if refused else _USED, _reason(error))
        if not refused:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures, 10))
            self._failures += 1
            self._left_alone_until = self._seconds() + pause * self._draw(1.0, 2.0)
        with suppress(Exception):  # it is broken already
            self.close()


_USED = "used"

_LATE = "no answer in time"


class _Login(CredentialProvider):
    """User and password, as they are now."""

    def __init__(self, user: str, password: Callable[[], str]) -> None:
        self._user, self._password = user, password

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return what the library logs in with."""
        password = self._password()
        return (self._user, password) if self._user else (password,)


def _answering(engine: Engine, password: Callable[[], str]) -> Any:  # noqa: ANN401 - one of three
    client = _client_of(engine, password)
    try:
        client.ping()
    except BaseException:
        client.close()
        raise
    return client


def _client_of(engine: Engine, password: Callable[[], str]) -> Any:  # noqa: ANN401 - one of three
    """Return a client with nothing left to the defaults of the library, which retry for half a minute."""
    bounds: dict[str, Any] = {
        "socket_timeout": CALL_SECONDS,
        "socket_connect_timeout": CALL_SECONDS,
        "protocol": 2,
        "health_check_interval": 0,
    }
    if not engine.socket:
        bounds["socket_keepalive"] = True
    tls: dict[str, Any] = {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": engine.ca or None,
        "ssl_certfile": engine.cert or None,
        "ssl_keyfile": engine.key or None,
    }
    options = {**bounds, "retry": Retry(NoBackoff(), 0), "db": engine.database, **(tls if engine.tls else {})}
    if engine.user or engine.password or password():
        options["credential_provider"] = _Login(engine.user, password)
    if engine.is_cluster:
        del options["db"]
        return redis.RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in engine.hosts],
            require_full_coverage=False,
            max_connections=CONNECTIONS,
            ssl=engine.tls,
            **options,
        )
    if engine.service:
        sentinel = {**bounds, "retry": Retry(NoBackoff(), 0), "ssl": engine.tls, **(tls if engine.tls else {})}
        found = Sentinel([*engine.hosts], sentinel_kwargs=sentinel, ssl=engine.tls, **options)
        return found.master_for(engine.service, max_connections=CONNECTIONS)
    kind: type[Connection | UnixDomainSocketConnection] = SSLConnection if engine.tls else Connection
    where: dict[str, Any] = dict(zip(("host", "port"), *engine.hosts, strict=True)) if engine.hosts else {}
    if engine.socket:
        kind, where = UnixDomainSocketConnection, {"path": engine.socket}
    pool = BlockingConnectionPool(
        connection_class=kind, max_connections=CONNECTIONS, timeout=int(CALL_SECONDS), **where, **options
    )
    return redis.Redis.from_pool(pool)


def _reason(error: Exception) -> str:
    if isinstance(error, redis.exceptions.MovedError):
        return "it is one node of a cluster: write +cluster behind the scheme, as in redis+cluster://"
    # An engine repeats what it did not understand, the password of AUTH among it.
    text = re.split(r"\n| script: |,? with args beginning with", str(error), maxsplit=1)[0] or type(error).__name__
    return displayed(text, REASON_CHARACTERS)
