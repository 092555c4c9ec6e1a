"""A complete configuration for each proxy and platform that hands over a client certificate in headers.

What `TABLE` calls *run* is run by the end-to-end tests, file by file as `render` returns it. The rest comes from the
vendors' documentation.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

from mtls_middleware.errors import ConfigurationError
from mtls_middleware.proxy_config.parameters import Parameters

__all__ = ["TABLE", "Parameters", "Template", "render"]

_PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")
_WITH_CRL, _WITHOUT_CRL = (
    re.compile(rf"^ *\{{\{{{mark} crl \}}\}}\n(.*?)^ *\{{\{{/ crl \}}\}}\n", re.DOTALL | re.MULTILINE)
    for mark in ("#", r"\^")
)


def render(name: str, parameters: Parameters) -> str:
    """Return the text of a configuration.

    Args:
        name: a key of `TABLE`.
        parameters: what differs from one deployment to the next.

    Raises:
        ConfigurationError: there is none of this name, or it takes no CRL.
    """
    template = TABLE.get(name)
    if template is None:
        raise ConfigurationError([f"there is no configuration for {name!r}; known are: {', '.join(TABLE)}"])
    if parameters.crl is not None and not template.takes_crl:
        raise ConfigurationError([f"the configuration for {name} takes no CRL"])
    text = (files(__name__) / "templates" / template.file).read_text(encoding="utf-8")
    kept, left_out = (_WITHOUT_CRL, _WITH_CRL) if parameters.crl is None else (_WITH_CRL, _WITHOUT_CRL)
    text = kept.sub(r"\1", left_out.sub("", text))
    values = parameters.values()
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One configuration.

    Attributes:
        file: in the folder ``templates``.
        source: what ``MTLS_SOURCE`` is behind it.
        run: the end-to-end tests run it with the real proxy.
        takes_crl: it can check a CRL too.
    """

    file: str
    source: str
    run: bool = False
    takes_crl: bool = False


TABLE: Mapping[str, Template] = MappingProxyType(
    {
        "nginx": Template(file="nginx.conf", source="nginx", run=True, takes_crl=True),
        "apache": Template(file="apache.conf", source="apache", run=True, takes_crl=True),
        "haproxy": Template(file="haproxy.cfg", source="haproxy", run=True, takes_crl=True),
        "caddy": Template(file="Caddyfile", source="caddy", run=True),
        "envoy": Template(file="envoy.yaml", source="envoy", run=True, takes_crl=True),
        "traefik": Template(file="traefik.yaml", source="traefik"),
        "traefik-static": Template(file="traefik-static.yaml", source="traefik"),
        "kong": Template(file="kong.yaml", source="kong"),
        "kubernetes-envoy-gateway": Template(file="kubernetes-envoy-gateway.yaml", source="envoy", takes_crl=True),
        "kubernetes-istio": Template(file="kubernetes-istio.yaml", source="envoy", takes_crl=True),
        "kubernetes-traefik": Template(file="kubernetes-traefik.yaml", source="traefik"),
        "ingress-nginx": Template(file="ingress-nginx.yaml", source="ingress-nginx", takes_crl=True),
        "aws-alb": Template(file="aws-alb.tf", source="aws-alb", takes_crl=True),
        "aws-alb-passthrough": Template(file="aws-alb-passthrough.tf", source="aws-alb-passthrough"),
        "aws-api-gateway": Template(file="aws-api-gateway.tf", source="aws-api-gateway"),
        "cloudfront": Template(file="cloudfront.tf", source="cloudfront"),
        "gcp": Template(file="gcp.tf", source="gcp"),
        "cloudflare": Template(file="cloudflare.tf", source="cloudflare"),
        "azure-app-service": Template(file="azure-app-service.bicep", source="azure-app-service"),
        "azure-application-gateway": Template(
            file="azure-application-gateway.bicep", source="azure-application-gateway"
        ),
        "azure-container-apps": Template(file="azure-container-apps.bicep", source="azure-container-apps"),
    }
)
"""Every configuration by the name that ``mtls-middleware proxy-config`` takes."""
