"""The verdict step by step, with the evidence for each: passed, failed, or not reached."""

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
from mtls_middleware._core.pin import Pin
from mtls_middleware._core.trust import Anchor
from mtls_middleware.cli.explain.evaluate import Evaluation
from mtls_middleware.display import counted, displayed
from mtls_middleware.identity import Authority, ClientIdentity
from mtls_middleware.regions import of_certificate_names
from mtls_middleware.status_page.headline import lack_text

MAX_SHOWN = 24
"""Lines of one kind; the next one counts the others."""

_PURPOSES = {
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}


class StepResult(StrEnum):
    """The result of a step."""

    PASSED = "ok"
    FAILED = "FAILED"
    NOTED = "note"
    """Passed, with a remark."""
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the verdict.

    Attributes:
        question: what was checked.
        outcome: the result.
        seen: the evidence, one line each; first why it failed, as the gate said it.
    """

    question: str
    outcome: StepResult
    seen: tuple[str, ...]


Evidence = Callable[[Evaluation, PresentedChain], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCheck:
    """A check, and its evidence.

    Attributes:
        text: what is checked.
        reasons: of refusals by this check.
        passed: returns the evidence if it passed.
        failed: returns it if it did not.
    """

    text: str
    reasons: frozenset[Reason]
    passed: Evidence
    failed: Evidence


def nothing(evaluation: Evaluation, chain: PresentedChain) -> Sequence[str]:  # noqa: ARG001 - all have this signature
    """Return no line: the detail of the refusal says everything."""
    return ()


def trust(evaluation: Evaluation, chain: PresentedChain) -> Sequence[str]:  # noqa: ARG001 - all have this signature
    """Return the trust of each region."""
    return _some(
        [
            f"{region.name} ({region.authority}): {counted(len(region.anchors), 'root')}"
            + (f", {counted(len(region.pins), 'pin')}" if region.pins else "")
            + ("" if region.lack is None else f", but {lack_text(region.lack)}")
            for region in evaluation.status.regions
        ]
    )


def size(evaluation: Evaluation, chain: PresentedChain) -> Sequence[str]:
    """Return how many certificates were presented."""
    number = 1 + len(chain.intermediates)
    return (f"{counted(number, 'certificate')}; MTLS_MAX_CHAIN is {evaluation.settings.max_chain}",)


def contents(evaluation: Evaluation, chain: PresentedChain) -> Sequence[str]:  # noqa: ARG001 - all have this signature
    """Return the certificates other than the leaf, which is shown above."""
    beside = [f"with it came {displayed(one.subject.rfc4514_string())}" for one in chain.intermediates]
    return (f"serial number {chain.leaf.serial_number:x}", *_some(beside))


def chain_to_root(evaluation: Evaluation, chain: PresentedChain) -> Sequence[str]:
    """Return each certificate between the leaf and the root, and where the root comes from."""
    if not evaluation.decision.chain:
        return (f"issued by {displayed(chain.issuer)}",)
    _, *above = evaluation.decision.chain
    lines = [line for one in above for line in _certificate("signed by", one)]
    root = fingerprint(_der(above[-1]))
    origins = [
        f"a root of {anchor.binding}, from {anchor.origin}"
        for anchor in _anchors(evaluation)
        if anchor.fingerprint_sha256 == root
    ]
    return (*lines, *dict.fromkeys(origins))


def roots(evaluation: Evaluation, chain: PresentedChain) -> Sequence[str]:
    """Return the issuer and the names of the leaf, and the configured roots."""
    anchors = _anchors(evaluation)
    trusted = [line for one in anchors for line in _certificate(f"{one.binding} trusts", one.certificate)]
    return (
        f"issued by {displayed(chain.issuer)}",
        *names(evaluation, chain),
        *_some(trusted),
        *_some(evaluation.status.warnings),
    )


def time(evaluation: Evaluation, chain: PresentedChain) -> Sequence[str]:
    """Return how long the leaf is valid."""
    begin, end = chain.leaf.not_valid_before_utc, chain.leaf.not_valid_after_utc
    return (f"from {begin:%Y-%m-%d %H:%MZ} to {end:%Y-%m-%d %H:%MZ}: {_left(begin, end, evaluation.now)}",)


def purpose(evaluation: Evaluation, chain: PresentedChain) -> Sequence[str]:  # noqa: ARG001 - all have this signature
    """Return what the leaf may be used for."""
    return (", ".join(_uses(chain)),)


def names(evaluation: Evaluation, chain: PresentedChain) -> Sequence[str]:  # noqa: ARG001 - all have this signature
    """Return the names in the leaf."""
    found = chain.dns_names or chain.common_names
    where = (
        "as DNS name" if chain.dns_names else "as CN only" if chain.dns_names is None else "as CN, which is not read"
    )
    known = of_certificate_names()
    regional = {name: f", the name of {known[name.lower()]}" for name in found if name.lower() in known}
    uris = [f"it has {displayed(uri)} as URI" for uri in chain.uris]
    return _some([*uris, *(f"it has {displayed(name)} {where}{regional.get(name, '')}" for name in found)])


def owner(evaluation: Evaluation, chain: PresentedChain) -> Sequence[str]:
    """Return the pin or name that identified the caller."""
    match evaluation.decision:
        case Accepted(identity=ClientIdentity(authority=Authority.DIGICERT) as identity):
            digest = identity.fingerprint_sha256
            return tuple(f"pinned for {pin.region}, by {pin.origin}" for pin in _pins(evaluation, digest))
        case Accepted(identity=identity):
            return (*names(evaluation, chain), f"that is a name of {identity.region or identity.authority}")
        case _:
            return names(evaluation, chain)


def revocation(evaluation: Evaluation, chain: PresentedChain) -> Sequence[str]:  # noqa: ARG001 - all have this signature
    """Return the CRLs that were used."""
    match evaluation.decision:
        case Accepted(revocation=RevocationState.OFF):
            return ("not checked: MTLS_REVOCATION=off",)
        case Accepted(revocation=RevocationState.UNKNOWN):
            return ("not known, and accepted: MTLS_REVOCATION=check", displayed(evaluation.why_unknown))
        case _:
            return tuple(_crls(evaluation))


def _check(text: str, passed: Evidence, failed: Evidence, *reasons: Reason) -> StepCheck:
    return StepCheck(text=text, reasons=frozenset(reasons), passed=passed, failed=failed)


QUESTIONS = (
    _check("is there valid trust?", trust, nothing, Reason.TRUST_UNAVAILABLE),
    _check("is it small enough?", size, nothing, Reason.CERTIFICATE_TOO_LARGE),
    _check("can it be read?", contents, nothing, Reason.CERTIFICATE_MISSING, Reason.CERTIFICATE_MALFORMED),
    _check("does it chain to a trusted root?", chain_to_root, roots, Reason.ISSUER_UNTRUSTED),
    _check("is it valid now?", time, time, Reason.CERTIFICATE_EXPIRED, Reason.CERTIFICATE_NOT_YET_VALID),
    _check("is it made for TLS clients?", purpose, purpose, Reason.PURPOSE_MISMATCH),
    _check("whose is it?", owner, names, Reason.REGION_MISMATCH, Reason.NOT_PINNED),
    _check("is it revoked?", revocation, nothing, Reason.CERTIFICATE_REVOKED, Reason.REVOCATION_UNKNOWN),
)
"""In the order in which the gate checks them."""


def steps_of(evaluation: Evaluation) -> tuple[Step, ...]:
    """Return every step, in the order in which the gate takes them."""
    found: list[Step] = []
    refused = evaluation.decision if isinstance(evaluation.decision, Rejected) else None
    is_over = refused is not None and all(refused.reason not in question.reasons for question in QUESTIONS)
    for question in QUESTIONS:
        if is_over:
            found.append(Step(question=question.text, outcome=StepResult.NOT_REACHED, seen=()))
        elif refused is not None and refused.reason in question.reasons:
            seen = (displayed(refused.detail), *_seen(question.failed, evaluation))
            found.append(Step(question=question.text, outcome=StepResult.FAILED, seen=seen))
            is_over = True
        else:
            is_noted = question.passed is revocation and bool(evaluation.why_unknown)
            outcome = StepResult.NOTED if is_noted else StepResult.PASSED
            found.append(Step(question=question.text, outcome=outcome, seen=_seen(question.passed, evaluation)))
    return tuple(found)


def _seen(evidence: Evidence, evaluation: Evaluation) -> tuple[str, ...]:
    return () if evaluation.presented is None else tuple(evidence(evaluation, evaluation.presented))


def _crls(evaluation: Evaluation) -> Iterator[str]:
    crls = CRLSet() if evaluation.snapshot is None else evaluation.snapshot.crls
    for index, (certificate, issuer) in enumerate(pairwise(evaluation.decision.chain)):
        fresh = (one for one in crls.of(issuer) if one.confirms(evaluation.now))
        for one in (one for one in fresh if one.covers(certificate, is_ca=index > 0)):
            until = f"until {one.next_update:%Y-%m-%d %H:%MZ}"
            yield f"{one.title} from {displayed(one.origin)}, {until}, has no {certificate.serial_number:x}"


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


def _anchors(evaluation: Evaluation) -> tuple[Anchor, ...]:
    return evaluation.snapshot.anchors if evaluation.snapshot is not None else ()


def _pins(evaluation: Evaluation, digest: str) -> Iterator[Pin]:
    pins = evaluation.snapshot.pins if evaluation.snapshot is not None else ()
    return (pin for pin in pins if pin.fingerprint_sha256 == digest)


def _some(lines: Sequence[str]) -> tuple[str, ...]:
    rest = len(lines) - MAX_SHOWN
    return (*lines[:MAX_SHOWN], *([f"and {counted(rest, 'line')} more"] if rest > 0 else []))


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
