"""How a certificate arrives: through any source of the contract, as a server or a proxy hands it over."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding as CertificateEncoding
from starlette.types import ASGIApp, Receive, Scope, Send

from mtls_middleware._core.connection import canonical
from mtls_middleware._core.sources.presets import AWS_API_GATEWAY, NAMES, PRESETS, TLS, Encoding, HeaderShape
from mtls_middleware.testing.leaves import ClientCertificate

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


COMPLAINT = "certificate has expired"
"""What a server or proxy says against a certificate, in words of OpenSSL."""

_LITERAL_IN_ALB = "+=/"
"""What AWS's load balancer leaves as it is when it percent-encodes a PEM."""

Certificate = ClientCertificate | x509.Certificate
"""What encoders take: a client, of which they write the leaf, or any certificate of a chain."""

Headers = list[tuple[str, str]]

SERVER_SOFTWARE = "gunicorn (testing kit)"
"""A WSGI server that drops header names with an underscore; others need ``MTLS_PROXY_DROPS_UNDERSCORES=yes``."""

Peer = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """Hold what a server or proxy adds to a request.

    Attributes:
        headers: names and values; a proxy replaces those that a caller sent under these names.
        replaced: names of all headers that it sets, or removes where it has nothing to say.
        tls: the ASGI TLS extension; None where the server ends no TLS.
        event: AWS API Gateway's event; None elsewhere.
    """

    headers: tuple[tuple[str, str], ...] = ()
    replaced: frozenset[str] = frozenset()
    tls: Mapping[str, Any] | None = None
    event: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Silence:
    """Say how a proxy tells of no certificate, and of a bad one.

    Attributes:
        certificate: what stands in the certificate's header; None where the header is not sent.
        chain: what stands in those of the chain.
        markers: what the markers say; None where one is not sent.
        complaint: what the markers say of a certificate that did not pass the proxy's own verification.
    """

    certificate: str | None = None
    chain: str | None = None
    markers: tuple[str | None, ...] = ()
    complaint: tuple[str, ...] = ()


_FAILED = (f"FAILED:{COMPLAINT}",)

_SILENCES: Mapping[str, _Silence] = MappingProxyType(
    {
        "nginx": _Silence(markers=("NONE",), complaint=_FAILED),
        "ingress-nginx": _Silence(markers=("NONE",), complaint=_FAILED),
        "apache": _Silence(certificate="(null)", chain="(null)", markers=("NONE",), complaint=_FAILED),
        "haproxy": _Silence(certificate="", chain="", markers=("0", "0"), complaint=("1", "10")),
        "caddy": _Silence(certificate="{http.request.tls.client.certificate_der_base64}"),
        "cloudfront": _Silence(markers=("0",), complaint=("0",)),
        "gcp": _Silence(
            certificate="",
            chain="",
            markers=("false", "false", ""),
            complaint=("true", "false", "client_cert_validation_failed"),
        ),
        "azure-application-gateway": _Silence(markers=("NONE",), complaint=_FAILED),
        "cloudflare": _Silence(markers=("false", "false", "false"), complaint=("true", "false", "false")),
    }
)
"""Proxies that say something where there is no certificate. All others send no header then."""


def present(
    source: str,
    client: ClientCertificate | None,
    *,
    shape: HeaderShape | None = None,
    complaint: bool = False,
    xfcc_elements: int = 1,
) -> Presentation:
    """Return what a source adds to a call.

    Args:
        source: a value of ``MTLS_SOURCE``.
        client: None for a caller without a certificate.
        shape: headers other than the source's own, as `Settings.shape`; ``custom`` has none of its own.
        complaint: the server or proxy says that its own verification failed.
        xfcc_elements: how many elements Envoy's header gets.

    Raises:
        ValueError: there is no such source, or it has no way to complain.
    """
    if source not in NAMES:
        raise ValueError(f"no source is called {source!r}: {', '.join(NAMES)}")
    if source == TLS:
        return Presentation(tls=tls_extension(client, error=COMPLAINT if complaint else None))
    if source == AWS_API_GATEWAY:
        if complaint:
            raise ValueError(f"{source} has no marker: it serves no call whose verification failed")
        return Presentation(event=aws_event(client))
    shape = shape or PRESETS.get(source)
    if shape is None:
        raise ValueError(f"{source} has no headers of its own: give the shape, such as Settings.from_env().shape")
    if complaint and not shape.markers:
        raise ValueError(f"{source} has no marker: it says nothing of its own verification")
    own = PRESETS.get(source)
    silence = _SILENCES.get(source, _Silence()) if own and own.markers == shape.markers else _plain(shape)
    headers = _certificates(source, shape, client, silence, xfcc_elements)
    headers += _markers(shape, client, silence, complaint=complaint)
    return Presentation(headers=tuple(headers), replaced=shape.headers)


