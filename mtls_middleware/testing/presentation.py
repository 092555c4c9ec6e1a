"""How a call looks when it arrives: through any source of the contract, with a certificate or without."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from mtls_middleware._core.sources.presets import AWS_API_GATEWAY, NAMES, PRESETS, TLS, Encoding, HeaderShape
from mtls_middleware.testing.certificates import ClientCertificate
from mtls_middleware.testing.presenters import (
    Certificate,
    Headers,
    b64_der_list,
    der,
    pem,
    rfc9440_item,
    rfc9440_list,
    tls_extension,
    xfcc_element,
)

COMPLAINT = "certificate has expired"
"""What a server or proxy says against a certificate, in words of OpenSSL."""

_LITERAL_IN_ALB = "+=/"
"""What AWS's load balancer leaves as it is when it percent-encodes a PEM."""


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
