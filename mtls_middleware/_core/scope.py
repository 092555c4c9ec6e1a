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


def connection_of(scope: Mapping[str, Any]) -> Connection:
    """Return all that the gate may look at of an http or websocket request."""
    headers, extensions = headers_and_extensions_of(scope)
    client, transport = peer_of(scope)
    path, raw_path, root_path = path_of(scope)
    tls = extensions.get("tls") if isinstance(extensions, Mapping) else None
    return Connection(
        interface=Interface.ASGI,
        path=path,
        raw_path=raw_path,
        root_path=root_path,
        headers=tuple((bytes(name), bytes(value)) for name, value in headers or ()),
        client=_client(client),
        transport=transport if isinstance(transport, Transport) else None,
        tls=tls if isinstance(tls, Mapping) else None,
        event=event_of(scope),
        trailers_are_headers=may_make_headers_of_trailers(transport),
    )


def _client(client: Any) -> tuple[Any, Any] | None:  # noqa: ANN401 - whatever a server put there
    """Return host and port. There is no peer only where the server says so; what it says otherwise is one."""
    if not client:
        return None
    if isinstance(client, Sequence) and not isinstance(client, str | bytes) and len(client) > 1:
        return client[0], client[1]
    return repr(client), None
