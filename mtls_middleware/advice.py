"""What a refusal means, and what to do about it: the words of docs/refusals.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mtls_middleware._core.decision import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Explain one reason.

    Attributes:
        happened: what it means.
        cure: what to do about it; empty where nothing can be said.
    """

    happened: str
    cure: str


RUNBOOK: Mapping[Reason, Entry] = MappingProxyType(
    {
        Reason.TRUST_UNAVAILABLE: Entry(
            happened="no anchor (or pin) of any configured region is valid now, or nothing could be loaded",
            cure="read the start-up messages; download the region's root again",
        ),
        Reason.SOURCE_UNTRUSTED: Entry(
            happened=(
                "the headers may not come from the proxy: an untrusted or unknown peer, a wrong or missing proxy "
                "secret, a header sent twice or in another spelling, a chunked request on uvicorn's own httptools "
                "protocol"
            ),
            cure="the detail says how to fix it; if you did not change the proxy, it is an attack",
        ),
        Reason.CERTIFICATE_TOO_LARGE: Entry(
            happened="more bytes or certificates than MTLS_MAX_HEADER_BYTES and MTLS_MAX_CHAIN allow",
            cure="raise them only if your callers' chains are that long",
        ),
        Reason.CERTIFICATE_MISSING: Entry(
            happened="the call has no certificate",
            cure=(
                "an ordinary visitor; or the integration does not use mTLS; or the server does not pass on the "
                "certificate (logged once, as an error)"
            ),
        ),
        Reason.PROXY_VERIFICATION_FAILED: Entry(
            happened="the proxy reports that its verification failed, or does not report that it succeeded",
            cure="compare the proxy's trust with MTLS_TRUST; check that the proxy sets its marker on every request",
        ),
        Reason.CERTIFICATE_MALFORMED: Entry(
            happened="not one readable certificate in the configured encoding",
            cure="check MTLS_SOURCE and MTLS_HEADER_ENCODING",
        ),
        Reason.ISSUER_UNTRUSTED: Entry(
            happened="no certificate chain to a configured anchor, or a weak key or hash",
            cure="a stranger; or the region's root was renewed: download it again and add it, keeping the old one",
        ),
        Reason.CERTIFICATE_EXPIRED: Entry(
            happened="by this machine's clock",
            cure="check the clock first",
        ),
        Reason.CERTIFICATE_NOT_YET_VALID: Entry(
            happened="by this machine's clock",
            cure="check the clock first",
        ),
        Reason.PURPOSE_MISMATCH: Entry(
            happened="not made for TLS clients, or a CA's certificate",
            cure="a stranger with another certificate of the same CA",
        ),
        Reason.REGION_MISMATCH: Entry(
            happened="the certificate does not have the name of the region whose root signed it",
            cure="the detail has the name, and the MTLS_CERT_NAMES entry that would accept it",
        ),
        Reason.NOT_PINNED: Entry(
            happened="DigiCert signed it, but it is not one of MTLS_PINS",
            cure=(
                "if your integration's certificate was rotated, add the new one; with OAuth credentials pins rotate "
                "automatically: see docs/digicert.md"
            ),
        ),
        Reason.CERTIFICATE_REVOKED: Entry(
            happened="a CRL names the certificate, or an intermediate below the anchor",
            cure="the detail names the CRL; see docs/revocation.md",
        ),
        Reason.REVOCATION_UNKNOWN: Entry(
            happened="MTLS_REVOCATION=require, and no fresh CRL covers the certificate",
            cure="the detail names what is missing; the CRL is fetched in the background, see docs/revocation.md",
        ),
        Reason.ORGANIZATION_MISMATCH: Entry(
            happened="ININ-Organization-Id is not one of MTLS_ORGANIZATION_IDS, or was sent twice",
            cure="",
        ),
        Reason.CALLER_SECRET_MISMATCH: Entry(
            happened="the caller secret is wrong, missing or was sent twice",
            cure="compare the integration's credentials with MTLS_CALLER_SECRET",
        ),
        Reason.INTERNAL_ERROR: Entry(
            happened="an unexpected error; the traceback is in the log",
            cure="please report it",
        ),
    }
)