def aws_event(client: ClientCertificate | None) -> Mapping[str, Any]:
    """Return what Mangum leaves in the scope of a call through an HTTP API, format 2.0."""
    context = {"http": {"protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"}}
    if client is None:
        return {"version": "2.0", "requestContext": context}
    certificate = client.certificate
    described = {
        "clientCertPem": client.pem,
        "subjectDN": certificate.subject.rfc4514_string(),
        "issuerDN": certificate.issuer.rfc4514_string(),
        "serialNumber": f"{certificate.serial_number:x}",
    }
    return {"version": "2.0", "requestContext": {**context, "authentication": {"clientCert": described}}}


def _plain(shape: HeaderShape) -> _Silence:
    """Return how a proxy of the operator's own would tell."""
    number = len(shape.markers)
    return _Silence(markers=("NONE",) * number, complaint=_FAILED * number)


def _certificates(
    source: str, shape: HeaderShape, client: ClientCertificate | None, silence: _Silence, xfcc_elements: int
) -> Headers:
    if client is None:
        said = [(shape.certificate, silence.certificate), *((name, silence.chain) for name in shape.chain)]
        return [(name, value) for name, value in said if value is not None]
    if shape.encoding is Encoding.XFCC:
        return [(shape.certificate, _xfcc(source, client, xfcc_elements))]
    encode = _Encoder(source, shape.encoding)
    if shape.bundled:
        return [(shape.certificate, encode.several((client, *client.chain)))]
    headers = [(shape.certificate, encode.one(client))]
    if len(shape.chain) == 1:
        headers += [(shape.chain[0], encode.several(client.chain))] if client.chain else []
    else:
        headers += [(name, encode.one(link)) for name, link in zip(shape.chain, client.chain, strict=False)]
    sent = {name for name, _ in headers}
    if silence.chain is not None:
        headers += [(name, silence.chain) for name in shape.chain if name not in sent]
    return headers


def _markers(shape: HeaderShape, client: ClientCertificate | None, silence: _Silence, *, complaint: bool) -> Headers:
    values: Sequence[str | None] = [marker.value for marker in shape.markers]
    if client is None:
        values = silence.markers
    elif complaint:
        values = silence.complaint
    said = zip((marker.header for marker in shape.markers), values, strict=True)
    return [(name, value) for name, value in said if value is not None]


def _xfcc(source: str, client: ClientCertificate, elements: int) -> str:
    """Write the caller's element first; those of proxies behind it name no certificate of a client."""
    first = xfcc_element(client) + (";" if source == "azure-container-apps" else "")
    return ",".join([first, *(["By=spiffe://cluster.local/ns/edge/sa/gateway"] * (elements - 1))])


@dataclass(frozen=True, slots=True)
class _Encoder:
    source: str
    encoding: Encoding

    def one(self, certificate: Certificate) -> str:
        if self.encoding is Encoding.RFC9440:
            return rfc9440_item(der(certificate))
        return self.several((certificate,))

    def several(self, certificates: Sequence[Certificate]) -> str:
        pems = "".join(pem(certificate) for certificate in certificates)
        ders = [der(certificate) for certificate in certificates]
        match self.encoding:
            case Encoding.URL_PEM:
                return quote(pems, safe=_LITERAL_IN_ALB if self.source.startswith("aws-alb") else "")
            case Encoding.PEM_SPACES:
                return pems.replace("\n", " ")
            case Encoding.B64_PEM:
                return base64.b64encode(pems.encode("ascii")).decode("ascii")
            case Encoding.B64_DER:
                return base64.b64encode(b"".join(ders)).decode("ascii")
            case Encoding.B64_DER_LIST:
                return b64_der_list(certificates)
            case Encoding.RFC9440:
                return rfc9440_list(ders)
            case Encoding.XFCC:  # pragma: no cover - written by `_xfcc`, for it names the leaf apart
                raise AssertionError("XFCC has elements of its own")


