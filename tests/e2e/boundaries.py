"""Deployed boundaries for ``doctor --url``: what we print for each proxy, and the same with one mistake in it.

Each mistake was captured in the wild. It is written as a change of the right configuration, so nothing else differs.
"""

from dataclasses import dataclass

OWN = "dataactions.prod-euw1.eu-west-1.mypurecloud.com"
"""The name of another region: a caller whom the proxy accepts and the gate refuses."""

OUR_HTTPTOOLS = "mtls_middleware.servers.uvicorn:HttpToolsProtocol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Describe a boundary that is wrong.

    Attributes:
        proxy: whose configuration is changed.
        change: text of the right configuration, and what stands there instead.
        verdict: the worst that doctor must see.
        weakness: the finding.
        cure: a part of the line that it must name.
        http: uvicorn's protocol class.
        own: callers need an accepted certificate to get so far.
    """

    proxy: str
    change: tuple[tuple[str, str], ...]
    verdict: str
    weakness: str
    cure: str
    http: str = OUR_HTTPTOOLS
    own: bool = False


_NGINX_CERTIFICATE = "proxy_set_header X-SSL-Client-Cert   $ssl_client_escaped_cert;"
_NGINX_MARKER = "proxy_set_header X-SSL-Client-Verify $ssl_client_verify;"
_HAPROXY_CERTIFICATE = "http-request set-header X-SSL-Client-Cert      %[ssl_c_der,base64]"
_HAPROXY_MARKERS = (
    "http-request set-header X-SSL-Client-Used      %[ssl_c_used]",
    "http-request set-header X-SSL-Client-Verify    %[ssl_c_verify]",
)
_HAPROXY_REMOVED = r"http-request del-header ^x[-_]ssl[-_]client[-_] -m reg"
_APACHE = 'RequestHeader set X-SSL-Client-Cert         "%{SSL_CLIENT_CERT}s"'
_APACHE_CONNECTION = 'RequestHeader edit* Connection "(?i)x[-_][^,]*|x[-_]mtls[-_]proxy[-_]secret" "" early'
_CADDY = "header_up X-SSL-Client-Cert   {"
_CADDY_REMOVED = "request_header -X-SSL-Client-*"
_ENVOY = "forward_client_cert_details: SANITIZE_SET"


def _gone(*lines: str) -> tuple[tuple[str, str], ...]:
    return tuple((line, "") for line in lines)


MISTAKES: dict[str, Mistake] = {
    "nginx location with its own headers, secret among them": Mistake(
        proxy="nginx",
        change=_gone(_NGINX_CERTIFICATE, _NGINX_MARKER),
        verdict="believed",
        weakness="copy",
        cure="proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;",
    ),
    "nginx sets the marker only": Mistake(
        proxy="nginx",
        change=_gone(_NGINX_CERTIFICATE),
        verdict="passed",
        weakness="copy",
        cure="proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;",
    ),
    "nginx location with its own header, nothing else": Mistake(
        proxy="nginx",
        change=(
            *_gone(_NGINX_CERTIFICATE, _NGINX_MARKER),
            ("proxy_set_header X-MTLS-Proxy-Secret", "proxy_set_header X-Other"),
        ),
        verdict="passed",
        weakness="copy",
        cure="in every location that has a proxy_set_header of its own",
    ),
    "nginx with underscores": Mistake(
        proxy="nginx",
        change=(("underscores_in_headers off;", "underscores_in_headers on;"),),
        verdict="passed",
        weakness="twin",
        cure="underscores_in_headers off;",
    ),
    "haproxy sets headers only where there is a certificate": Mistake(
        proxy="haproxy",
        change=(
            *_gone(_HAPROXY_REMOVED),
            *((line, f"{line} if {{ ssl_c_used }}") for line in (_HAPROXY_CERTIFICATE, *_HAPROXY_MARKERS)),
        ),
        verdict="believed",
        weakness="copy",
        cure="http-request set-header X-SSL-Client-Cert %[ssl_c_der,base64]",
    ),
    "haproxy adds": Mistake(
        proxy="haproxy",
        change=(
            *_gone(_HAPROXY_REMOVED),
            (_HAPROXY_CERTIFICATE, _HAPROXY_CERTIFICATE.replace("set-header", "add-header")),
        ),
        verdict="passed",
        weakness="copy",
        cure="never add-header",
    ),
    "haproxy in front of uvicorn's own httptools": Mistake(
        proxy="haproxy",
        change=tuple((line, f"{line} if {{ ssl_c_used }}") for line in (_HAPROXY_CERTIFICATE, *_HAPROXY_MARKERS)),
        http="httptools",
        verdict="locks_out",
        weakness="chunked",
        cure="mtls-middleware serve",
    ),
    "haproxy removes hyphens only": Mistake(
        proxy="haproxy",
        change=((_HAPROXY_REMOVED, "http-request del-header ^x-ssl-client- -m reg"),),
        verdict="passed",
        weakness="twin",
        cure="http-request del-header ^x[-_]ssl[-_]client[-_]cert$ -m reg",
    ),
    "apache appends": Mistake(
        proxy="apache",
        change=((_APACHE, _APACHE.replace(" set ", " append ")),),
        verdict="passed",
        weakness="copy",
        cure="set, never append",
    ),
    "apache drops what callers name in Connection": Mistake(
        proxy="apache",
        change=_gone(_APACHE_CONNECTION),
        verdict="passed",
        weakness="hop",
        cure='RequestHeader edit* Connection "(?i)X-SSL-Client-Cert|X-SSL-Client-Verify|X-MTLS-Proxy-Secret" "" early',
    ),
    "apache passes underscores on": Mistake(
        proxy="apache",
        change=(("Require not env mtls-twin", ""),),
        verdict="passed",
        weakness="twin",
        cure="Require not env mtls-twin",
    ),
    "caddy adds": Mistake(
        proxy="caddy",
        change=(*_gone(_CADDY_REMOVED), (_CADDY, _CADDY.replace("X-SSL", "+X-SSL"))),
        verdict="passed",
        weakness="copy",
        cure="without a '+' before the name",
    ),
    "caddy passes underscores on": Mistake(
        proxy="caddy",
        change=_gone("request_header -*_*"),
        verdict="passed",
        weakness="twin",
        cure="request_header -*_*",
    ),
    "envoy passes on always": Mistake(
        proxy="envoy",
        change=((_ENVOY, "forward_client_cert_details: ALWAYS_FORWARD_ONLY"),),
        verdict="believed",
        weakness="copy",
        cure="forward_client_cert_details: SANITIZE_SET",
    ),
    "envoy passes on what callers with a certificate send": Mistake(
        proxy="envoy",
        change=((_ENVOY, "forward_client_cert_details: FORWARD_ONLY"),),
        own=True,
        verdict="believed",
        weakness="copy",
        cure="forward_client_cert_details: SANITIZE_SET",
    ),
    "envoy appends": Mistake(
        proxy="envoy",
        change=((_ENVOY, "forward_client_cert_details: APPEND_FORWARD"),),
        own=True,
        verdict="believed",
        weakness="copy",
        cure="not APPEND_FORWARD",
    ),
}
"""Each boundary that is wrong, by what is wrong with it."""


def changed(configuration: str, change: tuple[tuple[str, str], ...]) -> str:
    """Return a configuration with the mistake in it."""
    for right, wrong in change:
        assert right in configuration, right
        configuration = configuration.replace(right, wrong)
    return configuration
