"""Deployed boundaries for ``doctor --url``: what we print for each proxy, and the same with one mistake in it.

Each mistake was captured in the wild. It is written as a change of the right configuration, so nothing else differs.
"""

import re
from dataclasses import dataclass
from pathlib import Path

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
        closed: the proxy's version from which on it is no mistake.
    """

    proxy: str
    change: tuple[tuple[str, str], ...]
    verdict: str
    weakness: str
    cure: str
    http: str = OUR_HTTPTOOLS
    own: bool = False
    closed: tuple[int, ...] | None = None


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
        closed=(2, 11),  # drops names with underscores by itself
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """Describe a boundary that refuses each attack, and honest callers too.

    Attributes:
        proxy: whose configuration is changed.
        change: patterns of the right configuration, and what stands there instead; ``WRONG`` is another root.
        weakness: the finding.
        cure: a part of the line that it must name.
        bare: it is found without a certificate, too.
    """

    proxy: str
    change: tuple[tuple[str, str], ...]
    weakness: str
    cure: str
    bare: bool = False


WRONG = "WRONG"
"""Stands for the file of a root that signed nobody."""

LOCKED: dict[str, Locked] = {
    "nginx asks for none": Locked(
        proxy="nginx",
        change=((r"ssl_verify_client +optional;", ""),),
        weakness="not-asked",
        cure="ssl_verify_client optional;",
        bare=True,
    ),
    "nginx with another root": Locked(
        proxy="nginx",
        change=((r"ssl_client_certificate \S+;", f"ssl_client_certificate {WRONG};"),),
        weakness="refused",
        cure="ssl_client_certificate ROOT.pem;",
    ),
    "nginx sends the subject": Locked(
        proxy="nginx",
        change=((r"\$ssl_client_escaped_cert", "$ssl_client_s_dn"),),
        weakness="encoding",
        cure="proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;",
    ),
    "nginx without the verify line": Locked(
        proxy="nginx",
        change=((r"proxy_set_header X-SSL-Client-Verify \S+;", ""),),
        weakness="marker",
        cure="proxy_set_header X-SSL-Client-Verify $ssl_client_verify;",
    ),
    "nginx sets the header to nothing": Locked(
        proxy="nginx",
        change=((r"\$ssl_client_escaped_cert", '""'),),
        weakness="lost",
        cure="proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;",
    ),
    "apache asks for none": Locked(
        proxy="apache",
        change=((r"SSLVerifyClient +optional", "SSLVerifyClient none"),),
        weakness="not-asked",
        cure="SSLVerifyClient optional",
        bare=True,
    ),
    "apache with another root": Locked(
        proxy="apache",
        change=((r"SSLCACertificateFile \S+", f"SSLCACertificateFile {WRONG}"),),
        weakness="refused",
        cure="SSLCACertificateFile ROOT.pem",
    ),
    "apache sends the subject": Locked(
        proxy="apache",
        change=((r"%{SSL_CLIENT_CERT}s", "%{SSL_CLIENT_S_DN}s"),),
        weakness="encoding",
        cure='RequestHeader set X-SSL-Client-Cert "%{SSL_CLIENT_CERT}s"',
    ),
    "apache without the verify line": Locked(
        proxy="apache",
        change=((r"RequestHeader set X-SSL-Client-Verify .*", ""),),
        weakness="marker",
        cure='RequestHeader set X-SSL-Client-Verify "%{SSL_CLIENT_VERIFY}s"',
    ),
    "haproxy asks for none": Locked(
        proxy="haproxy",
        change=((r"verify optional", "verify none"),),
        weakness="not-asked",
        cure="verify optional",
        bare=True,
    ),
    "haproxy with another root": Locked(
        proxy="haproxy",
        change=((r"ca-file \S+", f"ca-file {WRONG}"),),
        weakness="refused",
        cure="ca-file ROOT.pem verify optional",
    ),
    "haproxy sends the subject": Locked(
        proxy="haproxy",
        change=((r"%\[ssl_c_der,base64\]", "%[ssl_c_s_dn]"),),
        weakness="encoding",
        cure="http-request set-header X-SSL-Client-Cert %[ssl_c_der,base64]",
    ),
    "haproxy without the verify line": Locked(
        proxy="haproxy",
        change=((r"http-request set-header X-SSL-Client-Verify .*", ""),),
        weakness="marker",
        cure="http-request set-header X-SSL-Client-Verify %[ssl_c_verify]",
    ),
    "caddy asks for none": Locked(
        proxy="caddy",
        change=((r"client_auth {[^}]*}", ""),),
        weakness="not-asked",
        cure="mode verify_if_given",
        bare=True,
    ),
    "caddy with another root": Locked(
        proxy="caddy",
        change=((r"trusted_ca_cert_file \S+", f"trusted_ca_cert_file {WRONG}"),),
        weakness="refused",
        cure="trusted_ca_cert_file ROOT.pem",
    ),
    "caddy sends the subject": Locked(
        proxy="caddy",
        change=((r"certificate_der_base64", "subject"),),
        weakness="encoding",
        cure="header_up X-SSL-Client-Cert {http.request.tls.client.certificate_der_base64}",
    ),
    "envoy asks for none": Locked(
        proxy="envoy",
        change=((r"validation_context:\n +trusted_ca: .*", ""),),
        weakness="not-asked",
        cure="validation_context:",
        bare=True,
    ),
    "envoy with another root": Locked(
        proxy="envoy",
        change=((r"trusted_ca: {[^}]*}", f'trusted_ca: {{ filename: "{WRONG}" }}'),),
        weakness="refused",
        cure="trusted_ca: { filename: ROOT.pem }",
    ),
    "envoy sends the subject": Locked(
        proxy="envoy",
        change=((r"cert: true, chain: true, subject: false", "cert: false, chain: false, subject: true"),),
        weakness="encoding",
        cure="set_current_client_cert_details",
    ),
    "traefik asks for none": Locked(
        proxy="traefik",
        change=((r"VerifyClientCertIfGiven", "NoClientCert"),),
        weakness="not-asked",
        cure="clientAuthType: VerifyClientCertIfGiven",
        bare=True,
    ),
    "traefik with another root": Locked(
        proxy="traefik",
        change=((r'(caFiles:\n +- )"[^"]*"', f'\\1"{WRONG}"'),),
        weakness="refused",
        cure="caFiles: [ROOT.pem]",
    ),
    "traefik sends the subject": Locked(
        proxy="traefik",
        change=((r"pem: true", "info: { subject: { commonName: true } }"),),
        weakness="lost",
        cure="pem: true",
    ),
}
"""Each boundary that lets nobody in, by what is wrong with it."""


def locked(configuration: str, change: tuple[tuple[str, str], ...], wrong: Path) -> str:
    """Return a configuration that keeps honest callers out."""
    for pattern, instead in change:
        configuration, count = re.subn(pattern, instead.replace(WRONG, str(wrong)), configuration)
        assert count == 1, pattern
    return configuration


def changed(configuration: str, change: tuple[tuple[str, str], ...]) -> str:
    """Return a configuration with the mistake in it."""
    for right, wrong in change:
        assert right in configuration, right
        configuration = configuration.replace(right, wrong)
    return configuration
