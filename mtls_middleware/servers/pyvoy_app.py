"""The application that pyvoy's Envoy runs for `mtls_middleware.servers.pyvoy`: it reads what that Envoy says.

It believes ``X-Forwarded-Client-Cert``. It is therefore made only where the variable of that server names the real
application: the configuration of the same server removes the header of every caller.
"""

import os
import ssl
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from mtls_middleware._core.connection import Transport
from mtls_middleware._core.decision import RejectionError
from mtls_middleware._core.sources.xfcc import xfcc_certificates
from mtls_middleware.servers.scope import with_connection_facts

APPLICATION_VARIABLE = "PYVOY_TOLD_APPLICATION"
"""Names the real application, as ``module:attribute``."""

HEADER = b"x-forwarded-client-cert"

_CERTIFICATES = 128
"""How many are handed over, at most. The gate has the limit that operators set."""


def with_presented(app: ASGIApp) -> ASGIApp:
    """Wrap an application, so that each scope tells the real peer and the TLS extension."""

    async def with_facts(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await app(scope, receive, send)
            return
        headers = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
        values = [value for name, value in headers if name.lower() == HEADER]
        if scope["type"] == "websocket":
            values = []  # pyvoy takes WebSockets in front of what sets and removes the header: it is the caller's own
        extension = (scope.get("extensions") or {}).get("tls") or {}
        tls = {**extension, **_presented(values)} if scope["scheme"] in {"https", "wss"} else None
        host, port = scope["client"]
        downstream = {**scope, "headers": [field for field in headers if field[0].lower() != HEADER]}
        await with_connection_facts(app, Transport(peer=(str(host), int(port))), tls)(downstream, receive, send)

    return with_facts


def _presented(values: Iterable[bytes]) -> dict[str, Any]:
    """Return the certificates that Envoy names; it writes one header of one element, or there is none."""
    chain: tuple[str, ...] = ()
    error = None
    try:
        for value in values:
            chain += tuple(map(ssl.DER_cert_to_PEM_cert, xfcc_certificates(value, 1, _CERTIFICATES)))
    except RejectionError as rejection:
        chain, error = (), f"X-Forwarded-Client-Cert of Envoy cannot be read: {rejection}"
    return {"server_cert": None, "client_cert_chain": chain, "client_cert_error": error}


def _named(name: str) -> ASGIApp:
    module, _, attribute = name.partition(":")
    app: ASGIApp = getattr(import_module(module), attribute or "app")
    return app


def __getattr__(name: str) -> ASGIApp:
    """Make the application when the server asks for it."""
    if name != "application":
        raise AttributeError(name)
    return with_presented(_named(os.environ[APPLICATION_VARIABLE]))
