"""Client certificates of ``digicert`` that are trusted by themselves."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Trust one ``digicert`` client certificate explicitly, in one region.

    Attributes:
        fingerprint_sha256: of the whole DER: the same key with a new name is another certificate.
        region: AWS region name.
        not_before: None where only the fingerprint is known.
        not_after: None where only the fingerprint is known.
        origin: the file or setting, for messages.
        der: the certificate; empty where only the fingerprint is known.
        flaw: why no caller can pass with it, as far as its chain is known; empty where one can. It changes no decision.
        chain_ends: when the first certificate of that chain expires; None where it is not known.
    """

    fingerprint_sha256: str
    region: str
    not_before: datetime | None
    not_after: datetime | None
    origin: str
    der: bytes = field(default=b"", repr=False)
    flaw: str = ""
    chain_ends: datetime | None = None

    @property
    def ends(self) -> datetime | None:
        """Return when it stops to identify callers; None where that is not known."""
        return min(filter(None, (self.not_after, self.chain_ends)), default=None)

    def is_valid(self, now: datetime) -> bool:
        """Return whether `now` lies in the validity of the certificate."""
        return (self.not_before is None or self.not_before <= now) and (self.not_after is None or now <= self.not_after)

    def can_pass(self, now: datetime) -> bool:
        """Return whether a caller can pass with it at `now`, as far as that is known."""
        return self.is_valid(now) and not self.flaw and (self.chain_ends is None or now <= self.chain_ends)
