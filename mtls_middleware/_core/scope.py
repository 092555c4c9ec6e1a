"""What can be read of an ASGI scope. The gate and the fast path both read it here, and nowhere else.

So nothing that the gate can read is unknown to the fast path: a further value makes the unpacking in both fail.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mtls_middleware._core.connection import (
    TRANSPORT_SCOPE_KEY,
    Connection,
    Interface,
    Transport,
    may_make_headers_of_trailers,
)
from mtls_middleware.identity import IDENTITY_KEY


def headers_and_extensions_of(scope: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return ``headers`` and ``extensions``: they may hold a certificate, and what is asked for beside it."""
    return scope.get("headers"), scope.get("extensions")


def event_of(scope: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever a server put there
    """Return the event of AWS API Gateway: it may hold a certificate, too."""
    return scope.get("aws.event")


def peer_of(scope: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return ``client`` and the `Transport` of our own server adapters: who sent the headers."""
    return scope.get("client"), scope.get(TRANSPORT_SCOPE_KEY)


def path_of(scope: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return ``path``, ``raw_path`` and ``root_path``."""
    return scope.get("path", ""), scope.get("raw_path"), scope.get("root_path", "")


def known_peer(client: Any, transport: Any) -> object:  # noqa: ANN401 - whatever a server put there
    """Return the peer without its port, which must be one; raise where anything is of an unusual type.

    Where our own adapter tells it, the gate reads no port.
    """
    if type(transport) is Transport:
        peer = transport.peer
        if peer is None:
            return (None,)
        if type(peer) is tuple and type(peer[0]) is str:
            return (peer[0],)
    elif client is None and transport is None:
        return None
    elif transport is None and (type(client) is tuple or type(client) is list):
        host, port = client
        if type(host) is str and type(port) is int and 1 <= port <= 65535:  # noqa: PLR2004 - TCP
            return host
    raise TypeError


def known_path(scope: Mapping[str, Any]) -> tuple[str, bytes | None, str]:
    """Return the path in its three forms; raise where one is of an unusual type."""
    path, raw_path, root_path = found = path_of(scope)
    if type(path) is not str or type(root_path) is not str or (raw_path is not None and type(raw_path) is not bytes):
        raise TypeError
    return found


def connection_of(scope: Mapping[str, Any]) -> Connection:
    """Return all that the gate may look at of an http or websocket request."""
    headers, extensions = headers_and_extensions_of(scope)
    client, transport = peer_of(scope)
    path, raw_path, root_path = path_of(scope)
    tls = extensions.get("tls") if isinstance(extensions, Mapping) else None
    unreadable = ""
    try:
        headers = tuple(
            [
                (name, value) if type(name) is type(value) is bytes else (_octets(name), _octets(value))
                for name, value in headers or ()
            ]
        )
    except (TypeError, ValueError):
        headers, unreadable = (), "the server hands over a header that is no pair of bytes"
    return Connection(
        interface=Interface.ASGI,
        path=path,
        raw_path=raw_path,
        root_path=root_path,
        headers=headers,
        client=_client(client),
        transport=transport if isinstance(transport, Transport) else None,
        tls=tls if isinstance(tls, Mapping) else None,
        event=event_of(scope),
        trailers_are_headers=may_make_headers_of_trailers(transport),
        asks=not isinstance(transport, Transport) or transport.asks,
        was_judged=IDENTITY_KEY in scope,  # changes the words of a refusal, and no decision
        unreadable=unreadable,
    )


def _octets(value: Any) -> bytes:  # noqa: ANN401 - whatever a server put there
    if not isinstance(value, bytes | bytearray | memoryview):  # of a number, `bytes` makes as many zeros
        raise TypeError
    return bytes(value)


def _client(client: Any) -> tuple[Any, Any] | None:  # noqa: ANN401 - whatever a server put there
    """Return host and port. There is no peer only where the server says so; what it says otherwise is one."""
    if not client:
        return None
    if isinstance(client, Sequence) and not isinstance(client, str | bytes) and len(client) > 1:
        return client[0], client[1]
    return repr(client), None