def url_pem(certificate: Certificate) -> str:
    """Percent-encode the PEM as nginx does, its last newline included."""
    return quote(pem(certificate), safe="")


def pem_spaces(certificate: Certificate) -> str:
    """Write the PEM in one line as Apache does, with a blank for each newline."""
    return pem(certificate).replace("\n", " ")


def b64_pem(certificate: Certificate) -> str:
    """Encode the PEM in base64."""
    return _base64(pem(certificate).encode("ascii"))


def b64_der(certificate: Certificate) -> str:
    """Encode the DER in base64, as HAProxy and Caddy do."""
    return _base64(der(certificate))


def b64_der_list(certificates: Iterable[Certificate]) -> str:
    """List the DERs as Traefik does: base64, separated by commas."""
    return ",".join(map(b64_der, certificates))


def rfc9440_item(der: bytes) -> str:
    """Encode a DER as a byte sequence of a structured field."""
    return f":{_base64(der)}:"


def rfc9440_list(ders: Iterable[bytes]) -> str:
    """Encode DERs as a list of byte sequences."""
    return ", ".join(map(rfc9440_item, ders))


def xfcc_element(
    client: ClientCertificate,
    *,
    hash_sha256: str | None = None,
    with_certificate: bool = True,
    with_chain: bool = True,
    pairs: Iterable[tuple[str, str]] = (),
) -> str:
    """Write an element of ``X-Forwarded-Client-Cert`` as Envoy does; join several with a comma.

    Args:
        client: whose Cert and Chain; in Envoy's Chain the leaf is the first.
        hash_sha256: Hash; the leaf's own where it is None.
        with_certificate: False leaves Cert out.
        with_chain: False leaves Chain out.
        pairs: further keys and values, written as they are: nothing is quoted or escaped, for Envoy does not either.
    """
    parts = [f"Hash={client.fingerprint_sha256 if hash_sha256 is None else hash_sha256}"]
    if with_certificate:
        parts.append(f'Cert="{url_pem(client)}"')
    if with_chain:
        parts.append(f'Chain="{quote(client.chain_pem, safe="")}"')
    return ";".join([*parts, *(f"{key}={value}" for key, value in pairs)])


def nginx(client: ClientCertificate | None, *, verify: str | None = None) -> Headers:
    """Return the headers that the source ``nginx`` reads.

    Args:
        client: None for a caller without a certificate.
        verify: the marker; where it is None, ``SUCCESS`` with a certificate and ``NONE`` without.
    """
    marker = verify if verify is not None else "SUCCESS" if client else "NONE"
    headers = [("X-SSL-Client-Verify", marker)]
    return [("X-SSL-Client-Cert", url_pem(client)), *headers] if client else headers


def rfc9440(client: ClientCertificate | None) -> Headers:
    """Return the headers that the source ``rfc9440`` reads.

    Args:
        client: None for a caller without a certificate. Its chain gets a header of its own, if it has one.
    """
    if client is None:
        return []
    headers = [("Client-Cert", rfc9440_item(client.der))]
    if client.chain:
        headers.append(("Client-Cert-Chain", rfc9440_list(map(der, client.chain))))
    return headers


def tls_extension(client: ClientCertificate | None, *, error: str | None = None) -> dict[str, Any]:
    """Return the ASGI TLS extension 0.2 of a TLS 1.3 connection.

    Args:
        client: None for a caller without a certificate.
        error: what the server complained of, although it kept the connection.
    """
    return {
        "server_cert": None,
        "client_cert_chain": list(client.pems) if client else [],
        "client_cert_name": client.certificate.subject.rfc4514_string() if client else None,
        "client_cert_error": error,
        "tls_version": 0x0304,
        "cipher_suite": 0x1301,  # TLS_AES_128_GCM_SHA256
    }


