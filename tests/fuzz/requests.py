"""Parsers of what a call brings: certificates, headers, paths, events."""

import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from ipaddress import ip_network

from mtls_middleware._core import chain as chains
from mtls_middleware._core import policy
from mtls_middleware._core.boundary import Boundary, Secret
from mtls_middleware._core.certificate import crl_addresses, evidence_of, parse_chain
from mtls_middleware._core.connection import Connection, Interface, collect
from mtls_middleware._core.decision import Accepted, Reason, RejectionError
from mtls_middleware._core.gate import Gate
from mtls_middleware._core.policy import CallerPolicy
from mtls_middleware._core.protection import Protection
from mtls_middleware._core.response import correlation_id
from mtls_middleware._core.scope import connection_of, known_path, known_peer, peer_of
from mtls_middleware._core.sources import source_of
from mtls_middleware._core.sources.decoders import concatenated, rfc9440_chain, rfc9440_item
from mtls_middleware._core.sources.headers import HeaderSource
from mtls_middleware._core.sources.presented import Presented
from mtls_middleware._core.sources.presets import AWS_API_GATEWAY, PRESETS, Encoding, HeaderNames
from mtls_middleware._core.sources.tls import TLSSource
from mtls_middleware._core.sources.xfcc import xfcc_certificates
from mtls_middleware._core.trust import TrustSnapshot
from tests.core.captures import VECTORS, captures
from tests.core.certs import NOW, custom, genesys, good_client, regional_ca
from tests.core.encoders import ENCODERS
from tests.fuzz.parser import Parser

LIMIT = 5


@cache
def good() -> tuple[bytes, ...]:
    """Return DER certificates: of our own clients, and of captures."""
    made = (good_client().der, regional_ca().intermediate().client().der)
    return (*made, *(one for one in _captured_ders() if len(one) < 3000))


def _captured_ders() -> list[bytes]:
    lines = [path.read_text(encoding="ascii").splitlines()[1:-1] for path in sorted(VECTORS.glob("pki/*.pem"))]
    return [base64.b64decode("".join(text)) for text in lines]


# ------------------------------------------------------------------------------------------------------ certificates


