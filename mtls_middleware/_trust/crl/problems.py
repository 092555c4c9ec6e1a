"""What an operator can do better about CRLs: one sentence for each thing."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from mtls_middleware._core.crl import CRL
from mtls_middleware._trust.crl.sources import CRLSource, Learned
from mtls_middleware.display import displayed


def shortcoming_of(found: CRL, source: CRLSource) -> str:
    """Return why a CRL can only revoke; empty where it can also confirm that a certificate is good."""
    limit = _limit(found, source)
    return f"{limit}: it can revoke, but cannot confirm that a certificate is good" if limit else ""


def _limit(found: CRL, source: CRLSource) -> str:
    if found.limit:
        return str(found.limit)
    if found.next_update is None:
        return "has no nextUpdate"
    if source.learned is not None and found.addresses is not None and found.addresses.isdisjoint(source.origins):
        return "is bound to other addresses than this one"  # a swap would hide what the right one names
    return ""


def is_covered(configured: Iterable[CRLSource], learned: Learned) -> bool:
    """Return whether a CRL of the operator's tells of this certificate, so that nobody else need be asked."""
    crls = (source.held for source in configured if source.held is not None)
    return any(
        one.next_update is not None
        and one.covers(learned.certificate, is_ca=learned.is_ca)
        and one.is_signed_by(learned.issuer)
        for one in crls
    )


def problem_of(source: CRLSource) -> str:
    held = source.held
    if held is None:
        return f"CRL {source.error}; none{' that can' if source.last is not None else ''} is known from there"
    number = "the last" if held.number is None else f"number {held.number}"
    until = "" if held.next_update is None else f" until {held.next_update:%Y-%m-%d %H:%M:%SZ},"
    return f"CRL {source.error}; {number},{until} stays"


def warnings_of(configured: Sequence[CRLSource], unusable: Iterable[Learned], now: datetime) -> Iterator[str]:
    """Go through what an operator can do better: CRLs that can only revoke, and certificates whose CRL nobody finds."""
    for source in configured:
        shortcoming = shortcoming_of(source.held, source) if source.held is not None else ""
        if shortcoming:
            yield f"CRL {source.origin}: {shortcoming}"
    for learned in unusable:
        if now <= learned.certificate.not_valid_after_utc and not is_covered(configured, learned):
            issuer = displayed(learned.issuer.subject.rfc4514_string())
            yield f"no CRL is fetched for a certificate of {issuer}: {learned.unusable}; name its CRL in MTLS_CRL_URLS"
