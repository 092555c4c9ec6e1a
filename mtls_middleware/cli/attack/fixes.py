"""What to do about each weakness: the line to write, by the proxy that the source names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mtls_middleware.cli.attack.attacks import Weakness
from mtls_middleware.cli.attack.forgery import Forgery

PRINTED = "mtls-middleware proxy-config prints complete configurations"
SECRET = "<MTLS_PROXY_SECRET>"  # noqa: S105 - a place, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The line by which a proxy sets a header, unconditionally.

    Attributes:
        line: the directive, with places for name and value.
        certificate: the value that holds the certificate.
        markers: the values of the markers, in the order of the source.
        trap: how the line is undone elsewhere.
    """

    line: str
    certificate: str
    markers: tuple[str, ...] = ()
    trap: str


_SETTINGS: Mapping[str, Setting] = {
    "nginx": Setting(
        line="proxy_set_header {name} {value};",
        certificate="$ssl_client_escaped_cert",
        markers=("$ssl_client_verify",),
        trap="all of them in every location that has a proxy_set_header of its own: one there discards those above it",
    ),
    "apache": Setting(
        line='RequestHeader set {name} "{value}"',
        certificate="%{SSL_CLIENT_CERT}s",
        markers=("%{SSL_CLIENT_VERIFY}s",),
        trap="set, never append, add, merge or setifempty, and without env=",
    ),
    "haproxy": Setting(
        line="http-request set-header {name} {value}",
        certificate="%[ssl_c_der,base64]",
        markers=("%[ssl_c_used]", "%[ssl_c_verify]"),
        trap="set-header, never add-header, and without an 'if': without a certificate they are set too",
    ),
    "caddy": Setting(
        line="header_up {name} {value}",
        certificate="{http.request.tls.client.certificate_der_base64}",
        trap="without a '+' before the name, and without a matcher",
    ),
}

_DROPS_UNDERSCORES: Mapping[str, str] = {
    "nginx": "underscores_in_headers off;",
    "caddy": "request_header -*_*",
    "envoy": "common_http_protocol_options: { headers_with_underscores_action: DROP_HEADER }",
    "traefik": "aliasHeadersStrategy: delete",
    "every source": "remove every header whose name has an underscore",
}
"""Proxies that can drop every header with an underscore; others must be told the names."""

_PROTOCOL = "run the application with mtls-middleware serve, or uvicorn with --http h11"

_EVERYWHERE: Mapping[Weakness, tuple[str, ...]] = {
    Weakness.TRAILER: (_PROTOCOL,),
    Weakness.CHUNKED: (_PROTOCOL, "a proxy or firewall in between must let chunked requests through"),
    Weakness.WEBSOCKET: ("put MTLSMiddleware outermost (add it last), so that it sees upgrades too",),
    Weakness.PATH: ("put MTLSMiddleware outermost, and leave MTLS_PROTECT at /",),
    Weakness.DIRECT: (
        "set MTLS_PROXY_SECRET, and let the proxy add it",
        "let the application listen on loopback or a unix socket only, or close its port in the firewall",
    ),
    Weakness.FORWARDED: (
        "set MTLS_PROXY_SECRET, and let the proxy add it",
        "start uvicorn with --no-proxy-headers, or run mtls-middleware serve",
    ),
}

TITLES: Mapping[Weakness, str] = {
    Weakness.COPY: "The proxy passes on a caller's own copies of its headers",
    Weakness.TWIN: "The proxy passes on a caller's headers in other spellings: many WSGI servers take '_' for '-'",
    Weakness.TRAILER: "Request trailers become headers",
    Weakness.HOP: "A caller who names the proxy's headers in Connection makes the proxy drop them",
    Weakness.SECRET: "The proxy does not overwrite a caller's own secret",
    Weakness.FORWARDED: "A caller chooses the address that counts as the proxy's",
    Weakness.CHUNKED: "Chunked calls are refused, and data actions send chunked",
    Weakness.WEBSOCKET: "An upgrade to WebSocket is not judged",
    Weakness.PATH: "Another spelling of the path, or another version of HTTP, is not judged",
    Weakness.DIRECT: "Whoever reaches the application past the proxy can speak for any client",
    Weakness.NOT_ASKED: "The server asks for no client certificate, so no call can be accepted",
    Weakness.REFUSED: "The call with your certificate is refused",
    Weakness.LOST: "The client certificate does not reach the application, so no call can be accepted",
    Weakness.MARKER: "The proxy does not say that it verified the certificate, so no call can be accepted",
    Weakness.ENCODING: "The proxy sends something else than the certificate, so no call can be accepted",
}


def cure(weakness: Weakness, forgery: Forgery) -> tuple[str, ...]:
    """Return what to do, the lines for the proxy among it."""
    proxy = proxy_of(forgery)
    match weakness:
        case Weakness.COPY | Weakness.SECRET:
            return tuple(header_lines(forgery))
        case Weakness.TWIN:
            return tuple(_drop_twins(proxy, forgery))
        case Weakness.HOP:
            return (_ignore_connection(proxy, forgery),)
        case _:
            return _EVERYWHERE[weakness]


def proxy_of(forgery: Forgery) -> str:
    """Return the proxy whose lines fix what is wrong with these headers."""
    return forgery.source.name.removeprefix("ingress-")


def header_lines(forgery: Forgery) -> Iterator[str]:
    """Yield the lines by which the proxy sets each of its headers."""
    proxy = proxy_of(forgery)
    setting = _SETTINGS.get(proxy)
    if setting is not None:
        values = (setting.certificate, *setting.markers)
        for (name, _), value in zip(forgery.perfect, values, strict=False):
            yield setting.line.format(name=name, value=value)
        yield setting.line.format(name=forgery.secret_header, value=SECRET)
        yield setting.trap
    elif proxy == "envoy":
        yield "forward_client_cert_details: SANITIZE_SET"
        yield "not APPEND_FORWARD, FORWARD_ONLY or ALWAYS_FORWARD_ONLY, on every listener that callers reach"
    else:
        yield f"remove {', '.join(forgery.names)} from every request of a caller, on every route, then set them"
        yield PRINTED


def _drop_twins(proxy: str, forgery: Forgery) -> Iterator[str]:
    patterns = [name.lower().replace("-", "[-_]") for name in forgery.names]
    if proxy in _DROPS_UNDERSCORES:
        yield _DROPS_UNDERSCORES[proxy]
    elif proxy == "apache":
        yield f'SetEnvIfNoCase "^(?=[^_]*_)({"|".join(patterns)})$" "." mtls-twin'
        yield 'Require not env mtls-twin  (inside <RequireAll> of <Location "/">)'
    elif proxy == "haproxy":
        for pattern in patterns:
            yield f"http-request del-header ^{pattern}$ -m reg"
        yield "all of them before the lines with set-header"
    else:
        yield f"remove every header that is like {', '.join(forgery.names)} but for '_'"


def _ignore_connection(proxy: str, forgery: Forgery) -> str:
    match proxy:
        case "apache":
            return f'RequestHeader edit* Connection "(?i){"|".join(forgery.names)}" "" early'
        case "caddy":
            return "header_up, not request_header, for every header that the proxy sets"
        case _:
            return "remove what callers list in Connection before the proxy sets its own headers"
