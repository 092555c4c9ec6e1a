"""From a verified chain, CRLs and a time: good, unknown, or revoked (RFC 5280 §6.3)."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import pairwise

from cryptography import x509

from mtls_middleware._core.certificate import VerifiedChain
from mtls_middleware._core.crl import CRL, CRLSet
from mtls_middleware._core.decision import Reason, RejectionError, RevocationState
from mtls_middleware.members import require_members


class RevocationMode(StrEnum):
    """What happens to certificates that no fresh CRL covers."""

    REQUIRE = "require"
    """Refuse them until one does."""
    CHECK = "check"
    """Accept and report them; refuse what a CRL revokes."""
    OFF = "off"
    """No CRL is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What the CRLs say about a chain, and for how long. A revoked chain is a `RejectionError` instead.

    Attributes:
        state: whether every certificate below the anchor is known to be good.
        not_before: start of the life of this knowledge, and of the chain.
        not_after: end of it.
        unknown: the certificates of which nothing is known.
        missing: says for each certificate of which nothing is known why that is so.
    """

    state: RevocationState
    not_before: datetime
    not_after: datetime
    missing: tuple[Callable[[], str], ...] = field(default=(), compare=False)
    unknown: tuple[x509.Certificate, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        require_members(self, state=RevocationState)

    @property
    def why(self) -> str:
        """Return what is missing, for an operator; empty where nothing is. Few ask, so it is put into words here."""
        return "; ".join(say() for say in self.missing)


class NotGoodError(RejectionError):
    """``certificate_revoked`` or ``revocation_unknown``.

    Attributes:
        certificates: those of the chain that are revoked, or of which nothing is known.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        certificates: Iterable[x509.Certificate],
        chain: tuple[x509.Certificate, ...] = (),
    ) -> None:
        super().__init__(reason, detail, chain=chain)
        self.certificates = frozenset(certificates)


def check(chain: VerifiedChain, crls: CRLSet, now: datetime) -> Revocation:
    """Ask for the leaf, and for each intermediate below the anchor.

    Raises:
        NotGoodError: a CRL names it. To revoke, a CRL of its issuer needs a signature; to confirm that it is good, it
            also needs to be complete for it, and fresh.
    """
    missing: list[Callable[[], str]] = []
    unknown: list[x509.Certificate] = []
    begins = [chain.not_before]
    ends = [chain.not_after]
    for index, (certificate, issuer) in enumerate(pairwise(chain.certificates)):
        # 1. Which CRLs did its issuer sign, and which of them are replaced?
        signed = crls.of(issuer)
        in_force = _in_force(one for one in signed if one.is_usable(now))
        # 2. Does one of them name it? Whatever that one cannot confirm, and whatever others say, that is final.
        for one in in_force:
            if certificate.serial_number in one.serial_numbers:
                detail = _revoked(certificate, one, is_ca=index > 0)
                raise NotGoodError(Reason.CERTIFICATE_REVOKED, detail, [certificate])
        # 3. Is one of them complete for it, and fresh? Then it is good until that one ends (RFC 5280 §6.3.3 b, c).
        fresh = [
            (one.next_update, one.this_update)
            for one in in_force
            if one.next_update is not None and one.confirms(now) and one.covers(certificate, is_ca=index > 0)
        ]
        if fresh:
            end, begin = max(fresh)
            begins.append(begin)
            ends.append(end)
        else:
            unknown.append(certificate)
            missing.append(partial(_why_unknown, certificate, issuer, crls, now, is_ca=index > 0))
        # 4. A CRL that is here early counts from its time on, so what was found without it ends there.
        ends += [one.this_update for one in signed if not one.is_usable(now)]
    return Revocation(
        state=RevocationState.UNKNOWN if missing else RevocationState.GOOD,
        not_before=max(begins),
        not_after=min(ends),
        missing=tuple(missing),
        unknown=tuple(unknown),
    )


def unchecked(chain: VerifiedChain) -> Revocation:
    """Return what is known where nobody asks."""
    return Revocation(state=RevocationState.OFF, not_before=chain.not_before, not_after=chain.not_after)


def _in_force(crls: Iterable[CRL]) -> tuple[CRL, ...]:
    """Leave out each CRL of a CA that a newer one replaces, whether or not the newer one is fresh.

    A CRL is replaced by a newer one of the same part: the same addresses, scope, reasons and base. A limited one is
    void, too, when a newer complete one of the same addresses and scope is there. Nothing limited replaces a complete
    one, and one address never answers for another.
    """
    parts: defaultdict[object, list[CRL]] = defaultdict(list)
    for one in crls:
        parts[one.part].append(one)
    newest = [one for part in parts.values() for one in _newest(part)]
    return tuple(one for one in newest if not any(other.supersedes(one) for other in newest))


def _newest(part: list[CRL]) -> list[CRL]:
    """Return the newest CRL of one part; several where they are equally new, so that each may revoke.

    Numbers order those that have one, dates the others, and dates decide between the two kinds: so there is always one.
    """
    last = max(((one.number, one.this_update) for one in part if one.number is not None), default=None)
    latest = max((one.this_update for one in part if one.number is None), default=None)
    if last is not None and latest is not None and last[1] != latest:
        last, latest = (last, None) if last[1] > latest else (None, latest)
    return [
        one
        for one in part
        if (one.this_update == latest if one.number is None else (one.number, one.this_update) == last)
    ]


def _revoked(certificate: x509.Certificate, one: CRL, *, is_ca: bool) -> str:
    whose = "an intermediate of its chain" if is_ca else "it"
    return f"{whose}, serial number {certificate.serial_number:x}, is on {one.title} from {one.origin}"


def _why_unknown(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    crls: CRLSet,
    now: datetime,
    *,
    is_ca: bool,
) -> str:
    """Return the CRL that comes nearest to what is missing."""
    signed = crls.of(issuer)
    covering = [one for one in signed if one.covers(certificate, is_ca=is_ca)]
    if covering:
        newest = max(covering, key=lambda one: one.next_update or one.this_update)
        if not newest.is_usable(now):
            return f"the CRL from {newest.origin} begins at {_at(newest.this_update)}; is the clock right?"
        if newest.next_update is None:
            return f"the CRL from {newest.origin} has no nextUpdate, so it cannot confirm that a certificate is good"
        return f"the CRL from {newest.origin} is stale: it ended at {_at(newest.next_update)}"
    limited = next((one for one in signed if one.limit), None)
    if limited is not None:
        return f"the CRL from {limited.origin} {limited.limit}, so it cannot confirm that a certificate is good"
    if signed:
        return f"the CRL from {signed[0].origin} covers other certificates of the same CA than this one"
    named = crls.named(issuer.subject)
    if named:
        return f"the CRL from {named[0].origin} has the CA's name, but is not signed by it"
    return f"no CRL of {issuer.subject.rfc4514_string()} is known that covers {certificate.serial_number:x}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"