def read_certificate(data: bytes) -> None:
    """Read a chain of at most two, and judge it: whoever is accepted has a certificate that our CA signed."""
    ders = [data[: len(data) // 2], data[len(data) // 2 :]] if data[:1] != b"\x30" else [data]
    with suppress(RejectionError):
        chain = parse_chain(ders)
        evidence_of(chain)
        crl_addresses(chain.leaf)
        for trust in (genesys(regional_ca()), custom(regional_ca())):
            with suppress(RejectionError):
                policy.identify(chains.verify(chain, trust, NOW), trust, "fuzz")
                if chain.leaf_der not in good():
                    raise AssertionError("accepted")


# ----------------------------------------------------------------------------------------------------------- headers


def read_encoded(data: bytes) -> None:
    """Decode a header in the encoding that the first byte chooses."""
    encoding = tuple(Encoding)[data[0] % len(Encoding)] if data else Encoding.URL_PEM
    names = HeaderNames(certificate="X-Cert", encoding=encoding, chain=("X-Chain",), bundled=data[1:2] > b"\x80")
    source = HeaderSource(name="custom", header_names=names, xfcc_elements=1)
    leaf, _, chain = data[2:].partition(b"\n\n")
    with suppress(RejectionError):
        ders = source.decode(Presented(parts=(leaf, chain)), LIMIT)
        if not 1 <= len(ders) <= LIMIT + 1:
            raise AssertionError(len(ders))


def encoded_seeds() -> Sequence[bytes]:
    ders = list(good()[:2])
    return [bytes([index, 0]) + ENCODERS[one](ders[:1]).encode() for index, one in enumerate(Encoding)]


def read_xfcc(data: bytes) -> None:
    with suppress(RejectionError):
        xfcc_certificates(data, 1 + data.count(b"\n"), LIMIT)


def xfcc_seeds() -> Sequence[bytes]:
    captured = [
        value for one in captures() for name, value in one.headers if name.lower() == b"x-forwarded-client-cert"
    ]
    written = [path.read_bytes().strip() for path in sorted(VECTORS.glob("xfcc/*.txt"))]
    return [*sorted({value for value in captured if len(value) < 5000})[:40], *written]


def read_rfc9440(data: bytes) -> None:
    for decode in (rfc9440_item, lambda text: rfc9440_chain(text, LIMIT), lambda text: concatenated(text, LIMIT)):
        with suppress(RejectionError):
            decode(data)


def rfc9440_seeds() -> Sequence[bytes]:
    items = [b":" + base64.b64encode(one) + b":" for one in (b"", b"a", *good()[:2])]
    return [
        *items,
        b", ".join(items),
        items[1] + b';a=1;b="c\\"";c=?1;d=:YQ==:;e=*tok/en;f=@1;g=1.5',
        b"".join(good()[:2]),
    ]


# ------------------------------------------------------------------------------------------------------ whole calls


GATES = tuple(sorted(PRESETS))
PROXY = "192.0.2.1"
SECRET = ("x-secret", "s" * 16)


@cache
def _gate(name: str) -> Gate:
    secret = Secret(header=SECRET[0], values=(SECRET[1].encode(),))
    return Gate(
        source=source_of(name, None, 1),
        boundary=Boundary(networks=(ip_network(PROXY),), secret=secret if len(name) % 2 else None),
        protection=Protection(exempt=("/health",)),
        callers=CallerPolicy(organization_ids=frozenset({"0" * 8}) if len(name) % 3 else frozenset()),
        max_header_bytes=32_768,
        max_chain=LIMIT,
    )


def read_call(data: bytes) -> None:
    """Judge an ASGI call: a byte for the source, and lines: path, peer, and headers with a colon."""
    path, _, rest = data[1:].partition(b"\n")
    peer, _, rest = rest.partition(b"\n")
    headers = [line.partition(b":")[::2] for line in rest.split(b"\n")]
    scope = {
        "path": path.decode("latin-1"),
        "raw_path": path,
        "headers": headers,
        "client": (peer.decode("latin-1"), 40_000) if peer else None,
    }
    _judge(connection_of(scope), GATES[data[0] % len(GATES)] if data else GATES[0])


def _judge(connection: Connection, source: str) -> None:
    snapshot = TrustSnapshot(version=1, built_at=NOW, trusts=(genesys(regional_ca()),))
    decision = _gate(source).decide(connection, snapshot, NOW)
    if isinstance(decision, Accepted):
        if decision.identity.fingerprint_sha256 != good_client().fingerprint_sha256:
            raise AssertionError(decision)
    elif decision.reason is Reason.INTERNAL_ERROR and not connection.unreadable:
        raise decision.error or AssertionError(decision)
    found = correlation_id(connection)
    if found is not None and not (found.isascii() and 1 <= len(found) <= 64):
        raise AssertionError(found)


def call_seeds() -> Sequence[bytes]:
    seeds = []
    for index, name in enumerate(GATES):
        names = PRESETS[name]
        value = ENCODERS[names.encoding]([good_client().der]).encode()
        headers = [
            (names.certificate.encode(), value),
            *((one.header.encode(), one.value.encode()) for one in names.markers),
        ]
        headers += [(SECRET[0].encode(), SECRET[1].encode()), (b"ININ-Organization-Id", b"00000000")]
        headers += [
            (b"X-Forwarded-For", b"198.51.100.7, [2001:db8::1]:443"),
            (b"Forwarded", b'for="[2001:db8::1]:4711"'),
        ]
        lines = b"\n".join(name + b":" + value for name, value in headers)
        seeds.append(bytes([index]) + b"/action\n" + PROXY.encode() + b"\n" + lines)
    return seeds


def read_path(data: bytes) -> None:
    """Ask whether a path is open: it is so only if it lies below the open prefix, however it is read."""
    path, raw_path, root_path, *_ = (*data.split(b"\n", 2), b"", b"")
    text = path.decode("utf-8", "surrogateescape")
    connection = Connection(
        interface=Interface.WSGI if root_path[:1] == b"!" else Interface.ASGI,
        path=text,
        raw_path=raw_path or None,
        root_path=root_path.decode("utf-8", "replace"),
        headers=(),
        client=None,
    )
    is_open = not Protection(exempt=("/health",)).covers(connection)
    if is_open and not any(one.startswith("/health") for one in (text, connection.root_path + text)):
        raise AssertionError(text)
    known_path({"path": text, "raw_path": raw_path, "root_path": connection.root_path})


def path_seeds() -> Sequence[bytes]:
    return [
        b"/health\n/health\n",
        b"/health/x\n/health/x\n",
        b"/api/health\n/api/health\n/api",
        b"/%68ealth\n/%68ealth\n",
        b"/a",
    ]


def read_peer(data: bytes) -> None:
    """Look at a peer of any type, as JSON tells it."""
    with suppress(ValueError, RecursionError):
        scope = {"client": json.loads(data), "headers": [(b"x-ssl-client-cert", b"x"), (b"x-forwarded-for", data)]}
        with suppress(TypeError, ValueError, IndexError):
            known_peer(*peer_of(scope))
        _judge(connection_of(scope), "nginx")


def peer_seeds() -> Sequence[bytes]:
    return [
        b'["192.0.2.1", 1]',
        b'["::ffff:192.0.2.1", 65535]',
        b'["fe80::1%eth0", "80"]',
        b'["unix:", null]',
        b"null",
        b'""',
    ]


def read_event(data: bytes) -> None:
    """Judge what AWS API Gateway or a server hands over beside the headers."""
    with suppress(ValueError, RecursionError):
        event = json.loads(data)
        _judge(connection_of({"aws.event": event, "client": (PROXY, 1)}), AWS_API_GATEWAY)
        connection = connection_of({"extensions": {"tls": event}})
        with suppress(RejectionError):
            presented = TLSSource().read(connection, collect(connection, frozenset()), LIMIT)
            if presented is not None:
                TLSSource().decode(presented, LIMIT)


def event_seeds() -> Sequence[bytes]:
    pem = good_client().pem
    events: list[object] = [
        {"requestContext": {"identity": {"clientCert": {"clientCertPem": pem}}}},
        {"requestContext": {"authentication": {"clientCert": {"clientCertPem": pem}}}},
        {"client_cert_chain": [pem], "client_cert_error": None},
        {"client_cert": pem},
    ]
    return [json.dumps(event).encode() for event in events]


CORE = "_core/"
SOURCES = "_core/sources/"

PARSERS = {
    "certificate": Parser(
        modules=(f"{CORE}certificate.py", f"{CORE}elements.py", f"{CORE}chain.py"), seeds=good, read=read_certificate
    ),
    "header": Parser(modules=(f"{SOURCES}decoders.py", f"{SOURCES}headers.py"), seeds=encoded_seeds, read=read_encoded),
    "xfcc": Parser(modules=(f"{SOURCES}xfcc.py",), seeds=xfcc_seeds, read=read_xfcc),
    "rfc9440": Parser(modules=(f"{SOURCES}decoders.py",), seeds=rfc9440_seeds, read=read_rfc9440),
    "call": Parser(
        modules=(f"{CORE}boundary.py", f"{CORE}connection.py", f"{CORE}scope.py", f"{CORE}response.py"),
        seeds=call_seeds,
        read=read_call,
    ),
    "path": Parser(modules=(f"{CORE}protection.py",), seeds=path_seeds, read=read_path),
    "peer": Parser(modules=(f"{CORE}boundary.py",), seeds=peer_seeds, read=read_peer),
    "event": Parser(modules=(f"{SOURCES}tls.py",), seeds=event_seeds, read=read_event),
}
