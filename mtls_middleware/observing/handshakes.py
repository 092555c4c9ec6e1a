"""Handshakes that this server refused: why, in words, whose certificate it was, and who wants to know.

`VERIFY_FAILURES` is the one table of OpenSSL's verify codes: the log, the demo and docs/operations.md use it.
"""

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from mtls_middleware._core.certificate import evidence_of, fingerprint, parse_chain
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware.display import displayed
from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.logging import Limiter, facts_text, named

LOGGER = logging.getLogger("mtls_middleware.tls")

LINES_PER_MINUTE = 30
"""Refused handshakes that get a line of their own; anybody who can connect can cause them."""

SERVER_UNTRUSTED = "server_untrusted"
NOT_TLS = "not_tls"
TLS_FAILED = "tls_failed"

REASONS = frozenset(
    {
        SERVER_UNTRUSTED,
        NOT_TLS,
        TLS_FAILED,
        *map(
            str,
            (
                Reason.CERTIFICATE_MISSING,
                Reason.ISSUER_UNTRUSTED,
                Reason.CERTIFICATE_EXPIRED,
                Reason.CERTIFICATE_NOT_YET_VALID,
                Reason.PURPOSE_MISMATCH,
                Reason.CERTIFICATE_REVOKED,
                Reason.REVOCATION_UNKNOWN,
            ),
        ),
    }
)
"""All reasons of a refused handshake, with the words of the gate where it has any: a closed set, as metrics need."""


@dataclass(frozen=True, slots=True)
class VerifyFailure:
    """The meaning of one of OpenSSL's verify codes (``X509_V_ERR_…``)."""

    reason: Reason
    sentence: str


VERIFY_FAILURES: Mapping[int, VerifyFailure] = MappingProxyType(
    {
        2: VerifyFailure(Reason.ISSUER_UNTRUSTED, "the CA above an intermediate of its chain is not trusted"),
        3: VerifyFailure(Reason.REVOCATION_UNKNOWN, "there is no CRL of its CA"),
        7: VerifyFailure(Reason.ISSUER_UNTRUSTED, "a CA of the right name did not sign it: perhaps another root"),
        9: VerifyFailure(Reason.CERTIFICATE_NOT_YET_VALID, "it, or its CA, is not valid yet by the clock here"),
        10: VerifyFailure(Reason.CERTIFICATE_EXPIRED, "it, or its CA, has expired by the clock here"),
        12: VerifyFailure(Reason.REVOCATION_UNKNOWN, "the CRL of its CA has expired"),
        18: VerifyFailure(Reason.ISSUER_UNTRUSTED, "it is signed by itself, and is not trusted here"),
        19: VerifyFailure(Reason.ISSUER_UNTRUSTED, "its chain ends in a root that is not trusted here"),
        20: VerifyFailure(Reason.ISSUER_UNTRUSTED, "no CA that is trusted here signed it, or its chain has a gap"),
        21: VerifyFailure(Reason.ISSUER_UNTRUSTED, "it came alone, and no CA that is trusted here signed it"),
        22: VerifyFailure(Reason.ISSUER_UNTRUSTED, "its chain is too long"),
        23: VerifyFailure(Reason.CERTIFICATE_REVOKED, "its CA revoked it"),
        25: VerifyFailure(Reason.ISSUER_UNTRUSTED, "a CA of its chain may not have this many CAs below it"),
        26: VerifyFailure(Reason.PURPOSE_MISMATCH, "its key usages do not allow it to speak for this side of TLS"),
        34: VerifyFailure(Reason.ISSUER_UNTRUSTED, "it has a critical extension that OpenSSL does not know"),
        66: VerifyFailure(Reason.ISSUER_UNTRUSTED, "its key is too weak"),
        67: VerifyFailure(Reason.ISSUER_UNTRUSTED, "the key of its CA is too weak"),
        68: VerifyFailure(Reason.ISSUER_UNTRUSTED, "it, or its CA, is signed with a hash that is too weak"),
        79: VerifyFailure(Reason.ISSUER_UNTRUSTED, "a certificate of its chain is used as a CA and is none"),
        85: VerifyFailure(Reason.ISSUER_UNTRUSTED, "it lacks the Authority Key Identifier, which this server demands"),
    }
)

_UNKNOWN_CODE = VerifyFailure(Reason.ISSUER_UNTRUSTED, "it could not be verified")


def in_words(error: ssl.SSLCertVerificationError) -> str:
    """Return why a certificate was refused, a client's or a server's: our sentence, and OpenSSL's words."""
    known = VERIFY_FAILURES.get(getattr(error, "verify_code", 0), _UNKNOWN_CODE)
    return f"{known.sentence} ({error.verify_message})"


