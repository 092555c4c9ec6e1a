"""The bounded cache of accepted certificates. It lives in a snapshot and dies with it.

Only acceptances are kept: a flood of bad certificates finds no room to take, so it can never evict a good one.
"""

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from mtls_middleware._core.decision import RevocationState
from mtls_middleware.identity import ClientIdentity
from mtls_middleware.members import require_members

CAPACITY = 1024
"""Verdicts; a region calls with one certificate, or two while it rotates."""

Presented = tuple[bytes, ...]
"""The bytes as presented: the key of a verdict. Nothing of one certificate's verdict serves another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Remember that these bytes led to this identity under this snapshot.

    Attributes:
        identity: without what belongs to a single call, such as the organisation.
        not_before: start of the life of the whole path, and of the revocation lists that it depends on.
        not_after: end of it.
        revocation: what is known of the revocation of the path.
        path: the verified chain, leaf first, anchor last.
    """

    identity: ClientIdentity
    not_before: datetime
    not_after: datetime
    revocation: RevocationState = RevocationState.OFF
    path: tuple[x509.Certificate, ...] = ()

    def __post_init__(self) -> None:
        require_members(self, revocation=RevocationState)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Keep at most `CAPACITY` verdicts, the oldest leaving first. Each step is atomic, so threads may share it."""

    _by_presented: dict[Presented, Verdict] = field(default_factory=dict)

    def find(self, presented: Presented, now: datetime) -> Verdict | None:
        """Return the verdict on these bytes if it holds at `now`."""
        verdict = self._by_presented.get(presented)
        if verdict is None or not verdict.not_before <= now <= verdict.not_after:
            return None
        return verdict

    def keep(self, presented: Presented, verdict: Verdict) -> None:
        """Remember an acceptance."""
        if len(self._by_presented) >= CAPACITY:
            self._by_presented.pop(next(iter(tuple(self._by_presented))), None)
        self._by_presented[presented] = verdict

    def __len__(self) -> int:
        """Return how many verdicts are kept."""
        return len(self._by_presented)
