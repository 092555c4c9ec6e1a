"""What the certificates API has answered so far about one region, also as bytes for a restart while it is down."""

import base64
import json
from binascii import a2b_base64
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._core.pin import Pin
from mtls_middleware._io.files import InputError, Object, parse_object, subject_of
from mtls_middleware._io.store import believed
from mtls_middleware._trust.files.content import parse_certificates
from mtls_middleware._trust.genesys.client import APIResponse
from mtls_middleware._trust.genesys.listing import CertificateStatus, ListedCertificate, listed
from mtls_middleware.identity import Authority

GRACE = timedelta(days=30)
"""How long a superseded certificate stays trusted. A rotation, with the inconsistent answers that it brings, takes
days, and may be taken back; a month outlasts that. It risks little: the certificate was issued to Genesys, its own
notAfter still ends it, and its CRL still speaks."""

MAX_CERTIFICATES = 100
"""Certificates remembered for one region: many years of rotations."""

VERSION = 1
MAX_STATE_BYTES = 4_000_000
"""More is not read; 100 certificates with their chains are about 700,000."""

MOST_LINKS = 10
"""Certificates of one chain, the client's included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCertificate:
    """One certificate of the API.

    Attributes:
        listed: as it was listed last.
        listed_at: when that was.
        superseded_at: when an answer first had another of its authority, but not it; None while it is listed.
    """

    listed: ListedCertificate
    listed_at: datetime
    superseded_at: datetime | None = None

    @property
    def not_after(self) -> datetime:
        """Return the end of its life."""
        return self.listed.leaf.not_valid_after_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCertificates:
    """The certificates of one region, over several polls.

    Attributes:
        region: AWS region name.
        answered_at: of the last answer that was merged; None before the first.
        certificates: the one listed last is the first.
        no_digicert_since: of the first of the last complete answers, if none of them lists one of DigiCert; else None.
    """

    region: str
    answered_at: datetime | None = None
    certificates: tuple[KnownCertificate, ...] = ()
    no_digicert_since: datetime | None = None

    def merge(self, answer: APIResponse, now: datetime) -> Self:
        """Return what is known with one more answer.

        Raises:
            ValueError: the answer is about another region.
        """
        if answer.region != self.region:
            raise ValueError(f"an answer of {answer.region} says nothing about {self.region}")
        listed = {
            one.fingerprint_sha256: KnownCertificate(listed=one, listed_at=now)
            for one in answer.certificates
            if one.leaf.not_valid_after_utc >= now
        }
        succeeded = _succeeded(listed.values(), now) if answer.is_complete else frozenset()
        others = [
            _superseded(one, now) if one.listed.authority in succeeded else one
            for one in self.certificates
            if one.listed.fingerprint_sha256 not in listed
        ]
        # What serves now vouches for the clock too: nothing is forgotten at a time at which no certificate would serve.
        kept = [one for one in others if one.listed.authority not in succeeded or _stays(one, now)]
        no_digicert_since = self.no_digicert_since
        if any(one.listed.authority is Authority.DIGICERT for one in listed.values()):
            no_digicert_since = None
        elif answer.is_complete:
            no_digicert_since = min(now, no_digicert_since or now)
        return replace(
            self,
            answered_at=now,
            certificates=(*listed.values(), *kept)[:MAX_CERTIFICATES],
            no_digicert_since=no_digicert_since,
        )

    def newer(self, stored: Self, now: datetime) -> Self:
        """Return the one of both that was answered later. What claims to come from the future is not believed."""
        if stored.region != self.region or stored.answered_at is None or believed(stored.answered_at, now) is None:
            return self
        if self.answered_at is None or believed(self.answered_at, now) is None:
            return stored
        return stored if stored.answered_at > self.answered_at else self

    def pins(self, now: datetime) -> tuple[Pin, ...]:
        """Return a pin for each ``digicert`` certificate that has not expired; it may not be valid yet."""
        return tuple(
            Pin(
                fingerprint_sha256=one.listed.fingerprint_sha256,
                region=self.region,
                not_before=one.listed.leaf.not_valid_before_utc,
                not_after=one.not_after,
                origin=f"certificates API of {self.region}, {_state(one)}: {subject_of(one.listed.leaf)}",
                der=one.listed.leaf_der,
            )
            for one in self._living(Authority.DIGICERT, now)
        )

    def intermediates(self, now: datetime) -> tuple[x509.Certificate, ...]:
        """Return what came with the pins. They help to build a path, and vouch for nothing."""
        living = self._living(Authority.DIGICERT, now)
        return tuple(dict.fromkeys(link for one in living for link in one.listed.intermediates))

    def genesys_leaves(self, now: datetime) -> tuple[bytes, ...]:
        """Return the DER of each ``genesys`` certificate that has not expired: it tells CRL addresses, and its root."""
        return tuple(one.listed.leaf_der for one in self._living(Authority.GENESYS, now))

    def _living(self, authority: Authority, now: datetime) -> tuple[KnownCertificate, ...]:
        return tuple(one for one in self.certificates if one.listed.authority is authority and now <= one.not_after)


def _succeeded(listed: Iterable[KnownCertificate], now: datetime) -> frozenset[Authority]:
    """Return the authorities with a certificate that serves now: only that can have taken another's place."""
    return frozenset(
        one.listed.authority
        for one in listed
        if one.listed.status is CertificateStatus.CURRENT and one.listed.leaf.not_valid_before_utc <= now
    )


