"""From a verified chain, revocation lists and a time: good, unknown, or revoked (RFC 5280 §6.3)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import pairwise

from cryptography import x509

from mtls_middleware._core.certificate import VerifiedChain
from mtls_middleware._core.crl import CRLSet, RevocationList
from mtls_middleware._core.decision import Reason, RejectionError, RevocationState
from mtls_middleware.members import require_members


class RevocationMode(StrEnum):
    """Say what becomes of certificates of which no fresh revocation list tells."""

    REQUIRE = "require"
    """Refuse them until one does."""
    CHECK = "check"
    """Accept and report them; refuse what a list revokes."""
    OFF = "off"
    """Look at no list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Say what the lists tell of a chain, and how long that holds. A revoked chain is a `RejectionError` instead.

    Attributes:
        state: whether every certificate below the anchor is known to be good.
        not_before: start of the life of this knowledge, and of the chain.
        not_after: end of it.
        missing: says for each certificate of which nothing is known why that is so.
    """

    state: RevocationState
    not_before: datetime
    not_after: datetime
    missing: tuple[Callable[[], str], ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        require_members(self, state=RevocationState)

    @property
    def why(self) -> str:
        """Return what is missing, for an operator; empty where nothing is. Few ask, so it is put into words here."""
        return "; ".join(say() for say in self.missing)


def check(chain: VerifiedChain, lists: CRLSet, now: datetime) -> Revocation:
    """Ask for the leaf, and for each intermediate below the anchor.

    Raises:
        Rejection: ``certificate_revoked``; a stale list, too, revokes what it names.
    """
    missing: list[Callable[[], str]] = []
    begins = [chain.not_before]
    ends = [chain.not_after]
    for place, (certificate, issuer) in enumerate(pairwise(chain.certificates)):
        # 1. Which lists did its issuer sign that would name it?
        applicable = [one for one in lists.of(issuer) if one.covers(certificate, is_ca=place > 0)]
        usable = _newest(one for one in applicable if one.is_usable(now))
        # 2. Does one of them name it? Whatever is not known about the others, that is final.
        for one in usable:
            if certificate.serial_number in one.serial_numbers:
                raise RejectionError(Reason.CERTIFICATE_REVOKED, _revoked(certificate, one, is_ca=place > 0))
        # 3. Is one of them fresh? Then it is good until that one ends.
        fresh = [one for one in usable if one.is_fresh(now)]
        if fresh:
            longest = max(fresh, key=lambda one: one.next_update)
            begins.append(longest.this_update)
            ends.append(longest.next_update)
        else:
            missing.append(partial(_why_unknown, certificate, issuer, lists, applicable, now))
        # 4. A list that is here early counts from its time on, so what was found without it ends there.
        ends += [one.this_update for one in applicable if not one.is_usable(now)]
    return Revocation(
        state=RevocationState.UNKNOWN if missing else RevocationState.GOOD,
        not_before=max(begins),
        not_after=min(ends),
        missing=tuple(missing),
    )


def unchecked(chain: VerifiedChain) -> Revocation:
    """Return what is known where nobody asks."""
    return Revocation(state=RevocationState.OFF, not_before=chain.not_before, not_after=chain.not_after)


def _newest(lists: Iterable[RevocationList]) -> tuple[RevocationList, ...]:
    """Leave out each list that a newer one of the same part replaces, whether or not the newer one is fresh."""
    newest: dict[object, RevocationList] = {}
    for one in lists:
        known = newest.get(one.part)
        if known is None or one.is_newer_than(known):
            newest[one.part] = one
    return tuple(newest.values())


def _revoked(certificate: x509.Certificate, one: RevocationList, *, is_ca: bool) -> str:
    whose = "an intermediate of its chain" if is_ca else "it"
    return f"{whose}, serial number {certificate.serial_number:x}, is on list {one.number} from {one.origin}"


def _why_unknown(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    lists: CRLSet,
    applicable: list[RevocationList],
    now: datetime,
) -> str:
    """Name the list that comes nearest to what is missing."""
    if applicable:
        newest = max(applicable, key=lambda one: one.next_update)
        if newest.is_usable(now):
            return f"the revocation list from {newest.origin} is stale: it ended at {_at(newest.next_update)}"
        return f"the revocation list from {newest.origin} begins at {_at(newest.this_update)}; is the clock right?"
    if signed := lists.of(issuer):
        return f"the revocation list from {signed[0].origin} tells of other certificates of the same CA than this one"
    named = lists.named(issuer.subject)
    if named:
        return f"the revocation list from {named[0].origin} bears the CA's name, but is not signed by it"
    return f"no revocation list of {issuer.subject.rfc4514_string()} is known to tell of {certificate.serial_number:x}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"
