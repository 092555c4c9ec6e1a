"""What is wrong with the server or the application around a middleware, as far as it can be seen from inside."""

import sys

from mtls_middleware._core.boundary import TRAILERS_ARE_HEADERS
from mtls_middleware._core.connection import Connection
from mtls_middleware._core.sources.presets import TLS

_SERVER_HIDES = (
    "this server does not hand over client certificates: no TLS extension in the scope, and no key of a WSGI server. "
    "Start it with `mtls-middleware serve`, or with the protocol classes of mtls_middleware.servers; behind a proxy "
    "that ends TLS, set MTLS_SOURCE"
)
_SERVER_ASKS_NOBODY = (
    "this server asks callers for no certificate, so no call can have one. Start it with its CA file and the option "
    "that asks: uvicorn --ssl-cert-reqs 1, gunicorn --cert-reqs 1, hypercorn --verify-mode CERT_OPTIONAL, "
    "daphne --client-ca"
)
_JUDGED_TWICE = "one of our middlewares stands behind another, which removes the headers that it needs: leave out one"

_UVICORN_HTTPTOOLS = "uvicorn.protocols.http.httptools_impl"
_OUR_UVICORN = "mtls_middleware.servers.uvicorn"


def trailers_as_headers() -> str:
    """Return what to do where the server may turn trailers into headers; empty where it does not, or is not known."""
    if _UVICORN_HTTPTOOLS in sys.modules and _OUR_UVICORN not in sys.modules:
        return f"if this server is uvicorn: {TRAILERS_ARE_HEADERS}"
    return ""


def fault_of(connection: Connection, source: str) -> str:
    """Return what is set up wrong; empty where the caller may simply have no certificate.

    Args:
        connection: of a call without a certificate.
        source: name of the configured source of certificates.
    """
    if source != TLS and connection.was_judged:
        return _JUDGED_TWICE
    if source == TLS and connection.tls is None:
        return _SERVER_HIDES
    if source == TLS and not connection.asks:
        return _SERVER_ASKS_NOBODY
    return ""
