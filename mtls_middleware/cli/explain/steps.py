"""The verdict, step by step: which were passed, which one failed, and which were never reached."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._core.certificate import PresentedChain, fingerprint
from mtls_middleware._core.decision import Accepted, Reason, Rejected, RevocationState
from mtls_middleware.cli.explain.judging import Judged
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority


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
        seen: the evidence.
    """

    question: str
    outcome: Outcome
    seen: str


Seen = Callable[[PresentedChain, Judged, datetime], str]

_STEPS: Sequence[tuple[str, frozenset[Reason], Seen]]


def steps_of(chain: PresentedChain | None, judged: Judged, now: datetime) -> tuple[Step, ...]:
    """Return every step, in the order in which a guard takes them.

    Args:
        chain: what was shown, as far as it can be read; None where it cannot.
        judged: the guard's verdict.
        now: the time of it.
    """
    found: list[Step] = []
    failed = judged.decision.reason if isinstance(judged.decision, Rejected) else None
    is_over = failed is not None and failed not in _PLACES
    for question, reasons, seen in _STEPS:
        if is_over:
            found.append(Step(question=question, outcome=Outcome.NOT_REACHED, seen=""))
        elif failed in reasons and isinstance(judged.decision, Rejected):
            found.append(Step(question=question, outcome=Outcome.FAILED, seen=displayed(judged.decision.detail)))
            is_over = True
        else:
            text = seen(chain, judged, now) if chain is not None else ""
            is_noted = reasons == _REVOCATION and bool(judged.unknown)
            found.append(Step(question=question, outcome=Outcome.NOTED if is_noted else Outcome.PASSED, seen=text))
    return tuple(found)


def _size(chain: PresentedChain, judged: Judged, now: datetime) -> str:  # noqa: ARG001 - one shape for all
    number = 1 + len(chain.intermediates)
    return f"{number} certificate{'s' if number > 1 else ''}"


def _readable(chain: PresentedChain, judged: Judged, now: datetime) -> str:  # noqa: ARG001
    return f"{displayed(chain.subject)}, serial number {chain.leaf.serial_number:x}"


def _issuer(chain: PresentedChain, judged: Judged, now: datetime) -> str:  # noqa: ARG001
    path = judged.decision.path
    if not path:
        return f"issued by {displayed(chain.issuer)}"
    above = [displayed(one.subject.rfc4514_string()) for one in path[1:]]
    origins = _origins(judged).get(fingerprint(_der(path[-1])), "")
    return f"signed by {', which is signed by '.join(above)}" + (f", from {origins}" if origins else "")


def _time(chain: PresentedChain, judged: Judged, now: datetime) -> str:  # noqa: ARG001
    begin, end = chain.leaf.not_valid_before_utc, chain.leaf.not_valid_after_utc
    return f"from {begin:%Y-%m-%d %H:%MZ} to {end:%Y-%m-%d %H:%MZ}: {(end - now).days} days left"


def _purpose(chain: PresentedChain, judged: Judged, now: datetime) -> str:  # noqa: ARG001
    return "it may authenticate TLS clients"


def _whose(chain: PresentedChain, judged: Judged, now: datetime) -> str:  # noqa: ARG001
    decision = judged.decision
    if not isinstance(decision, Accepted):
        return displayed(", ".join(chain.dns_names or chain.common_names))
    identity = decision.identity
    if identity.authority is Authority.DIGICERT:
        return f"pinned for {identity.region}"
    names = displayed(", ".join(chain.dns_names or chain.common_names))
    return f"{names}, the name of {identity.region or identity.authority}"


def _revocation(chain: PresentedChain, judged: Judged, now: datetime) -> str:  # noqa: ARG001
    decision = judged.decision
    if not isinstance(decision, Accepted):
        return ""
    match decision.revocation:
        case RevocationState.OFF:
            return "nobody asks: MTLS_REVOCATION=off"
        case RevocationState.GOOD:
            return "a fresh list does not name it"
        case RevocationState.UNKNOWN:
            return f"not known, and accepted: {displayed(judged.unknown)}"


def _origins(judged: Judged) -> Mapping[str, str]:
    anchors = (anchor for region in judged.status.regions for anchor in region.anchors)
    return {anchor.fingerprint_sha256: displayed(anchor.origin) for anchor in anchors}


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


_REVOCATION = frozenset({Reason.CERTIFICATE_REVOKED, Reason.REVOCATION_UNKNOWN})

_STEPS = (
    ("is it small enough?", frozenset({Reason.CERTIFICATE_TOO_LARGE}), _size),
    ("can it be read?", frozenset({Reason.CERTIFICATE_MALFORMED}), _readable),
    ("does a trusted root vouch for it?", frozenset({Reason.ISSUER_UNTRUSTED}), _issuer),
    ("is it valid now?", frozenset({Reason.CERTIFICATE_EXPIRED, Reason.CERTIFICATE_NOT_YET_VALID}), _time),
    ("is it made for TLS clients?", frozenset({Reason.PURPOSE_MISMATCH}), _purpose),
    ("whose is it?", frozenset({Reason.REGION_MISMATCH, Reason.NOT_PINNED}), _whose),
    ("is it revoked?", _REVOCATION, _revocation),
)
_PLACES = frozenset().union(*(reasons for _, reasons, _ in _STEPS))
