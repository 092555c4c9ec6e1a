"""Read what an operator has, and ask a guard for its decision: nothing is judged here."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key

from mtls_middleware._core.certificate import PresentedChain, VerifiedChain, parse_chain
from mtls_middleware._core.connection import Connection, Interface, collect
from mtls_middleware._core.decision import Accepted, Decision, RejectionError, RevocationState
from mtls_middleware._core.revocation import check
from mtls_middleware._core.sources import source_of
from mtls_middleware._core.sources.presets import CUSTOM, PRESETS, Encoding, HeaderNames
from mtls_middleware._core.trust import TrustSnapshot
from mtls_middleware._io.files import InputError, NotACertificateError
from mtls_middleware._trust.files import content
from mtls_middleware._trust.files.content import parse_certificates
from mtls_middleware.cli.environment import settings_here
from mtls_middleware.errors import TrustError
from mtls_middleware.guard import Guard, utc_now
from mtls_middleware.observing.status import Status
from mtls_middleware.settings import Settings

_ABOUT_CERTIFICATES = (
    "REGIONS",
    "AUTHORITIES",
    "TRUST",
    "CERT_NAMES",
    "PINS",
    "GENESYS_CLIENT_ID",
    "GENESYS_CLIENT_SECRET",
    "GENESYS_CLIENT_SECRET_FILE",
    "REVOCATION",
    "CRL_URLS",
    "CRL_NETWORKS",
    "STATE",
    "STATE_SECRET",
    "STATE_SECRET_FILE",
    "MAX_HEADER_BYTES",
    "MAX_CHAIN",
)
"""Settings that matter for a certificate; the others are about requests."""

_BOUNDARY = "the-boundary-is-not-asked"
"""A proxy secret that is sent, and right: who may write headers is not checked here."""

MAX_INPUT_BYTES = 1_048_576
"""Read of a file, at most: the most that MTLS_MAX_HEADER_BYTES can be."""

NAMES = tuple(dict.fromkeys((*PRESETS, *Encoding)))
"""How the value of a header may be read: as a source writes it, or in an encoding."""

CONFIGURED = "MTLS_SOURCE"

_SEQUENCE = b"\x30"
_ZIP = b"PK\x03\x04"

_OVERRIDES = (
    "MTLS_HEADER",
    "MTLS_HEADER_ENCODING",
    "MTLS_CHAIN_HEADER",
    "MTLS_VERIFY_HEADER",
    "MTLS_VERIFY_VALUE",
    "MTLS_XFCC_ELEMENTS",
)
"""Settings about the headers of the configured source."""

_ANY_HEADER = "X-Client-Cert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A decision, and what the guard knew when it was made.

    Attributes:
        decision: of the guard.
        now: when it was made.
        presented: what was given; None if it cannot be read.
        why_unknown: why nothing is known of the revocation of an accepted certificate; else empty.
        snapshot: the trust that was used; None if there is none.
        status: of the guard.
        settings: of the guard.
    """

    decision: Decision
    now: datetime
    presented: PresentedChain | None
    why_unknown: str
    snapshot: TrustSnapshot | None
    status: Status
    settings: Settings


