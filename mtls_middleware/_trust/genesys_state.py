"""What is known from the certificates API as bytes, for a restart while the API is down: versioned JSON.

These bytes do not prove where they come from. Who stores them authenticates them.
"""

import base64
import json
from binascii import a2b_base64
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._trust.content import parse_certificates
from mtls_middleware._trust.genesys_listing import CertificateStatus, ListedCertificate, listed
from mtls_middleware._trust.genesys_pins import MOST, KnownCertificate, KnownCertificates
from mtls_middleware._trust.report import Unusable
from mtls_middleware._trust.strict_json import Object, parse_object
from mtls_middleware.identity import Authority

VERSION = 1
BYTES = 4_000_000
"""More is not read; 100 certificates with their chains are about 700,000."""

MOST_LINKS = 10
"""Certificates of one chain, the client's included."""


def to_bytes(known: KnownCertificates) -> bytes:
    """Write everything that is known about a region."""
    return json.dumps(
        {
            "version": VERSION,
            "region": known.region,
            "answered_at": _text(known.answered_at),
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
        Unusable: it is damaged, of another version, or about another region.
    """
    if len(data) > BYTES:
        raise Unusable(f"is larger than {BYTES:,} bytes")
    stored = parse_object(data)
    if type(stored.get("version")) is not int or stored["version"] != VERSION:
        raise Unusable("is of another version of mtls-middleware")
    if stored.get("region") != region:
        raise Unusable(f"is not about {region}")
    return KnownCertificates(
        region=region,
        answered_at=_time_or_none(stored.get("answered_at")),
        certificates=tuple(map(_certificate, _list(stored.get("certificates"), MOST))),
    )


def _certificate(stored: object) -> KnownCertificate:
    if not isinstance(stored, dict):
        raise Unusable("holds a certificate that is no object")
    listed_at = _time_or_none(stored.get("listed_at"))
    if listed_at is None:
        raise Unusable("holds a certificate without a time")
    return KnownCertificate(
        listed=_listed(stored), listed_at=listed_at, superseded_at=_time_or_none(stored.get("superseded_at"))
    )


def _listed(stored: Object) -> ListedCertificate:
    try:
        authority, status = Authority(str(stored.get("authority"))), CertificateStatus(str(stored.get("status")))
    except ValueError as error:
        raise Unusable("holds a certificate of unknown authority or status") from error
    if authority is Authority.CUSTOM:
        raise Unusable("holds a certificate of an authority or status that no API has")
    chain = _list(stored.get("chain"), MOST_LINKS)
    return listed(authority, status, tuple(certificate for link in chain for certificate in _parse(link)))


def _parse(link: object) -> tuple[x509.Certificate, ...]:
    if not isinstance(link, str):
        raise Unusable("holds a certificate that is no text")
    try:
        return parse_certificates(a2b_base64(link, strict_mode=True))
    except ValueError as error:
        raise Unusable("holds a certificate that is not base64") from error


def _list(value: object, most: int) -> list[object]:
    if not isinstance(value, list) or len(value) > most:
        raise Unusable(f"lacks a list of at most {most} entries")
    return value


def _time_or_none(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value if isinstance(value, str) else "")
        if time.tzinfo is None:
            raise Unusable("holds a time without a zone")
        return time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unusable("holds a time that cannot be read") from error


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _base64(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii")