class TLSExtension:
    """Wrap an application so that each request seems to come over TLS, with this certificate or none."""

    def __init__(self, app: ASGIApp, client: ClientCertificate | None) -> None:
        self._app = app
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the extension in a copy of its scope."""
        if scope["type"] in {"http", "websocket"}:
            extensions = {**(scope.get("extensions") or {}), "tls": tls_extension(self._client)}
            scope = {**scope, "extensions": extensions}
        await self._app(scope, receive, send)


def pem(certificate: Certificate) -> str:
    """Return the PEM."""
    return _certificate(certificate).public_bytes(CertificateEncoding.PEM).decode("ascii")


def der(certificate: Certificate) -> bytes:
    """Return the DER."""
    return _certificate(certificate).public_bytes(CertificateEncoding.DER)


def _certificate(certificate: Certificate) -> x509.Certificate:
    return certificate.certificate if isinstance(certificate, ClientCertificate) else certificate


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Hold all that is told to the application about a call.

    Attributes:
        presentation: what the source adds.
        secrets: what the proxy adds to prove that it is the proxy.
        caller: headers of the caller, unless a request has them already.
        peer: address and port of the direct peer; None on a unix socket.
    """

    presentation: Presentation
    secrets: tuple[tuple[str, str], ...] = ()
    caller: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    peer: Peer | None = ("127.0.0.1", 50000)

    def headers(self, sent: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the headers that arrive where a caller sent these."""
        replaced = {canonical(name) for name in (*self.presentation.replaced, *(name for name, _ in self.secrets))}
        passed = [(name, value) for name, value in sent if canonical(name) not in replaced]
        known = {canonical(name) for name, _ in passed}
        added = [(name, value) for name, value in self.caller if canonical(name) not in known]
        return [*passed, *added, *self.presentation.headers, *self.secrets]


class ArrivingASGI:
    """Wrap an ASGI application."""

    def __init__(self, app: ASGIApp, arrival: Arrival) -> None:
        self.app = app
        self._arrival = arrival

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as it arrives, in a copy of its scope."""
        if scope["type"] in {"http", "websocket"}:
            scope = self._arrived(scope)
        await self.app(scope, receive, send)

    def _arrived(self, scope: Scope) -> Scope:
        presentation = self._arrival.presentation
        sent = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self._arrival.headers(sent)
        ]
        arrived = {**scope, "headers": headers, "client": self._arrival.peer}
        if presentation.tls is not None:
            arrived["extensions"] = {**(scope.get("extensions") or {}), "tls": {**presentation.tls}}
        if presentation.event is not None:
            arrived["aws.event"] = presentation.event
        return arrived


class ArrivingWSGI:
    """Wrap a WSGI application."""

    def __init__(self, application: "WSGIApplication", arrival: Arrival) -> None:
        self.application = application
        self._arrival = arrival

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Pass the request on as it arrives, in a copy of its environ."""
        return self.application(self._arrived(environ), start_response)

    def _arrived(self, environ: "WSGIEnvironment") -> "WSGIEnvironment":
        presentation = self._arrival.presentation
        sent = ((key[5:].replace("_", "-"), value) for key, value in environ.items() if key.startswith("HTTP_"))
        host, port = self._arrival.peer or ("", 0)
        arrived = {key: value for key, value in environ.items() if not key.startswith("HTTP_")}
        arrived |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self._arrival.headers(sent)}
        arrived |= {"SERVER_SOFTWARE": SERVER_SOFTWARE, "REMOTE_ADDR": host, "REMOTE_PORT": str(port)}
        if presentation.tls is not None:
            arrived |= dict(_keys(presentation.tls))
        if presentation.event is not None:
            arrived["asgi.scope"] = {"type": "http", "headers": [], "aws.event": presentation.event}
        return arrived


def _keys(tls: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Write the TLS extension as Apache's mod_ssl and others write it into an environ."""
    error = tls["client_cert_error"]
    leaf, *chain = tls["client_cert_chain"] or [None]
    if leaf is None:
        yield "SSL_CLIENT_VERIFY", "NONE"
        return
    yield "SSL_CLIENT_VERIFY", f"FAILED:{error}" if error else "SUCCESS"
    yield "SSL_CLIENT_CERT", leaf
    for place, link in enumerate(chain):
        yield f"SSL_CLIENT_CERT_CHAIN_{place}", link
