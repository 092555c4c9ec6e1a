"""Authenticate Genesys Cloud data action calls, and any other mTLS caller, in ASGI and WSGI applications.

Each name is loaded when it is asked for (PEP 562): a WSGI application never imports ASGI code, nor the other way round,
and pytest's plugin costs nothing where nobody uses it.
"""

TYPE_CHECKING = False
"""As type checkers take it. Nothing is imported here: until the command line stands, an interrupt is a traceback."""

if TYPE_CHECKING:
    from typing import Any

    from mtls_middleware._core.connection import Connection, Interface
    from mtls_middleware._core.decision import Accepted, Reason, Rejected
    from mtls_middleware._core.gate import Mode
    from mtls_middleware.asgi import MTLSMiddleware
    from mtls_middleware.errors import ConfigurationError, MTLSError, TrustError
    from mtls_middleware.guard import Guard
    from mtls_middleware.identity import Authority, ClientIdentity, caller, optional_caller
    from mtls_middleware.observing.status import Status
    from mtls_middleware.settings import Settings
    from mtls_middleware.wsgi import MTLSWSGIMiddleware

__version__ = "0.1.0"

__all__ = [
    "Accepted",
    "Authority",
    "ClientIdentity",
    "ConfigurationError",
    "Connection",
    "Guard",
    "Interface",
    "MTLSError",
    "MTLSMiddleware",
    "MTLSWSGIMiddleware",
    "Mode",
    "Reason",
    "Rejected",
    "Settings",
    "Status",
    "TrustError",
    "caller",
    "optional_caller",
]

_MODULES = {
    "Accepted": "_core.decision",
    "Authority": "identity",
    "ClientIdentity": "identity",
    "ConfigurationError": "errors",
    "Connection": "_core.connection",
    "Guard": "guard",
    "Interface": "_core.connection",
    "MTLSError": "errors",
    "MTLSMiddleware": "asgi",
    "MTLSWSGIMiddleware": "wsgi",
    "Mode": "_core.gate",
    "Reason": "_core.decision",
    "Rejected": "_core.decision",
    "Settings": "settings",
    "Status": "observing.status",
    "TrustError": "errors",
    "caller": "identity",
    "optional_caller": "identity",
}
"""Where each name is made. The classes bear the name of the package, so moving them breaks no pickle."""


def __getattr__(name: str) -> "Any":  # noqa: ANN401 - PEP 562
    """Load a name when it is asked for, and keep it."""
    from importlib import import_module  # noqa: PLC0415 - see TYPE_CHECKING

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the names that may be asked for, and those of every module."""
    return sorted({*globals(), *__all__})
