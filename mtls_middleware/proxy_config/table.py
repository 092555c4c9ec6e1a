"""The table of configurations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One configuration.

    Attributes:
        file: in the folder ``templates``.
        source: what ``MTLS_SOURCE`` is behind it.
        run: the end-to-end tests run it with the real proxy.
        takes_crl: it can check a CRL too.
        adds_secret: it adds the secret of ``MTLS_PROXY_SECRET``.
        part_of: the other configuration that it belongs to, which comes with the settings of the application.
        checks_health: it asks the application for a path that ``MTLS_EXEMPT`` must have.
        settings: what else the application needs.
    """

    file: str
    source: str
    run: bool = False
    takes_crl: bool = False
    adds_secret: bool = True
    part_of: str | None = None
    checks_health: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


# A load balancer's addresses change within its subnets.
_SUBNETS_OF_AWS = {"MTLS_TRUSTED_PROXIES": "10.0.0.0/24,10.0.1.0/24"}

TABLE: Mapping[str, Template] = MappingProxyType(
    {
        "nginx": Template(file="nginx.conf", source="nginx", run=True, takes_crl=True),
        "apache": Template(file="apache.conf", source="apache", run=True, takes_crl=True),
        "haproxy": Template(file="haproxy.cfg", source="haproxy", run=True, takes_crl=True),
        "caddy": Template(file="Caddyfile", source="caddy", run=True),
        "envoy": Template(file="envoy.yaml", source="envoy", run=True, takes_crl=True),
        "traefik": Template(file="traefik.yaml", source="traefik", run=True),
        "traefik-static": Template(
            file="traefik-static.yaml", source="traefik", run=True, adds_secret=False, part_of="traefik"
        ),
        "kong": Template(file="kong.yaml", source="kong"),
        "kubernetes-envoy-gateway": Template(file="kubernetes-envoy-gateway.yaml", source="envoy", takes_crl=True),
        "kubernetes-istio": Template(
            file="kubernetes-istio.yaml",
            source="envoy",
            takes_crl=True,
            settings={"MTLS_XFCC_ELEMENTS": "2"},
        ),
        "kubernetes-traefik": Template(file="kubernetes-traefik.yaml", source="traefik"),
        "kubernetes-nginx": Template(file="kubernetes-nginx.yaml", source="nginx", takes_crl=True),
        "kubernetes-gateway": Template(file="kubernetes-gateway.yaml", source="tls", adds_secret=False),
        "ingress-nginx": Template(file="ingress-nginx.yaml", source="ingress-nginx", takes_crl=True),
        "aws-alb": Template(
            file="aws-alb.tf",
            source="aws-alb",
            takes_crl=True,
            adds_secret=False,
            checks_health=True,
            settings=_SUBNETS_OF_AWS,
        ),
        "aws-alb-passthrough": Template(
            file="aws-alb-passthrough.tf",
            source="aws-alb-passthrough",
            adds_secret=False,
            checks_health=True,
            settings=_SUBNETS_OF_AWS,
        ),
        "aws-api-gateway": Template(
            file="aws-api-gateway.tf",
            source="aws-api-gateway",
            adds_secret=False,
            settings={"MTLS_STATE": "off"},
        ),
        "cloudfront": Template(file="cloudfront.tf", source="cloudfront"),
        "gcp": Template(file="gcp.tf", source="gcp", checks_health=True),
        "cloudflare": Template(
            file="cloudflare.tf",
            source="cloudflare",
            settings={
                "MTLS_HEADER": "Client-Cert",
                "MTLS_HEADER_ENCODING": "rfc9440",
                "MTLS_CHAIN_HEADER": "Client-Cert-Chain",
                "MTLS_VERIFY_HEADER": "X-Client-Cert-Verified",
                "MTLS_VERIFY_VALUE": "true-false",
            },
        ),
        "azure-app-service": Template(
            file="azure-app-service.bicep",
            source="azure-app-service",
            adds_secret=False,
            settings={"MTLS_TRUSTED_PROXIES": "169.254.0.0/16"},
        ),
        "azure-application-gateway": Template(
            file="azure-application-gateway.bicep", source="azure-application-gateway", checks_health=True
        ),
        "azure-container-apps": Template(
            file="azure-container-apps.bicep",
            source="azure-container-apps",
            adds_secret=False,
            settings={"MTLS_TRUSTED_PROXIES": "100.100.0.0/17"},
        ),
    }
)
"""Every configuration by the name that ``mtls-middleware proxy-config`` takes."""
