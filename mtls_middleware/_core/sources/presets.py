"""What each proxy sends: a table. It is configured, never sniffed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from mtls_middleware.members import require_members

TLS = "tls"
AWS_API_GATEWAY = "aws-api-gateway"
CUSTOM = "custom"


class Encoding(StrEnum):
    """The encoding of a certificate in a header."""

    URL_PEM = "url-pem"
    PEM_SPACES = "pem-spaces"
    B64_PEM = "b64-pem"
    B64_DER = "b64-der"
    B64_DER_LIST = "b64-der-list"
    RFC9440 = "rfc9440"
    XFCC = "xfcc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A header by which the proxy says whether its own verification succeeded.

    Attributes:
        header: its name.
        value: what it says on success, exactly.
        always_set: the proxy sends it with every request; else it may be absent or empty, and must not say more.
    """

    header: str
    value: str
    always_set: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderNames:
    """The headers of one kind of proxy.

    Attributes:
        certificate: the header with the leaf.
        encoding: of the certificate and of the chain.
        chain: the headers with what came beside the leaf.
        markers: all must say success.
        bundled: the certificate's own header may hold the chain, the leaf first.
        certificates: the names of the headers that hold certificates.
        headers: the names of all headers.
    """

    certificate: str
    encoding: Encoding
    chain: tuple[str, ...] = ()
    markers: tuple[Marker, ...] = ()
    bundled: bool = False
    certificates: tuple[str, ...] = field(init=False, repr=False, compare=False)
    headers: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_members(self, encoding=Encoding)
        certificates = (self.certificate, *self.chain)
        object.__setattr__(self, "certificates", certificates)
        object.__setattr__(self, "headers", frozenset((*certificates, *(marker.header for marker in self.markers))))

    @property
    def has_marker(self) -> bool:
        """Return whether the proxy sets a marker with every request."""
        return any(marker.always_set for marker in self.markers)


def _verified(header: str, value: str = "SUCCESS") -> tuple[Marker, ...]:
    return (Marker(header=header, value=value),)


_ENVOY = HeaderNames(certificate="X-Forwarded-Client-Cert", encoding=Encoding.XFCC, bundled=True)

PRESETS: Mapping[str, HeaderNames] = MappingProxyType(
    {
        "nginx": HeaderNames(
            certificate="X-SSL-Client-Cert", encoding=Encoding.URL_PEM, markers=_verified("X-SSL-Client-Verify")
        ),
        "ingress-nginx": HeaderNames(
            certificate="ssl-client-cert", encoding=Encoding.URL_PEM, markers=_verified("ssl-client-verify")
        ),
        "apache": HeaderNames(
            certificate="X-SSL-Client-Cert",
            encoding=Encoding.PEM_SPACES,
            chain=tuple(f"X-SSL-Client-Cert-Chain-{index}" for index in range(4)),
            markers=_verified("X-SSL-Client-Verify"),
        ),
        "haproxy": HeaderNames(
            certificate="X-SSL-Client-Cert",
            encoding=Encoding.B64_DER,
            chain=("X-SSL-Client-Chain-DER",),
            # Without a certificate HAProxy's verify says 0 as well: only both together mean something.
            markers=_verified("X-SSL-Client-Used", "1") + _verified("X-SSL-Client-Verify", "0"),
        ),
        "envoy": _ENVOY,
        "azure-container-apps": _ENVOY,
        "traefik": HeaderNames(certificate="X-Forwarded-Tls-Client-Cert", encoding=Encoding.B64_DER_LIST, bundled=True),
        "caddy": HeaderNames(certificate="X-SSL-Client-Cert", encoding=Encoding.B64_DER),
        "kong": HeaderNames(certificate="X-Client-Cert", encoding=Encoding.URL_PEM),
        "aws-alb": HeaderNames(certificate="X-Amzn-Mtls-Clientcert-Leaf", encoding=Encoding.URL_PEM),
        "aws-alb-passthrough": HeaderNames(
            certificate="X-Amzn-Mtls-Clientcert", encoding=Encoding.URL_PEM, bundled=True
        ),
        "cloudfront": HeaderNames(
            certificate="CloudFront-Viewer-Cert-Pem",
            encoding=Encoding.URL_PEM,
            markers=_verified("CloudFront-Viewer-Cert-Present", "1"),
        ),
        "gcp": HeaderNames(
            certificate="X-Client-Cert-Leaf",
            encoding=Encoding.RFC9440,
            chain=("X-Client-Cert-Chain",),
            markers=(
                *_verified("X-Client-Cert-Present", "true"),
                *_verified("X-Client-Cert-Chain-Verified", "true"),
                Marker(header="X-Client-Cert-Error", value="", always_set=False),
            ),
        ),
        "azure-app-service": HeaderNames(certificate="X-ARR-ClientCert", encoding=Encoding.B64_DER),
        "azure-application-gateway": HeaderNames(
            certificate="X-Client-Cert", encoding=Encoding.URL_PEM, markers=_verified("X-Client-Cert-Verification")
        ),
        "cloudflare": HeaderNames(
            certificate="Cf-Client-Cert-Der-Base64",
            encoding=Encoding.B64_DER,
            # "Verified" is true for a revoked certificate too.
            markers=(
                *_verified("Cf-Cert-Presented", "true"),
                *_verified("Cf-Cert-Verified", "true"),
                *_verified("Cf-Cert-Revoked", "false"),
            ),
        ),
        "cloud-foundry": HeaderNames(
            certificate="X-Forwarded-Client-Cert", encoding=Encoding.B64_DER, chain=("X-Forwarded-Client-Chain",)
        ),
        "rfc9440": HeaderNames(certificate="Client-Cert", encoding=Encoding.RFC9440, chain=("Client-Cert-Chain",)),
    }
)
"""Every source that is a set of headers, `CUSTOM` apart."""

NAMES = (TLS, *PRESETS, AWS_API_GATEWAY, CUSTOM)
"""Every value of ``MTLS_SOURCE``."""
