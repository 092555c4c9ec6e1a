"""What an operator holds in hand, and the product's own verdict on it: a guard is asked, nothing is judged here."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key

from mtls_middleware._core import chain as chains
from mtls_middleware._core import policy
from mtls_middleware._core.certificate import PresentedChain, VerifiedChain, parse_chain
from mtls_middleware._core.connection import Connection, Interface, collect
from mtls_middleware._core.decision import Accepted, Decision, Reason, RejectionError
from mtls_middleware._core.revocation import check
from mtls_middleware._core.sources import source_of
from mtls_middleware._core.sources.presets import CUSTOM, PRESETS, Encoding, HeaderShape
from mtls_middleware._core.trust import TrustSnapshot
from mtls_middleware._io.files import InputError, NotACertificateError
from mtls_middleware._trust.files import reading
from mtls_middleware._trust.files.reading import parse_certificates
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
"""What a verdict on a certificate depends on; the rest is about requests."""

_BEHIND_THE_PATH = (
    Reason.REGION_MISMATCH,
    Reason.NOT_PINNED,
    Reason.CERTIFICATE_REVOKED,
    Reason.REVOCATION_UNKNOWN,
)
"""Refusals of a certificate for which a path was found."""

_BOUNDARY = "the-boundary-is-not-asked"
"""A proxy secret that is sent, and right: who may write headers is not the question here."""

MAX_INPUT_BYTES = 1_048_576
"""Read of a file, at most: the most that MTLS_MAX_HEADER_BYTES can be."""

NAMES = tuple(dict.fromkeys((*PRESETS, *Encoding)))
"""What a header's value may be read as: as a source, or in an encoding."""

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
"""What the settings say about the headers of the source that they name."""

