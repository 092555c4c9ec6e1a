"""Protocol classes for uvicorn: they hand over the client certificate and the real peer, and ignore request trailers.

On the command line ``--http mtls_middleware.servers.uvicorn:HttpToolsProtocol`` (or ``:H11Protocol``), in code
``uvicorn.run(app, http=HttpToolsProtocol)``. Both go with every WebSocket implementation of uvicorn, both event loops,
``--workers`` and unix sockets. `HttpToolsProtocol` exists where httptools is installed.

For HTTP/2 ``--http mtls_middleware.servers.uvicorn:AutoZttpProtocol``, without ``--http2``, which insists on uvicorn's
own class. It speaks HTTP/1.1 and WebSocket too, `ZttpProtocol` nothing else. Both exist where zttp is installed, beside
uvicorn 0.52 or later.

All of them close a connection on which a request head takes more than 30 s. For another bound make a
subclass with another ``head_timeout``. `HttpToolsProtocol` also closes one with a longer head than `MAX_HEAD_BYTES`, or
on which more than 128 requests wait; h11 has a bound of its own for heads. Both close one with more than
`PIPELINED_BYTES` behind the request that is answered.
"""

import asyncio
import copy
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol as _UvicornH11Protocol
from uvicorn.protocols.utils import ClientDisconnected

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from mtls_middleware.servers.head_deadline import MAX_HEAD_BYTES, HeadDeadline
from mtls_middleware.servers.scope import connection_facts, peer_of, tls_extension

PIPELINED = 128
"""Requests that may wait behind the one that is answered; hardly any client sends a second one."""

PIPELINED_BYTES = 1_048_576
"""Of their bodies, or in h11 of all that is behind the request that is answered.

uvicorn stops reading there, but reads on each time that an application asks whether its caller is still there.
"""


class _TellsConnectionFacts(HeadDeadline):
    """Wrap the application once for each connection, before anything of it is read."""

    config: Config
    app: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A protocol that takes over for a WebSocket is given the configuration, and takes the application from there.
        self.config = _telling(self.config, *_facts_of(transport))
        self.app = self.config.loaded_app
        super().connection_made(transport)


def _facts_of(transport: asyncio.BaseTransport) -> tuple[Transport, dict[str, Any] | None]:
    """Return the peer, and the TLS extension of a connection over TLS."""
    tls_object = transport.get_extra_info("ssl_object")
    return peer_of(transport), None if tls_object is None else tls_extension(tls_object)


def _telling(config: Config, transport: Transport, tls: dict[str, Any] | None) -> Config:
    """Return a configuration whose application is told the facts of one connection."""
    app = config.loaded_app

    async def with_facts(scope: Any, receive: Any, send: Any) -> Any:  # noqa: ANN401 - uvicorn's types
        # uvicorn makes each scope anew, and its access log reads the one that its proxy headers change: no copy.
        scope.update(connection_facts(scope, transport, tls))
        if scope["type"] == "websocket":
            return await _answering_silently(app, scope, receive, send)
        return await app(scope, receive, send)

    config = copy.copy(config)
    config.loaded_app = with_facts
    return config


async def _answering_silently(app: Any, scope: Any, receive: Any, send: Any) -> Any:  # noqa: ANN401 - uvicorn's types
    """Run an application on a WebSocket. One that is refused by an HTTP response is no error, as uvicorn logs it."""
    is_refused = False

    async def noting(message: Any) -> None:  # noqa: ANN401 - as above
        nonlocal is_refused
        await send(message)
        if message["type"] == "websocket.http.response.body":
            is_refused = not message.get("more_body", False)

    result = await app(scope, receive, noting)
    if is_refused:
        raise ClientDisconnected  # uvicorn takes it for the end of a connection that needs no handshake any more
    return result


class H11Protocol(_TellsConnectionFacts, _UvicornH11Protocol):
    """HTTP/1.1 by h11, which keeps request trailers apart by itself."""

    conn: h11.Connection

    def data_received(self, data: bytes) -> None:
        """Bound what is behind the request that is answered: h11 keeps all of it."""
        super().data_received(data)
        if self.conn.their_state is h11.DONE and len(self.conn.trailing_data[0]) > PIPELINED_BYTES:
            self.transport.abort()


