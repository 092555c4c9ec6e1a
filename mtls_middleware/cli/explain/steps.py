"""The verdict, step by step, with what was seen at each: passed, failed, or never reached."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from mtls_middleware._core.certificate import PresentedChain, fingerprint
from mtls_middleware._core.crl import CRLSet
from mtls_middleware._core.decision import Accepted, Reason, Rejected, RevocationState
from mtls_middleware._core.trust import Anchor, Pin
from mtls_middleware.cli.explain.judging import Judged
from mtls_middleware.cli.page import counted
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority, ClientIdentity

MAX_SHOWN = 24
"""Lines of one kind; the next one counts the others."""

_PURPOSES = {
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}


class Outcome(StrEnum):
    """Say what became of a step."""

    PASSED = "ok"
    FAILED = "FAILED"
    NOTED = "note"
    """Passed, and there is something to know."""
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Hold one step.

    Attributes:
        question: what was asked.
        outcome: of it.
        seen: the evidence, a line each; first why it failed, in the gate's own words.
    """

    question: str
    outcome: Outcome
    seen: tuple[str, ...]


Seen = Callable[[Judged, PresentedChain], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Describe a step before it is taken.

    Attributes:
        text: what is asked.
        reasons: what it may end with.
        passed: tells what was seen where it is passed.
        failed: tells it where it is not.
    """

    text: str
    reasons: frozenset[Reason]
    passed: Seen
    failed: Seen


def nothing(judged: Judged, chain: PresentedChain) -> Sequence[str]:  # noqa: ARG001 - one shape for all
    """Return no line: the guard's own words say all."""
    return ()


def trust(judged: Judged, chain: PresentedChain) -> Sequence[str]:  # noqa: ARG001 - one shape for all
    """Return what each region is judged by."""
    return _some(
        [
            f"{region.name} ({region.authority}): {counted(len(region.anchors), 'root')}"
            + (f", {counted(len(region.pins), 'pin')}" if region.pins else "")
            + ("" if region.available else ", of which none counts now")
            for region in judged.status.regions
        ]
    )


def size(judged: Judged, chain: PresentedChain) -> Sequence[str]:
    """Return how much came."""
    number = 1 + len(chain.intermediates)
    return (f"{counted(number, 'certificate')}; MTLS_MAX_CHAIN is {judged.settings.max_chain}",)


def contents(judged: Judged, chain: PresentedChain) -> Sequence[str]:  # noqa: ARG001 - one shape for all
    """Return what came beside the leaf, which is shown above."""
    beside = [f"with it came {displayed(one.subject.rfc4514_string())}" for one in chain.intermediates]
    return (f"serial number {chain.leaf.serial_number:x}", *_some(beside))


def path(judged: Judged, chain: PresentedChain) -> Sequence[str]:
    """Return each certificate between the leaf and the root, and where the root comes from."""
    if judged.verified is None:
        return (f"issued by {displayed(chain.issuer)}",)
    above = judged.verified.path[1:]
    lines = [line for one in above for line in _certificate("signed by", one)]
    root = fingerprint(_der(judged.verified.anchor))
    origins = [
        f"a root of {anchor.binding}, from {anchor.origin}"
        for anchor in _anchors(judged)
        if anchor.fingerprint_sha256 == root
    ]
    return (*lines, *dict.fromkeys(origins))


def roots(judged: Judged, chain: PresentedChain) -> Sequence[str]:
    """Return the issuer that was looked for, and the roots that there are."""
    anchors = _anchors(judged)
    trusted = [line for one in anchors for line in _certificate(f"{one.binding} trusts", one.certificate)]
    return (f"issued by {displayed(chain.issuer)}", *_some(trusted), *_some(judged.status.warnings))


def time(judged: Judged, chain: PresentedChain) -> Sequence[str]:
    """Return the life of the leaf."""
    begin, end = chain.leaf.not_valid_before_utc, chain.leaf.not_valid_after_utc
    return (f"from {begin:%Y-%m-%d %H:%MZ} to {end:%Y-%m-%d %H:%MZ}: {_left(begin, end, judged.now)}",)


def purpose(judged: Judged, chain: PresentedChain) -> Sequence[str]:  # noqa: ARG001 - one shape for all
    """Return what the leaf may be used for."""
    return (", ".join(_uses(chain)),)


def names(judged: Judged, chain: PresentedChain) -> Sequence[str]:  # noqa: ARG001 - one shape for all
    """Return the names in the leaf."""
    found = chain.dns_names or chain.common_names
    where = (
        "as DNS name" if chain.dns_names else "as CN only" if chain.dns_names is None else "as CN, which is not read"
    )
    return _some([f"it has {displayed(name)} {where}" for name in found])


def owner(judged: Judged, chain: PresentedChain) -> Sequence[str]:
    """Return by what the caller was recognised."""
    match judged.decision:
        case Accepted(identity=ClientIdentity(authority=Authority.DIGICERT) as identity):
            digest = identity.fingerprint_sha256
            return tuple(f"pinned for {pin.region}, by {pin.origin}" for pin in _pins(judged, digest))
        case Accepted(identity=identity):
            return (*names(judged, chain), f"that is a name of {identity.region or identity.authority}")
        case _:
            return names(judged, chain)


def revocation(judged: Judged, chain: PresentedChain) -> Sequence[str]:  # noqa: ARG001 - one shape for all
    """Return which lists were asked."""
    match judged.decision:
        case Accepted(revocation=RevocationState.OFF):
            return ("not checked: MTLS_REVOCATION=off",)
        case Accepted(revocation=RevocationState.UNKNOWN):
            return ("not known, and accepted: MTLS_REVOCATION=check", doubt(judged))
        case _:
            return tuple(_lists(judged))


QUESTIONS = (
    Question(
        text="is there valid trust?",
        reasons=frozenset({Reason.TRUST_UNAVAILABLE}),
        passed=trust,
        failed=nothing,
    ),
    Question(
        text="is it small enough?",
        reasons=frozenset({Reason.CERTIFICATE_TOO_LARGE}),
        passed=size,
        failed=nothing,
    ),
    Question(
        text="can it be read?",
        reasons=frozenset({Reason.CERTIFICATE_MISSING, Reason.CERTIFICATE_MALFORMED}),
        passed=contents,
        failed=nothing,
    ),
    Question(
        text="does it chain to a trusted root?",
        reasons=frozenset({Reason.ISSUER_UNTRUSTED}),
        passed=path,
        failed=roots,
    ),
    Question(
        text="is it valid now?",
        reasons=frozenset({Reason.CERTIFICATE_EXPIRED, Reason.CERTIFICATE_NOT_YET_VALID}),
        passed=time,
        failed=time,
    ),
    Question(
        text="is it made for TLS clients?",
        reasons=frozenset({Reason.PURPOSE_MISMATCH}),
        passed=purpose,
        failed=purpose,
    ),
    Question(
        text="whose is it?",
        reasons=frozenset({Reason.REGION_MISMATCH, Reason.NOT_PINNED}),
        passed=owner,
        failed=names,
    ),
    Question(
        text="is it revoked?",
        reasons=frozenset({Reason.CERTIFICATE_REVOKED, Reason.REVOCATION_UNKNOWN}),
        passed=revocation,
        failed=nothing,
    ),
)
"""In the order in which a guard asks."""


def steps_of(judged: Judged) -> tuple[Step, ...]:
    """Return every step, in the order in which a guard takes them."""
    found: list[Step] = []
    refused = judged.decision if isinstance(judged.decision, Rejected) else None
    is_over = refused is not None and all(refused.reason not in question.reasons for question in QUESTIONS)
    for question in QUESTIONS:
        if is_over:
            found.append(Step(question=question.text, outcome=Outcome.NOT_REACHED, seen=()))
        elif refused is not None and refused.reason in question.reasons:
            seen = (displayed(refused.detail), *_seen(question.failed, judged))
            found.append(Step(question=question.text, outcome=Outcome.FAILED, seen=seen))
            is_over = True
        else:
            is_noted = question.passed is revocation and bool(doubt(judged))
            outcome = Outcome.NOTED if is_noted else Outcome.PASSED
            found.append(Step(question=question.text, outcome=outcome, seen=_seen(question.passed, judged)))
    return tuple(found)


def _seen(tell: Seen, judged: Judged) -> tuple[str, ...]:
    return () if judged.chain is None else tuple(tell(judged, judged.chain))


def doubt(judged: Judged) -> str:
    """Return why nothing is known of the revocation of what was accepted; empty where something is, or nobody asks."""
    decision = judged.decision
    is_unknown = isinstance(decision, Accepted) and decision.revocation is RevocationState.UNKNOWN
    return displayed(judged.unknown) if is_unknown else ""


def _lists(judged: Judged) -> Iterator[str]:
    path_found = () if judged.verified is None else judged.verified.path
    lists = CRLSet() if judged.snapshot is None else judged.snapshot.lists
    for place, (certificate, issuer) in enumerate(pairwise(path_found)):
        fresh = (one for one in lists.of(issuer) if one.is_fresh(judged.now))
        for one in (one for one in fresh if one.covers(certificate, is_ca=place > 0)):
            until = f"until {one.next_update:%Y-%m-%d %H:%MZ}"
            yield f"list {one.number} from {displayed(one.origin)}, {until}, has no {certificate.serial_number:x}"


def _uses(chain: PresentedChain) -> Iterator[str]:
    if chain.is_ca:
        yield "a CA"
    if chain.extended_key_usage is None:
        yield "no extended key usage, so any"
    else:
        yield "extended key usage " + " and ".join(
            sorted(_PURPOSES.get(one, one.dotted_string) for one in chain.extended_key_usage)
        )
    if chain.key_usage is not None and chain.key_usage.digital_signature:
        yield "key usage digitalSignature"


def _left(begin: datetime, end: datetime, now: datetime) -> str:
    if now > end:
        return f"ended {counted((now - end).days, 'day')} ago"
    if now < begin:
        return f"begins in {counted((begin - now).days, 'day')}"
    return f"{counted((end - now).days, 'day')} left"


def _certificate(role: str, one: x509.Certificate) -> tuple[str, str, str]:
    return (
        f"{role} {displayed(one.subject.rfc4514_string())}",
        f"  serial number {one.serial_number:x}, until {one.not_valid_after_utc:%Y-%m-%d}",
        f"  SHA-256 {fingerprint(_der(one))}",
    )


def _anchors(judged: Judged) -> tuple[Anchor, ...]:
    return judged.snapshot.anchors if judged.snapshot is not None else ()


def _pins(judged: Judged, digest: str) -> Iterator[Pin]:
    pins = judged.snapshot.pins if judged.snapshot is not None else ()
    return (pin for pin in pins if pin.fingerprint_sha256 == digest)


def _some(lines: Sequence[str]) -> tuple[str, ...]:
    rest = len(lines) - MAX_SHOWN
    return (*lines[:MAX_SHOWN], *([f"and {counted(rest, 'line')} more"] if rest > 0 else []))


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
