"""For tests of applications that use this package: a regional CA, certificates good and bad. No network, no openssl."""

from mtls_middleware.testing.authority import RegionalCA
from mtls_middleware.testing.certificates import ClientCertificate
from mtls_middleware.testing.genesys_api import APIAnswer, APICall, GenesysAPI
from mtls_middleware.testing.keys import KeyKind
from mtls_middleware.testing.presenters import TLSExtension, nginx, rfc9440, tls_extension

__all__ = [
    "APIAnswer",
    "APICall",
    "ClientCertificate",
    "GenesysAPI",
    "KeyKind",
    "RegionalCA",
    "TLSExtension",
    "nginx",
    "rfc9440",
    "tls_extension",
]