if find_spec("httptools") is not None:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _UvicornHttpToolsProtocol

    class _Complete(list[tuple[bytes, bytes]]):
        """Headers to which nothing can be added."""

        def append(self, _trailer: tuple[bytes, bytes], /) -> None:
            """Drop a trailer."""

    _NO_MORE = _Complete()

    class HttpToolsProtocol(HeadDeadline, _UvicornHttpToolsProtocol):
        """HTTP/1.1 by httptools.

        The parser gives trailers to the same callback as headers, and uvicorn 0.54 appends them to the list that the
        application already has: a caller could add a certificate header behind the back of a proxy.
        uvicorn also reads on after each answer, however many requests wait: a stranger who reads no answers could fill
        the memory, with 30 bytes for each request of 3 kB. Nor has it a bound for heads, whose headers take seventeen
        times their bytes.
        When the connection is lost, it tells the last request of a pipeline, and not the one that is answered.
        The facts of the connection go right into the scope, which uvicorn makes anew for each request.
        """

        __slots__ = ("_asked", "_head_bytes", "_peer", "_tls")  # as in `HeadDeadline`

        scope: Any
        config: Config
        _peer: Transport
        _tls: dict[str, Any] | None
        _asked: Sequence[Any]
        """Cycles of the request that is answered, and of those behind it."""
        _head_bytes: int

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            """Note the facts before anything is read."""
            self._peer, self._tls = _facts_of(transport)
            self._asked, self._head_bytes = (), 0
            super().connection_made(transport)

        def data_received(self, data: bytes) -> None:
            """Bound a head, also one behind a request that is answered, and the bodies of requests that wait."""
            HeadDeadline.data_received(self, data)
            if type(self.headers) is list:  # nothing more can be added to those of a complete head
                self._head_bytes += len(data)
                if self._head_bytes > MAX_HEAD_BYTES:
                    self._close_overdue()
            if self.pipeline and sum(len(cycle.body) for cycle, _ in self.pipeline) > PIPELINED_BYTES:
                self.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            """Tell the request that is answered."""
            answered = next((cycle for cycle in self._asked if not cycle.response_complete), None)
            if answered is not None:
                answered.disconnected = True
                answered.message_event.set()
            super().connection_lost(exc)

        def on_headers_complete(self) -> None:
            """Add the facts; accept no header after them, and no request behind too many."""
            self._head_bytes = 0
            if len(self.pipeline) >= PIPELINED:
                self.transport.abort()
                return
            scope = self.scope
            scope[TRANSPORT_SCOPE_KEY] = self._peer
            tls = self._tls
            if tls is not None:
                scope["extensions"] = {"tls": {**tls}}
            _UvicornHttpToolsProtocol.on_headers_complete(self)
            # One that changes to a WebSocket has no cycle.
            waiting = [cycle for cycle in self._asked if not cycle.response_complete] if self.pipeline else ()
            self._asked = waiting if self.cycle is None else (*waiting, self.cycle)
            # uvicorn reads its list again only for an upgrade; the application has the list itself.
            self.headers = _Complete(self.headers) if self.parser.should_upgrade() else _NO_MORE

        def handle_websocket_upgrade(self) -> None:
            """Let the protocol that takes over tell the same."""
            self.config = _telling(self.config, self._peer, self._tls)
            super().handle_websocket_upgrade()


if find_spec("zttp") is not None and find_spec("uvicorn.protocols.http.auto_zttp_impl") is not None:
    from uvicorn.protocols.http.auto_zttp_impl import AutoZttpProtocol as _UvicornAutoZttpProtocol
    from uvicorn.protocols.http.zttp_h2_impl import ZttpH2Protocol as _UvicornZttpH2Protocol
    from uvicorn.protocols.http.zttp_impl import ZttpProtocol as _UvicornZttpProtocol

    class ZttpProtocol(_TellsConnectionFacts, _UvicornZttpProtocol):
        """HTTP/1.1 by zttp, which keeps request trailers apart by itself."""

    class _ZttpH2Protocol(_TellsConnectionFacts, _UvicornZttpH2Protocol):
        """HTTP/2 by zttp."""

        def on_response_complete(self, stream_id: int) -> None:
            """Bound what comes next: a frame of no request ends uvicorn's own timeout."""
            super().on_response_complete(stream_id)
            self._follow()

        def _awaits_head(self) -> bool:
            # Frames of no stream start uvicorn's timeout anew each time, so it bounds nothing here.
            return not self.cycles

        def _next_head_timeout(self) -> float:
            # The deadline begins with the end of the request before, so the idle time comes on top.
            return self.head_timeout + float(self.timeout_keep_alive)

    class AutoZttpProtocol(HeadDeadline, _UvicornAutoZttpProtocol):
        """HTTP/2 and HTTP/1.1 by zttp, whichever the caller speaks."""

        def _switch(self, http2: bool, initial_data: bytes = b"") -> None:
            taking_over = _ZttpH2Protocol if http2 else ZttpProtocol
            protocol = taking_over(
                config=self.config,
                server_state=self.server_state,
                app_state=self.app_state,
                _loop=self.loop,
            )
            protocol.head_timeout, protocol.accepted_at = self.head_timeout, self.accepted_at
            self.transport.set_protocol(protocol)
            protocol.connection_made(self.transport)
            if initial_data:
                protocol.data_received(initial_data)
