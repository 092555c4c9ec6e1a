"""What an operator sees of the sources of CRLs, and one sentence for each thing to do better."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from mtls_middleware._core.crl import CRL
from mtls_middleware._io.fetch import UNREACHED
from mtls_middleware._trust.crl.known import LOWER_NUMBER
from mtls_middleware._trust.crl.sources import CRLSource, Learned
from mtls_middleware.display import displayed
from mtls_middleware.observing.status import CRLStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CRLView:
    """One source of CRLs, and the last CRL from it.

    Attributes:
        origin: address or path.
        held: the CRL; None where none came.
        last_success: when it came last, UTC.
        error: why the last attempt failed; empty where it did not.
        is_learned: whether a certificate named the address, and not the operator.
    """

    origin: str
    held: CRL | None
    last_success: datetime | None
    error: str
    is_learned: bool

    @classmethod
    def of(cls, source: CRLSource) -> Self:
        """Return a source as it is now."""
        return cls(
            origin=source.origin,
            held=source.held,
            last_success=source.last_success,
            error=source.error,
            is_learned=source.learned is not None,
        )

    @property
    def status(self) -> CRLStatus:
        """Return what a status shows of it."""
        held = self.held
        return CRLStatus(
            origin=self.origin,
            number=held.number if held else None,
            entries=len(held.serial_numbers) if held else 0,
            this_update=held.this_update if held else None,
            next_update=held.next_update if held else None,
            last_success=self.last_success,
            error=self.error,
            is_learned=self.is_learned,
        )


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


def fix_of(origin: str, error: str) -> str:
    """Return what to do about a source of CRLs that failed, or has an expired one."""
    if LOWER_NUMBER in error:
        return "if the CA was restored from a backup, run mtls-middleware trust forget-crl with that address or file"
    if "MTLS_CRL_NETWORKS" in error:
        return "if that host is yours, name its network in MTLS_CRL_NETWORKS"
    if "://" not in origin:
        return "put the CA's current CRL there"
    if UNREACHED in error:
        first = "let this machine reach that address (HTTP_PROXY, firewall)"
    else:
        first = "see that the CA's current CRL is at that address, and nothing else"
    return f"{first}, or keep a copy in a file that MTLS_CRL_URLS names"


def warnings_of(configured: Sequence[CRLSource], unusable: Iterable[Learned], now: datetime) -> Iterator[str]:
    """Yield what an operator can improve: CRLs that can only revoke, and certificates without a CRL to fetch."""
    for source in configured:
        shortcoming = shortcoming_of(source.held, source) if source.held is not None else ""
        if shortcoming:
            yield f"CRL {source.origin}: {shortcoming}"
    for learned in unusable:
        if now <= learned.certificate.not_valid_after_utc and not is_covered(configured, learned):
            issuer = displayed(learned.issuer.subject.rfc4514_string())
            yield f"no CRL is fetched for a certificate of {issuer}: {learned.unusable}; name its CRL in MTLS_CRL_URLS"
