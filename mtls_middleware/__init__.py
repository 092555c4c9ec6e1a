"""Authenticate Genesys Cloud data action calls, and any other mTLS caller, in ASGI and WSGI applications.

The doors `MTLSMiddleware` and `MTLSWSGIMiddleware` are loaded when their names are asked for (PEP 562), so that a WSGI
application never imports ASGI code, nor the other way round.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mtls_middleware._core.connection import Connection
from mtls_middleware._core.decision import Accepted, Reason, Rejected
from mtls_middleware.errors import ConfigurationError, TrustError
from mtls_middleware.guard import Guard
from mtls_middleware.identity import ClientIdentity
from mtls_middleware.reporting import Status
from mtls_middleware.settings import Settings

if TYPE_CHECKING:
    from mtls_middleware.asgi import MTLSMiddleware
    from mtls_middleware.wsgi import MTLSWSGIMiddleware

__version__ = "0.1.0"

__all__ = [
    "Accepted",
    "ClientIdentity",
    "ConfigurationError",
    "Connection",
    "Guard",
    "MTLSMiddleware",
    "MTLSWSGIMiddleware",
    "Reason",
    "Rejected",
    "Settings",
    "Status",
    "TrustError",
]

_DOORS = {"MTLSMiddleware": "mtls_middleware.asgi", "MTLSWSGIMiddleware": "mtls_middleware.wsgi"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    """Load a door when it is asked for."""
    if name in _DOORS:
        return getattr(import_module(_DOORS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
