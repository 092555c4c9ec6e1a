"""The steps by which a call is decided: a picture and a page show them, and tests hold them against the code."""

from dataclasses import dataclass

from mtls_middleware import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Hold a question, and the reasons for which a call goes no further.

    Attributes:
        question: answered with yes, the call goes on.
        about: what is looked at.
        reasons: in their order.
    """

    question: str
    about: str
    reasons: tuple[Reason, ...]


STEPS = (
    Step(
        question="Is there valid trust?",
        about="roots and pins that are valid now",
        reasons=(Reason.TRUST_UNAVAILABLE,),
    ),
    Step(
        question="Can the headers be trusted?",
        about="peer, proxy secret, duplicates, spellings, trailers",
        reasons=(Reason.SOURCE_UNTRUSTED,),
    ),
    Step(
        question="Is there a certificate within the limits?",
        about="MTLS_MAX_HEADER_BYTES, MTLS_MAX_CHAIN",
        reasons=(Reason.CERTIFICATE_TOO_LARGE, Reason.CERTIFICATE_MISSING),
    ),
    Step(
        question="Did the proxy accept it, and can it be read?",
        about="the marker of the proxy or server, the encoding",
        reasons=(Reason.PROXY_VERIFICATION_FAILED, Reason.CERTIFICATE_MALFORMED),
    ),
    Step(
        question="Does it chain to a trusted root?",
        about="MTLS_TRUST: signatures, validity, purpose",
        reasons=(
            Reason.ISSUER_UNTRUSTED,
            Reason.CERTIFICATE_EXPIRED,
            Reason.CERTIFICATE_NOT_YET_VALID,
            Reason.PURPOSE_MISMATCH,
        ),
    ),
    Step(
        question="Does the name belong to that root?",
        about="the region's name; for DigiCert the pin",
        reasons=(Reason.REGION_MISMATCH, Reason.NOT_PINNED),
    ),
    Step(
        question="Is it not revoked by its CA?",
        about="CRLs, by MTLS_REVOCATION",
        reasons=(Reason.CERTIFICATE_REVOKED, Reason.REVOCATION_UNKNOWN),
    ),
    Step(
        question="Is it a call of your organisation?",
        about="if configured: organisation id, caller secret",
        reasons=(Reason.ORGANIZATION_MISMATCH, Reason.CALLER_SECRET_MISMATCH),
    ),
    Step(
        question="No unexpected error?",
        about="any other error is a refusal, too",
        reasons=(Reason.INTERNAL_ERROR,),
    ),
)
