"""A deadline for request heads: a peer that says nothing, or drips one byte at a time, does not keep its connection.

uvicorn has a timeout only for a connection that is idle after an answer, and any byte stops it. Each such connection
holds a descriptor, and everybody who can connect can open one.
"""

import asyncio
import logging
from itertools import count
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.logging import Limiter, named
from mtls_middleware.servers.handshake import say_goodbye
from mtls_middleware.servers.scope import peer_of

LOGGER = logging.getLogger("mtls_middleware.connections")

HEAD_TIMEOUT = 30.0
"""Seconds for a request head. The handshake before it has 60 s in asyncio and uvloop, and counts."""

MAX_HEAD_BYTES = 262_144
"""Of a request head in `HttpToolsProtocol`, where uvicorn has no bound; proxies take 8 to 64 kB."""

_CLOSED = count(1)
_LIMITER = Limiter()


class HeadDeadline(asyncio.Protocol):
    """A protocol of uvicorn that closes connections on which a request head takes too long.

    The deadline is one for the whole head. For the first one it runs from the moment that the connection was accepted,
    so that a slow handshake counts, for the next ones from their first byte. It does not run while a request is
    answered, however slowly its body comes, nor on an idle connection that uvicorn's own ``timeout_keep_alive`` closes,
    nor after the change to a WebSocket.

    Attributes:
        head_timeout: seconds for a request head.
        accepted_at: when the connection was accepted, by the clock of the loop.
    """

    # Python reads the attributes of an object with more than 30 in its `__dict__` more slowly, and uvicorn has 28.
    __slots__ = ("__dict__", "_head_timer", "accepted_at")

    head_timeout: float = HEAD_TIMEOUT
    accepted_at: float
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    connections: set[Any]
    cycle: Any = None
    timeout_keep_alive_task: asyncio.TimerHandle | None = None
    _head_timer: asyncio.TimerHandle | None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Note the time: asyncio makes a protocol when it accepts, before the handshake."""
        self._head_timer = None
        make: Any = super().__init__
        make(config=config, server_state=server_state, app_state=app_state, _loop=_loop)
        self.accepted_at = self.loop.time()
        if config.ssl is not None:
            say_goodbye(self.loop, config.ssl)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound the first head."""
        super().connection_made(transport)
        if self._awaits_head():
            self._head_timer = self.loop.call_at(self.accepted_at + self.head_timeout, self._close_overdue)

    def data_received(self, data: bytes) -> None:
        """Bound a head that has begun; let it be when it is complete."""
        super().data_received(data)
        cycle = self.cycle
        if cycle is None or cycle.response_complete or self._head_timer is not None:
            self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._end_deadline()
        super().connection_lost(exc)

    def _awaits_head(self) -> bool:
        """Return whether nothing but a request head is to be waited for, and nothing else bounds the waiting."""
        if self not in self.connections or self.timeout_keep_alive_task is not None:  # a WebSocket's; an idle one
            return False
        return self.cycle is None or self.cycle.response_complete

    def _follow(self) -> None:
        if not self._awaits_head():
            self._end_deadline()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self._next_head_timeout(), self._close_overdue)

    def _next_head_timeout(self) -> float:
        return self.head_timeout

    def _end_deadline(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_overdue(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        closed, now = next(_CLOSED), self.loop.time()
        if _LIMITER.admits(now):
            LOGGER.warning(
                "closed a connection: no complete request head within %g s and %d bytes peer=%s closed=%d",
                self.head_timeout,
                MAX_HEAD_BYTES,
                _named(self.transport),
                closed,
                extra=named(EventName.CONNECTION_CLOSED, peer=_named(self.transport), closed=closed),
            )
        # Not `close`: that would wait for a TLS peer's farewell.
        self.transport.abort()


def _named(transport: asyncio.BaseTransport) -> str:
    peer = peer_of(transport).peer
    return "unix" if peer is None else f"{peer[0]}:{peer[1]}"
