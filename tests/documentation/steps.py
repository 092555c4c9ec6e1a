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
        question="Is there anything to judge by?",
        about="roots and pins that are valid now",
        reasons=(Reason.TRUST_UNAVAILABLE,),
    ),
    Step(
        question="May the headers be believed?",
        about="peer, proxy secret, doubles, spellings, trailers",
        reasons=(Reason.SOURCE_UNTRUSTED,),
    ),
    Step(
        question="Is there a certificate, and does it fit?",
        about="MTLS_MAX_HEADER_BYTES, MTLS_MAX_CHAIN",
        reasons=(Reason.CERTIFICATE_TOO_LARGE, Reason.CERTIFICATE_MISSING),
    ),
    Step(
        question="Is the proxy content, and can it be read?",
        about="the marker of the proxy or server, the encoding",
        reasons=(Reason.PROXY_VERIFICATION_FAILED, Reason.CERTIFICATE_MALFORMED),
    ),
    Step(
        question="Does a path lead to a root of yours?",
        about="signatures, time, purpose: by MTLS_TRUST",
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
        question="Did its CA leave it in force?",
        about="revocation lists, by MTLS_REVOCATION",
        reasons=(Reason.CERTIFICATE_REVOKED, Reason.REVOCATION_UNKNOWN),
    ),
    Step(
        question="Is it the call of your organisation?",
        about="only where you ask: organisation id, caller secret",
        reasons=(Reason.ORGANIZATION_MISMATCH, Reason.CALLER_SECRET_MISMATCH),
    ),
    Step(
        question="Did nothing unforeseen happen?",
        about="whatever else goes wrong is a refusal too",
        reasons=(Reason.INTERNAL_ERROR,),
    ),
)
