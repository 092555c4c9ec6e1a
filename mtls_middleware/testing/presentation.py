"""What a source adds to a call: `present` writes what the server or proxy writes, for every ``MTLS_SOURCE``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from mtls_middleware._core.sources.presets import AWS_API_GATEWAY, NAMES, PRESETS, TLS, Encoding, HeaderNames
from mtls_middleware.testing.encodings import ENCODERS, Encoder, url_pem
from mtls_middleware.testing.leaves import ClientCertificate

COMPLAINT = "certificate has expired"
"""What a server or proxy says against a certificate, in words of OpenSSL."""

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """What a server or proxy adds to a request.

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
class _Unverified:
    """What a proxy sends where there is no certificate, or one that failed its own verification.

    Attributes:
        certificate: value of the certificate's header without a certificate; None where the header is not sent.
        chain: the same, of those of the chain.
        missing: values of the markers without a certificate.
        failed: values of the markers for a certificate that failed.
    """

    certificate: str | None = None
    chain: str | None = None
    missing: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


_FAILED = f"FAILED:{COMPLAINT}"

_UNVERIFIED: Mapping[str, _Unverified] = MappingProxyType(
    {
        "apache": _Unverified(certificate="(null)", chain="(null)", missing=("NONE",), failed=(_FAILED,)),
        "haproxy": _Unverified(certificate="", chain="", missing=("0", "0"), failed=("1", "10")),
        "caddy": _Unverified(certificate="{http.request.tls.client.certificate_der_base64}"),
        "cloudfront": _Unverified(missing=("0",), failed=("0",)),
        "gcp": _Unverified(
            certificate="",
            chain="",
            missing=("false", "false", ""),
            failed=("true", "false", "client_cert_validation_failed"),
        ),
        "cloudflare": _Unverified(missing=("false", "false", "false"), failed=("true", "false", "false")),
    }
)
"""Proxies with values of their own. All others do as nginx: no header without a certificate, and NONE or FAILED."""

_LITERAL_IN_ALB = "+=/"
"""What AWS's load balancer leaves as it is when it percent-encodes a PEM."""

_ENCODERS: Mapping[tuple[str, Encoding], Encoder] = MappingProxyType(
    dict.fromkeys(
        [("aws-alb", Encoding.URL_PEM), ("aws-alb-passthrough", Encoding.URL_PEM)],
        partial(url_pem, literal=_LITERAL_IN_ALB),
    )
)
"""Of proxies that write an encoding in a way of their own."""


def present(
    source: str,
    client: ClientCertificate | None,
    *,
    header_names: HeaderNames | None = None,
    complaint: bool = False,
    xfcc_elements: int = 1,
) -> Presentation:
    """Return what a source adds to a call.

    Args:
        source: a value of ``MTLS_SOURCE``.
        client: None for a caller without a certificate.
        header_names: headers other than the source's own, as `Settings.header_names`; ``custom`` has none of its own.
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
    own = PRESETS.get(source)
    header_names = header_names or own
    if header_names is None:
        raise ValueError(f"{source} has no headers of its own: give `header_names`, as in `Settings`")
    if complaint and not header_names.markers:
        raise ValueError(f"{source} has no marker: it says nothing of its own verification")
    unverified = _UNVERIFIED.get(source) if own and own.markers == header_names.markers else None
    unverified = unverified or _as_nginx(header_names)
    headers = [
        *_certificates(source, header_names, client, unverified, xfcc_elements),
        *_markers(header_names, client, unverified, complaint=complaint),
    ]
    return Presentation(headers=tuple(headers), replaced=header_names.headers)


def nginx(client: ClientCertificate | None, *, verify: str | None = None) -> Headers:
    """Return the headers of ``present("nginx", client)``.

    Args:
        client: None for a caller without a certificate.
        verify: the marker; where it is None, ``SUCCESS`` with a certificate and ``NONE`` without.
    """
    (marker,) = PRESETS["nginx"].markers
    headers = present("nginx", client).headers
    return [(name, verify if verify is not None and name == marker.header else value) for name, value in headers]


def rfc9440(client: ClientCertificate | None) -> Headers:
    """Return the headers of ``present("rfc9440", client)``.

    Args:
        client: None for a caller without a certificate. Its chain gets a header of its own, if it has one.
    """
    return list(present("rfc9440", client).headers)


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


def _as_nginx(header_names: HeaderNames) -> _Unverified:
    number = len(header_names.markers)
    return _Unverified(missing=("NONE",) * number, failed=(_FAILED,) * number)


def _certificates(
    source: str,
    header_names: HeaderNames,
    client: ClientCertificate | None,
    unverified: _Unverified,
    xfcc_elements: int,
) -> Headers:
    if client is None:
        values = [
            (header_names.certificate, unverified.certificate),
            *((name, unverified.chain) for name in header_names.chain),
        ]
        return [(name, value) for name, value in values if value is not None]
    encode = _ENCODERS.get((source, header_names.encoding), ENCODERS[header_names.encoding])
    if header_names.encoding is Encoding.XFCC:
        return [(header_names.certificate, _xfcc(source, encode(client, *client.chain), xfcc_elements))]
    if header_names.bundled:
        return [(header_names.certificate, encode(client, *client.chain))]
    headers = [(header_names.certificate, encode(client))]
    if len(header_names.chain) == 1:
        headers += [(header_names.chain[0], encode(*client.chain))] if client.chain else []
    else:
        headers += [(name, encode(link)) for name, link in zip(header_names.chain, client.chain, strict=False)]
    sent = {name for name, _ in headers}
    if unverified.chain is not None:
        headers += [(name, unverified.chain) for name in header_names.chain if name not in sent]
    return headers


def _xfcc(source: str, element: str, elements: int) -> str:
    """Write the caller's element first; those of proxies behind it name no certificate of a client."""
    first = element + (";" if source == "azure-container-apps" else "")
    return ",".join([first, *(["By=spiffe://cluster.local/ns/edge/sa/gateway"] * (elements - 1))])


def _markers(
    header_names: HeaderNames, client: ClientCertificate | None, unverified: _Unverified, *, complaint: bool
) -> Headers:
    values: Sequence[str] = [marker.value for marker in header_names.markers]
    if client is None:
        values = unverified.missing
    elif complaint:
        values = unverified.failed
    return list(zip((marker.header for marker in header_names.markers), values, strict=True))
