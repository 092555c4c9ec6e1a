"""The verdict for a script."""

from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._core.certificate import PresentedChain, fingerprint
from mtls_middleware._core.decision import Accepted, Rejected
from mtls_middleware._core.response import refusal
from mtls_middleware.advice import RUNBOOK
from mtls_middleware.cli.explain.judging import Judged
from mtls_middleware.cli.explain.steps import Step


def facts(judged: Judged, steps: Sequence[Step], notes: Sequence[str]) -> dict[str, Any]:
    """Return all that `show` prints. Text of certificates is as it is: JSON escapes it."""
    decision = judged.decision
    refused = decision if isinstance(decision, Rejected) else None
    identity = decision.identity if isinstance(decision, Accepted) else None
    path = () if judged.verified is None else judged.verified.path
    return {
        "accepted": refused is None,
        "at": f"{judged.now:%Y-%m-%dT%H:%M:%SZ}",
        "reason": None if refused is None else str(refused.reason),
        "status": None if refused is None else refusal(refused.reason, None).status.value,
        "detail": None if refused is None else refused.detail,
        "cure": None if refused is None else RUNBOOK[refused.reason].cure,
        "region": None if identity is None else identity.region,
        "authority": None if identity is None else str(identity.authority),
        "certificate": None if judged.chain is None else _leaf(judged.chain),
        "path": [_certificate(one) for one in path],
        "steps": [{"question": one.question, "outcome": str(one.outcome), "seen": list(one.seen)} for one in steps],
        "notes": list(notes),
    }


def _leaf(chain: PresentedChain) -> dict[str, Any]:
    return _certificate(chain.leaf) | {"dns_names": list(chain.dns_names or ())}


def _certificate(one: x509.Certificate) -> dict[str, Any]:
    return {
        "subject": one.subject.rfc4514_string(),
        "issuer": one.issuer.rfc4514_string(),
        "serial_number": f"{one.serial_number:x}",
        "fingerprint_sha256": fingerprint(one.public_bytes(Encoding.DER)),
        "not_before": f"{one.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        "not_after": f"{one.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    }