_OTHERS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE",),
        str(Reason.CERTIFICATE_MISSING),
        "the caller has no certificate, and this server requires one",
    ),
    (
        (
            "ALERT_UNKNOWN_CA",
            "ALERT_BAD_CERTIFICATE",
            "ALERT_CERTIFICATE_UNKNOWN",
            "ALERT_CERTIFICATE_EXPIRED",
            "ALERT_CERTIFICATE_REVOKED",
            "ALERT_UNSUPPORTED_CERTIFICATE",
        ),
        SERVER_UNTRUSTED,
        "the caller does not trust the certificate of this server",
    ),
    (
        ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"),
        NOT_TLS,
        "the caller does not speak TLS",
    ),
    (
        (
            "NO_SHARED_CIPHER",
            "UNSUPPORTED_PROTOCOL",
            "NO_SUITABLE_SIGNATURE_ALGORITHM",
            "NO_SHARED_SIGNATURE_ALGORITHMS",
        ),
        TLS_FAILED,
        "the caller has no TLS version, cipher or signature algorithm that this server has",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeRefusal:
    """One refused handshake. The certificate is unbelieved, and nobody proved to have its key.

    Attributes:
        reason: one of `REASONS`.
        detail: for operators.
        verify_code: OpenSSL's, where it refused the certificate.
        certificate: DER of the one that was refused; None where it cannot be seen, or where it was not the certificate.
        peer: address and port of the caller; empty where it is not known.
    """

    reason: str
    detail: str
    verify_code: int | None = None
    certificate: bytes | None = None
    peer: str = ""

    @classmethod
    def of(cls, error: ssl.SSLError, certificate: bytes | None = None) -> Self:
        """Return what an error of the handshake says."""
        if isinstance(error, ssl.SSLCertVerificationError):
            known = VERIFY_FAILURES.get(error.verify_code, _UNKNOWN_CODE)
            return cls(
                reason=str(known.reason),
                detail=in_words(error),
                verify_code=error.verify_code,
                certificate=certificate,
            )
        name = getattr(error, "reason", None) or type(error).__name__  # an error that Python itself raises has none
        words = name.replace("_", " ").lower()
        for endings, reason, sentence in _OTHERS:
            if name.endswith(endings):
                return cls(reason=reason, detail=f"{sentence} ({words})")
        return cls(reason=TLS_FAILED, detail=words)

    def facts(self) -> dict[str, str | int]:
        """Return what the log says of it."""
        facts: dict[str, str | int] = {"reason": self.reason, "detail": displayed(self.detail)}
        if self.verify_code is not None:
            facts["verify_code"] = self.verify_code
        if self.certificate is not None:
            facts |= _shown(self.certificate)
        return facts | {"peer": displayed(self.peer or "unknown")}


def _shown(der: bytes) -> dict[str, str | int]:
    try:
        evidence = evidence_of(parse_chain((der,)))
    except RejectionError:
        return {"fingerprint": fingerprint(der)}
    return {
        "fingerprint": evidence.fingerprint_sha256,
        "subject": displayed(evidence.subject),
        "names": displayed(",".join(evidence.dns_names)),
        "issuer": displayed(evidence.issuer),
    }


Listener = Callable[[HandshakeRefusal], object]
"""Takes each refusal, logged or not, on the thread of the server: it must be quick."""

_LISTENERS: list[Listener] = []


def subscribe(listener: Listener) -> Callable[[], None]:
    """Let a listener know of each handshake that this process refuses; call what is returned to end it."""
    _LISTENERS.append(listener)
    return lambda: _LISTENERS.remove(listener)


@dataclass(frozen=True, slots=True)
class HandshakeLog:
    """The log lines about the refused handshakes of one server, limited in a flood.

    Attributes:
        clock: returns seconds, never going back.
    """

    clock: Callable[[], float] = time.monotonic
    _limiter: Limiter = field(
        default_factory=lambda: Limiter(burst=LINES_PER_MINUTE, per_second=LINES_PER_MINUTE / 60), init=False
    )

    def __call__(self, refusal: HandshakeRefusal) -> None:
        """Log a refusal, or count it as held back, and let every listener know."""
        now = self.clock()
        if self._limiter.admits(now):
            facts = refusal.facts()
            held_back = self._limiter.held_back(now, flush=True)
            if held_back is not None:
                facts["suppressed"] = held_back.number
            LOGGER.warning(
                "refused in the TLS handshake %s", facts_text(facts), extra=named(EventName.HANDSHAKE_REFUSED, **facts)
            )
        for listener in tuple(_LISTENERS):
            listener(refusal)