def _superseded(one: KnownCertificate, now: datetime) -> KnownCertificate:
    since = now if one.superseded_at is None else min(one.superseded_at, now)
    return replace(one, superseded_at=since)


def _stays(one: KnownCertificate, now: datetime) -> bool:
    if now > one.not_after:
        return False
    return one.superseded_at is None or now - one.superseded_at < GRACE


def _state(one: KnownCertificate) -> str:
    if one.superseded_at is not None:
        return f"superseded {one.superseded_at:%Y-%m-%d}"
    return str(one.listed.status)


def to_bytes(known: KnownCertificates) -> bytes:
    """Write everything that is known about a region."""
    return json.dumps(
        {
            "version": VERSION,
            "region": known.region,
            "answered_at": _text(known.answered_at),
            "no_digicert_since": _text(known.no_digicert_since),
            "certificates": [
                {
                    "authority": str(one.listed.authority),
                    "status": str(one.listed.status),
                    "chain": [_base64(link) for link in (one.listed.leaf, *one.listed.intermediates)],
                    "listed_at": _text(one.listed_at),
                    "superseded_at": _text(one.superseded_at),
                }
                for one in known.certificates
            ],
        },
        separators=(",", ":"),
    ).encode("ascii")


def from_bytes(data: bytes, region: str) -> KnownCertificates:
    """Read what `to_bytes` wrote about a region.

    Raises:
        InputError: it is damaged, of another version, or about another region.
    """
    if len(data) > MAX_STATE_BYTES:
        raise InputError(f"is larger than {MAX_STATE_BYTES:,} bytes")
    stored = parse_object(data)
    if type(stored.get("version")) is not int or stored["version"] != VERSION:
        raise InputError("is of another version of mtls-middleware")
    if stored.get("region") != region:
        raise InputError(f"is not about {region}")
    return KnownCertificates(
        region=region,
        answered_at=_time_or_none(stored.get("answered_at")),
        no_digicert_since=_time_or_none(stored.get("no_digicert_since")),
        certificates=tuple(map(_certificate, _list(stored.get("certificates"), MAX_CERTIFICATES))),
    )


def _certificate(stored: object) -> KnownCertificate:
    if not isinstance(stored, dict):
        raise InputError("holds a certificate that is no object")
    listed_at = _time_or_none(stored.get("listed_at"))
    if listed_at is None:
        raise InputError("holds a certificate without a time")
    return KnownCertificate(
        listed=_listed(stored), listed_at=listed_at, superseded_at=_time_or_none(stored.get("superseded_at"))
    )


def _listed(stored: Object) -> ListedCertificate:
    try:
        authority, status = Authority(str(stored.get("authority"))), CertificateStatus(str(stored.get("status")))
    except ValueError as error:
        raise InputError("holds a certificate of unknown authority or status") from error
    if authority is Authority.CUSTOM:
        raise InputError("holds a certificate of an authority or status that no API has")
    chain = _list(stored.get("chain"), MOST_LINKS)
    return listed(authority, status, tuple(certificate for link in chain for certificate in _parse(link)))


def _parse(link: object) -> tuple[x509.Certificate, ...]:
    if not isinstance(link, str):
        raise InputError("holds a certificate that is no text")
    try:
        return parse_certificates(a2b_base64(link, strict_mode=True))
    except ValueError as error:
        raise InputError("holds a certificate that is not base64") from error


def _list(value: object, most: int) -> list[object]:
    if not isinstance(value, list) or len(value) > most:
        raise InputError(f"lacks a list of at most {most} entries")
    return value


def _time_or_none(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value if isinstance(value, str) else "")
        if time.tzinfo is None:
            raise InputError("holds a time without a zone")
        return time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError("holds a time that cannot be read") from error


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _base64(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii")
