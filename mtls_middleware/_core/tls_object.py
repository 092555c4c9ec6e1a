"""What a caller presented, read from the TLS object of a connection. Knows no server, no door and no verdict.

A TLS object is an `ssl.SSLObject`, an `ssl.SSLSocket`, gevent's twin of it, or anything that answers to their names.
The servers of both doors are read here: adapters in ``servers/`` give the object of their transport, and the WSGI door
gives ``gunicorn.socket``.
"""

from collections.abc import Iterable
from typing import Any

_DER = 2
"""``_ssl.ENCODING_DER``."""

_CANNOT_TELL = (AttributeError, OSError, ValueError)
"""What CPython raises where there is no certificate, no handshake, or no connection any more."""


def presented_der(tls_object: Any) -> tuple[bytes, ...]:  # noqa: ANN401 - see the module: what answers to the names
    """Return the certificates that a caller presented, as DER, the leaf first and the rest in the caller's order.

    The tuple is empty where the caller presented none, and where the connection is gone or cannot tell. On a resumed
    session it holds the leaf alone. Nothing is said about trust: a resumed session was verified long ago, or never.
    """
    # The leaf is asked for first: without one, CPython 3.13 answers a question for the chain with AttributeError, and
    # CPython 3.11 with [None].
    try:
        leaf = tls_object.getpeercert(True)  # positionally: gevent and pyOpenSSL wrappers name the argument otherwise
    except _CANNOT_TELL:
        return ()
    if not isinstance(leaf, bytes):
        return ()
    return leaf, *(der for der in _sent(tls_object) if der != leaf)


def _sent(tls_object: Any) -> Iterable[bytes]:  # noqa: ANN401 - as above
    """Return what was sent, with the leaf or without it; nothing on a resumed session."""
    public = getattr(tls_object, "get_unverified_chain", None)  # CPython >= 3.13
    private = getattr(getattr(tls_object, "_sslobj", None), "get_unverified_chain", None)  # CPython 3.10 to 3.12
    try:
        if public is not None:
            return tuple(public() or ())
        if private is not None:
            return tuple(certificate.public_bytes(_DER) for certificate in private() or ())
    except _CANNOT_TELL:
        pass  # the leaf stays known
    return ()