_ANY_HEADER = "X-Client-Cert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Hold a verdict, and what a guard with these settings knew when it was reached.

    Attributes:
        decision: the guard's.
        now: the time of it.
        chain: what was shown; None where it cannot be read.
        verified: the chain up to an anchor; None where there is no such path, or it was not looked for.
        unknown: why nothing is known of its revocation; empty where something is, or it was not looked at.
        snapshot: the trust by which it was judged; None where there is none.
        status: the same, as operators see it.
        settings: of the guard.
    """

    decision: Decision
    now: datetime
    chain: PresentedChain | None
    verified: VerifiedChain | None
    unknown: str
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
    """Hold what is to be judged: certificates, or a header's value and how it is read.

    Attributes:
        ders: certificates, the leaf first; empty for a header.
        header: its value; None for certificates.
        settings: source and encoding of the header.
    """

    ders: tuple[bytes, ...] = ()
    header: bytes | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


def judge(given: Given, environ: Mapping[str, str], at: datetime | None, *, refresh: bool) -> Judged:
    """Show certificates to a guard as a TLS server, or the proxy, would.

    Args:
        given: certificates, or a header's value.
        environ: settings; those that are about requests are left out.
        at: the time of the verdict, aware, UTC; None for now.
        refresh: ask the certificates API and the places of lists first.

    Raises:
        ConfigurationError: the settings cannot be used.
    """
    settings = _settings(given, environ)
    clock = _Clock(utc_now)
    guard = Guard.silent(settings, clock=clock)
    _load(guard, clock, at)
    connection = _connection(given, settings)
    if refresh:
        guard.decide(connection)  # so it learns where lists are
        guard.refresh()
    now = at or utc_now()
    clock.now = lambda: now
    decision = guard.decide(connection)
    chain = _chain(connection, settings)
    verified = None if chain is None else _verified(chain, decision, guard.snapshot, now)
    return Judged(
        decision=decision,
        now=now,
        chain=chain,
        verified=verified,
        unknown=_why_unknown(verified, guard.snapshot, now),
        snapshot=guard.snapshot,
        status=guard.status(),
        settings=settings,
    )


def can_be_read(given: Given, environ: Mapping[str, str]) -> bool:
    """Return whether there is a certificate in it, good or bad, as the configured source reads it."""
    settings = _settings(given, environ)
    return _chain(_connection(given, settings), settings) is not None


def _settings(given: Given, environ: Mapping[str, str]) -> Settings:
    ours = {f"MTLS_{name}": environ[f"MTLS_{name}"] for name in _ABOUT_CERTIFICATES if f"MTLS_{name}" in environ}
    if given.header is not None:
        ours |= {**given.settings, "MTLS_PROXY_SECRET": _BOUNDARY}
    return Settings.from_env(ours)


def _load(guard: Guard, clock: _Clock, at: datetime | None) -> None:
    """Load what an application loads that starts now; it would still have it at a later time.

    Of an earlier time, roots may have ended since; then it is loaded as it was.
    """
    try:
        guard.load()
    except TrustError:
        if at is None:
            raise
        clock.now = lambda: at
        guard.load()
        clock.now = utc_now


def _verified(
    chain: PresentedChain, decision: Decision, snapshot: TrustSnapshot | None, now: datetime
) -> VerifiedChain | None:
    """Return the path that the gate found, which its refusals do not carry: the same functions find it again."""
    is_identified = isinstance(decision, Accepted) or decision.reason in _BEHIND_THE_PATH
    found: list[tuple[int, VerifiedChain]] = []
    for trust in snapshot.trusts if snapshot is not None and is_identified else ():
        try:
            verified = chains.verify(chain, trust, now)
        except RejectionError:
            continue
        try:
            policy.identify(verified, trust, "explain")
        except RejectionError as rejection:
            found.append((rejection.reason.order, verified))
        else:
            return verified
    return max(reversed(found), key=itemgetter(0))[1] if found else None


def _why_unknown(verified: VerifiedChain | None, snapshot: TrustSnapshot | None, now: datetime) -> str:
    if verified is None or snapshot is None:
        return ""
    try:
        return check(verified, snapshot.lists, now).why
    except RejectionError:  # it is known, then
        return ""


def _chain(connection: Connection, settings: Settings) -> PresentedChain | None:
    """Read it as the gate does; what is wrong with it stands in the decision."""
    source = source_of(settings.source, settings.shape, settings.xfcc_elements)
    fields = collect(connection, source.shape.headers if source.shape is not None else frozenset())
    try:
        presented = source.read(connection, fields, settings.max_chain)
        return None if presented is None else parse_chain(source.decode(presented, settings.max_chain))
    except RejectionError:
        return None


def _connection(given: Given, settings: Settings) -> Connection:
    shape = settings.shape
    return Connection(
        interface=Interface.ASGI,
        path="/",
        raw_path=b"/",
        root_path="",
        headers=() if shape is None else _headers(given.header or b"", shape, settings),
        client=("192.0.2.1", 443),
        tls={"client_cert_chain": tuple(map(_pem, given.ders))},
    )


def _headers(value: bytes, shape: HeaderShape, settings: Settings) -> tuple[tuple[bytes, bytes], ...]:
    """Return what a proxy sends that is content with the certificate."""
    markers = {marker.header: marker.value.encode() for marker in shape.markers if marker.always_set}
    secret = settings.proxy_secret
    proof = {} if secret is None else {secret.header: _BOUNDARY.encode()}
    sent = {shape.certificate: value} | markers | proof
    return tuple((name.lower().encode("ascii"), content) for name, content in sent.items())


def _pem(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


class UnreadableError(Exception):
    """Say that there is no certificate in what was given."""


def certificates(data: bytes) -> Given:
    """Return the certificates of a PEM or DER file, the leaf first; text around PEM is passed over.

    Whether each of them can be read is for the guard to say.

    Raises:
        UnreadableError: there is none.
    """
    if len(data) > MAX_INPUT_BYTES:
        raise UnreadableError("is longer than any certificate chain")
    if data.startswith(_ZIP):
        raise UnreadableError("is a zip: roots come so, callers do not; trust show tells of roots")
    try:
        if reading.is_pem(data) or not data.startswith(_SEQUENCE):
            return Given(ders=reading.decode(data))
        if _is_key(data):
            raise UnreadableError("is a private key: only its certificate is needed")
        parse_certificates(data)  # it knows bundles, which are DER too
    except (InputError, NotACertificateError) as error:
        raise UnreadableError(f"{error}{_hint(data)}") from error
    return Given(ders=(data,))


def _hint(data: bytes) -> str:
    """Say how a header's value is read, where it may be one: a single line of text."""
    text = data.strip()
    is_one_line = bool(text) and text.isascii() and not text.startswith(_SEQUENCE) and b"\n" not in text
    return "; if a proxy wrote it into a header, say --header with the name of its source" if is_one_line else ""


def header(value: bytes, settings: Mapping[str, str]) -> Given:
    """Return a header's value, as a file or a shell holds it: with a line's end behind it."""
    return Given(header=value.strip(), settings=settings)


def settings_of(name: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the settings by which the headers of this source, or of this encoding, are read.

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