@dataclass(slots=True)
class _Clock:
    now: Callable[[], datetime]

    def __call__(self) -> datetime:
        return self.now()


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The input: certificates, or the value of a header and how to read it.

    Attributes:
        ders: certificates, the leaf first; empty for a header.
        header: its value; None for certificates.
        settings: source and encoding of the header.
    """

    ders: tuple[bytes, ...] = ()
    header: bytes | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


def evaluate(given: Given, environ: Mapping[str, str], at: datetime | None, *, refresh: bool) -> Evaluation:
    """Present certificates to a guard as a TLS server, or the proxy, would.

    Raises:
        ConfigurationError: the settings cannot be used.
    """
    settings = _settings(given, environ)
    clock = _Clock(utc_now)
    guard = Guard.silent(settings, clock=clock)
    _load(guard, clock, at)
    connection = _connection(given, settings)
    if refresh:
        guard.decide(connection)  # it learns the addresses of CRLs
        guard.refresh()
    now = at or utc_now()
    clock.now = lambda: now
    decision = guard.decide(connection)
    presented = _presented(connection, settings)
    return Evaluation(
        decision=decision,
        now=now,
        presented=presented,
        why_unknown=_why_unknown(decision, presented, guard.snapshot, now),
        snapshot=guard.snapshot,
        status=guard.status(),
        settings=settings,
    )


def can_be_read(given: Given, environ: Mapping[str, str]) -> bool:
    """Return whether there is a certificate in it, good or bad, as the configured source reads it."""
    settings = _settings(given, environ)
    return _presented(_connection(given, settings), settings) is not None


def _settings(given: Given, environ: Mapping[str, str]) -> Settings:
    ours = {f"MTLS_{name}": environ[f"MTLS_{name}"] for name in _ABOUT_CERTIFICATES if f"MTLS_{name}" in environ}
    if given.header is not None:
        ours |= {**given.settings, "MTLS_PROXY_SECRET": _BOUNDARY}
    return settings_here(environ, used=ours)


def _load(guard: Guard, clock: _Clock, at: datetime | None) -> None:
    """Load what an application that starts now loads, and would still have at a later time.

    For an earlier time, roots may have expired since; then load what it loaded at that time.
    """
    try:
        guard.load()
    except TrustError:
        if at is None:
            raise
        clock.now = lambda: at
        guard.load()
        clock.now = utc_now


def _why_unknown(
    decision: Decision, presented: PresentedChain | None, snapshot: TrustSnapshot | None, now: datetime
) -> str:
    """Return what is missing, which a decision does not say: only a refusal needs the words."""
    match decision:
        case Accepted(revocation=RevocationState.UNKNOWN) if presented is not None and snapshot is not None:
            verified = VerifiedChain(
                leaf=presented,
                certificates=decision.chain,
                not_before=decision.not_before,
                not_after=decision.not_after,
            )
            return check(verified, snapshot.crls, now).why
        case _:
            return ""


def _presented(connection: Connection, settings: Settings) -> PresentedChain | None:
    """Read the certificates, to show them; if they cannot be read, the decision says why."""
    source = source_of(settings.source, settings.header_names, settings.xfcc_elements)
    fields = collect(connection, source.header_names.headers if source.header_names is not None else frozenset())
    try:
        read = source.read(connection, fields, settings.max_chain)
        return None if read is None else parse_chain(source.decode(read, settings.max_chain))
    except RejectionError:
        return None


def _connection(given: Given, settings: Settings) -> Connection:
    header_names = settings.header_names
    return Connection(
        interface=Interface.ASGI,
        path="/",
        raw_path=b"/",
        root_path="",
        headers=() if header_names is None else _headers(given.header or b"", header_names, settings),
        client=("192.0.2.1", 443),
        tls={"client_cert_chain": tuple(map(_pem, given.ders))},
    )


def _headers(value: bytes, header_names: HeaderNames, settings: Settings) -> tuple[tuple[bytes, bytes], ...]:
    """Return what a proxy sends whose own verification succeeded."""
    markers = {marker.header: marker.value.encode() for marker in header_names.markers if marker.always_set}
    secret = settings.proxy_secret
    proof = {} if secret is None else {secret.header: _BOUNDARY.encode()}
    sent = {header_names.certificate: value} | markers | proof
    return tuple((name.lower().encode("ascii"), content) for name, content in sent.items())


def _pem(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


class UnreadableError(Exception):
    """There is no certificate in the input."""


def certificates(data: bytes) -> Given:
    """Return the certificates of a PEM or DER file, the leaf first; text around PEM is ignored.

    Whether each of them can be read is decided by the guard.

    Raises:
        UnreadableError: there is none.
    """
    if len(data) > MAX_INPUT_BYTES:
        raise UnreadableError("is longer than any certificate chain")
    if data.startswith(_ZIP):
        raise UnreadableError("is a zip, as roots are downloaded; for roots use trust show")
    try:
        if content.is_pem(data) or not data.startswith(_SEQUENCE):
            return Given(ders=content.decode(data))
        if _is_key(data):
            raise UnreadableError("is a private key: only its certificate is needed")
        parse_certificates(data)  # it knows bundles, which are DER too
    except (InputError, NotACertificateError) as error:
        raise UnreadableError(f"{error}{_hint(data)}") from error
    return Given(ders=(data,))


def _hint(data: bytes) -> str:
    """Return how to read the value of a header, if it may be one: a single line of text."""
    text = data.strip()
    is_one_line = bool(text) and text.isascii() and not text.startswith(_SEQUENCE) and b"\n" not in text
    return "; if a proxy wrote it into a header, use --header with the name of its source" if is_one_line else ""


def header(value: bytes, settings: Mapping[str, str]) -> Given:
    """Return the value of a header from a file or a shell, where a line break follows it."""
    return Given(header=value.strip(), settings=settings)


def settings_of(name: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the settings to read the headers of this source, or in this encoding.

    Raises:
        ValueError: there is neither.
    """
    if name == environ.get(CONFIGURED) and (name in PRESETS or name == CUSTOM):
        return {CONFIGURED: name} | {one: environ[one] for one in _OVERRIDES if one in environ}
    if name in PRESETS:
        return {CONFIGURED: name}
    return {CONFIGURED: CUSTOM, "MTLS_HEADER": _ANY_HEADER, "MTLS_HEADER_ENCODING": Encoding(name)}


def _is_key(data: bytes) -> bool:
    try:
        load_der_private_key(data, password=None)
    except TypeError:  # it wants a password
        return True
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True
