"""What is attacked, and with what."""

import ssl
from dataclasses import dataclass

from cryptography import x509

from mtls_middleware.cli.doctor.forgery import Source
from mtls_middleware.cli.doctor.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Say what is attacked, and with what.

    Attributes:
        target: the deployed boundary.
        sources: what the application may read; one gets every attack, several get the plainest.
        secret_header: in which the proxy proves itself.
        certificate: a genuine one, which is public; None for a stranger's.
        origin: where the genuine one is from.
        context: of TLS, without a client certificate.
        own: of TLS, with one; None where the caller has none.
        direct: the application itself, past the proxy.
        method: of the requests.
    """

    target: Target
    sources: tuple[Source, ...]
    secret_header: str
    certificate: x509.Certificate | None = None
    origin: str = ""
    context: ssl.SSLContext | None = None
    own: ssl.SSLContext | None = None
    direct: Target | None = None
    method: str = "GET"

    @property
    def is_broad(self) -> bool:
        """Return whether the headers of several sources are tried."""
        return len(self.sources) > 1
