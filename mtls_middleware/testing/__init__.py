"""For tests of applications that use this package: a regional CA, certificates good and bad, clients that present them.

No network, no openssl. A name is loaded when it is asked for (PEP 562), and with it what it needs: `MTLSTestClient`
needs httpx2, the fixtures (`mtls_middleware.testing.plugin`) pytest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mtls_middleware.testing.arrival import TLSExtension
from mtls_middleware.testing.ca import RegionalCA
from mtls_middleware.testing.genesys_api import APIAnswer, APICall, GenesysAPI
from mtls_middleware.testing.leaves import ClientCertificate
from mtls_middleware.testing.presentation import Presentation, nginx, present, rfc9440, tls_extension
from mtls_middleware.testing.signing import KeyKind

if TYPE_CHECKING:
    from mtls_middleware.testing.client import MTLSTestClient

__all__ = [
    "APIAnswer",
    "APICall",
    "ClientCertificate",
    "GenesysAPI",
    "KeyKind",
    "MTLSTestClient",
    "Presentation",
    "RegionalCA",
    "TLSExtension",
    "nginx",
    "present",
    "rfc9440",
    "tls_extension",
]

_LAZY = {
    "MTLSTestClient": "mtls_middleware.testing.client",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    """Load what needs more when it is asked for."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
