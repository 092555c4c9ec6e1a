"""What the certificates API has told so far about one region: pins come with an answer, and leave long after it.

The API warns that it is inconsistent while a certificate rotates. So a certificate that one answer lacks stays; it
leaves when it has expired, or when another one has taken its place for `GRACE`. It is remembered until another serves.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509

from mtls_middleware._core.trust import Pin
from mtls_middleware._trust.genesys_api import Answer
from mtls_middleware._trust.genesys_listing import CertificateStatus, ListedCertificate
from mtls_middleware._trust.report import subject_of
from mtls_middleware.identity import Authority

GRACE = timedelta(days=30)
"""How long a superseded certificate stays trusted. A rotation, with the inconsistent answers that it brings, takes
days, and may be taken back; a month outlasts that. It risks little: the certificate was issued to Genesys, its own
notAfter still ends it, and its CRL still speaks."""

MOST = 100
"""Certificates remembered for one region: many years of rotations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCertificate:
    """Remember one certificate of the API.

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
    """Remember the certificates of one region.

    Attributes:
        region: AWS region name.
        answered_at: of the last answer that was merged; None before the first.
        certificates: the one listed last is the first.
    """

    region: str
    answered_at: datetime | None = None
    certificates: tuple[KnownCertificate, ...] = ()

    def merge(self, answer: Answer, now: datetime) -> Self:
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
        return replace(self, answered_at=now, certificates=(*listed.values(), *kept)[:MOST])

    def newer(self, stored: Self, now: datetime) -> Self:
        """Return the one of both that was answered later. What claims to come from the future is not believed."""
        if stored.region != self.region or stored.answered_at is None or stored.answered_at > now:
            return self
        is_newer = self.answered_at is None or not stored.answered_at <= self.answered_at <= now
        return stored if is_newer else self

    def pins(self, now: datetime) -> tuple[Pin, ...]:
        """Return a pin for each ``digicert`` certificate that has not expired; it may not be valid yet."""
        return tuple(
            Pin(
                fingerprint_sha256=one.listed.fingerprint_sha256,
                region=self.region,
                not_before=one.listed.leaf.not_valid_before_utc,
                not_after=one.not_after,
                origin=f"certificates API of {self.region}, {_state(one)}: {subject_of(one.listed.leaf)}",
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
