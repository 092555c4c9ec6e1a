"""What happened and what to do: the one table of advice. Commands, status page, log and docs/refusals.md use it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mtls_middleware._core.decision import Reason
from mtls_middleware.display import DOCS
from mtls_middleware.identity import Authority


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The meaning of a reason, and what to do about it.

    Attributes:
        happened: what it means, one sentence.
        fix: what to do about it.
    """

    happened: str
    fix: str


ADVICE: Mapping[Reason, Advice] = MappingProxyType(
    {
        Reason.TRUST_UNAVAILABLE: Advice(
            happened="No root or pin of any configured region is valid now, or nothing could be loaded.",
            fix=(
                "Check the clock (date -u), the start-up messages in the log and the files of MTLS_TRUST. If the root "
                "expired, download the region's root again and add it."
            ),
        ),
        Reason.SOURCE_UNTRUSTED: Advice(
            happened=(
                "The headers may not come from the proxy: an untrusted or unknown peer, a wrong or missing proxy "
                "secret, a header sent twice or in another spelling, or a chunked request on uvicorn's own httptools "
                "protocol."
            ),
            fix=(
                "The detail in the log says what did not match. Compare MTLS_TRUSTED_PROXIES and MTLS_PROXY_SECRET "
                "with the proxy; if they are right, somebody bypasses it."
            ),
        ),
        Reason.CERTIFICATE_TOO_LARGE: Advice(
            happened="The call has more bytes or certificates than MTLS_MAX_HEADER_BYTES and MTLS_MAX_CHAIN allow.",
            fix="For a stranger, nothing. For a caller of yours, raise the limit that the detail in the log names.",
        ),
        Reason.CERTIFICATE_MISSING: Advice(
            happened=(
                "The call has no certificate: an ordinary visitor, an integration without mTLS, or a server or proxy "
                "that does not request certificates or does not pass them on."
            ),
            fix=(
                "For visitors, nothing. If data actions are among them, check that the server or proxy requests the "
                "certificate and passes it on. Exempt health checks with MTLS_EXEMPT."
            ),
        ),
        Reason.PROXY_VERIFICATION_FAILED: Advice(
            happened="The proxy or TLS server reports that its verification failed, or not that it succeeded.",
            fix=(
                "Compare the CA file of the proxy with MTLS_TRUST: both need the same roots. Check that the proxy sets "
                "its marker on every request."
            ),
        ),
        Reason.CERTIFICATE_MALFORMED: Advice(
            happened="The header or TLS data is not one readable certificate in the configured encoding.",
            fix="Compare MTLS_SOURCE and MTLS_HEADER_ENCODING with what the proxy sends.",
        ),
        Reason.ISSUER_UNTRUSTED: Advice(
            happened="No certificate chain leads to a configured root, or a key or hash is weak.",
            fix=(
                "For a stranger, nothing. If data actions are refused, Genesys may have renewed the root, or yours may "
                "be the wrong one: compare the issuer in the log with your roots, download the region's root again and "
                "add it to MTLS_TRUST, keeping the old one if it was right."
            ),
        ),
        Reason.CERTIFICATE_EXPIRED: Advice(
            happened="The certificate has expired by the clock of this machine.",
            fix="Check the clock (date -u). If it is right, the caller must renew its certificate.",
        ),
        Reason.CERTIFICATE_NOT_YET_VALID: Advice(
            happened="The certificate is not valid yet by the clock of this machine.",
            fix="Nearly always that clock is slow: check it (date -u).",
        ),
        Reason.PURPOSE_MISMATCH: Advice(
            happened="The certificate is not made for TLS clients, or is a CA certificate.",
            fix=(
                "For a stranger with another certificate of the same CA, nothing. If all data actions are refused, "
                "contact Genesys support with the detail in the log."
            ),
        ),
        Reason.REGION_MISMATCH: Advice(
            happened="The certificate does not have the name of the region whose root signed it.",
            fix=(
                "If it has the name of another region, that region's root is bound to the wrong one: correct "
                "MTLS_TRUST. If the name is unknown, the detail in the log has the MTLS_CERT_NAMES entry that would "
                "accept it. Set that only for a name of Genesys, in your region."
            ),
        ),
        Reason.NOT_PINNED: Advice(
            happened="DigiCert signed the certificate, but it is not pinned.",
            fix=(
                "For a stranger, nothing. If your integration's certificate was rotated, add the new one to MTLS_PINS, "
                f"keeping the old one; with OAuth credentials, pins rotate automatically: see {DOCS}digicert/"
            ),
        ),
        Reason.CERTIFICATE_REVOKED: Advice(
            happened="A CRL revokes the certificate, or an intermediate of its chain; the detail in the log names it.",
            fix=f"Leave revocation on: the owner needs a new certificate. See {DOCS}revocation/",
        ),
        Reason.REVOCATION_UNKNOWN: Advice(
            happened="MTLS_REVOCATION=require, and no fresh CRL covers the certificate.",
            fix=(
                "The detail in the log names the CA; mtls-middleware trust show lists the CRLs, and why one did not "
                f"come. Let this machine reach its address, or name a copy in MTLS_CRL_URLS: see {DOCS}revocation/"
            ),
        ),
        Reason.ORGANIZATION_MISMATCH: Advice(
            happened="The call does not name exactly one organisation of MTLS_ORGANIZATION_IDS.",
            fix=(
                "Compare the id in the detail in the log with MTLS_ORGANIZATION_IDS. Other customers of your region "
                "are refused as intended."
            ),
        ),
        Reason.CALLER_SECRET_MISMATCH: Advice(
            happened="The caller secret is wrong, missing or was sent twice.",
            fix="Compare the secret in the integration's credentials with MTLS_CALLER_SECRET.",
        ),
        Reason.INTERNAL_ERROR: Advice(
            happened="An unexpected error in the middleware. Report mode refuses such calls, too.",
            fix="Please report it, with the line of the log: raised_at says where in the code.",
        ),
    }
)


HANDSHAKE_FIX = (
    "For strangers and scanners, nothing. If data actions fail, find the line of the log: it names the reason and the "
    "certificate that was refused."
)
"""What to do about refused TLS handshakes; the runbook has a table of their reasons."""


_DIGICERT: Mapping[Reason, Advice] = MappingProxyType(
    {
        Reason.TRUST_UNAVAILABLE: Advice(
            happened="No client certificate is pinned that is valid now, or nothing could be loaded.",
            fix=(
                "Check the clock (date -u), the start-up messages in the log, and the files of MTLS_PINS or what the "
                "certificates API answers. Pin the client certificate that Genesys Cloud lists as current: see "
                f"{DOCS}digicert/"
            ),
        ),
        Reason.ISSUER_UNTRUSTED: Advice(
            happened="No certificate chain leads to the DigiCert root, or a key or hash is weak.",
            fix=(
                "For a stranger, nothing. If data actions are refused, compare the issuer in the log with the chain of "
                "the pinned certificate: the server or proxy must pass intermediates on, or MTLS_PINS must have them. "
                "If Genesys changed its CA, update mtls-middleware or add that root as digicert=PATH to MTLS_TRUST."
            ),
        ),
    }
)
"""Where a deployment takes data actions with DigiCert's certificates only: there is no root of a region."""

_CUSTOM: Mapping[Reason, Advice] = MappingProxyType(
    {
        Reason.TRUST_UNAVAILABLE: Advice(
            happened="No configured root is valid now, or nothing could be loaded.",
            fix=(
                "Check the clock (date -u), the start-up messages in the log and the files of MTLS_TRUST. If the root "
                "expired, add the CA's current one as custom=PATH."
            ),
        ),
        Reason.ISSUER_UNTRUSTED: Advice(
            happened="No certificate chain leads to a configured root, or a key or hash is weak.",
            fix=(
                "For a stranger, nothing. If callers of yours are refused, compare the issuer in the log with your "
                "roots: add the CA's current root as custom=PATH to MTLS_TRUST, keeping the old one, and let callers "
                "send their intermediates."
            ),
        ),
        Reason.REGION_MISMATCH: Advice(
            happened="The certificate does not have a name of MTLS_CERT_NAMES.",
            fix="If it is a caller of yours, the detail in the log has the MTLS_CERT_NAMES entry that would accept it.",
        ),
    }
)
"""Where a deployment takes no data actions."""

_PINNED_BY_API = Advice(
    happened="DigiCert signed the certificate, but it is not pinned.",
    fix=(
        "For a stranger, nothing. If data actions are refused, see in the status whether the certificates API answers "
        "and what it lists: what it lists is pinned at the next refresh. Until then, MTLS_PINS takes the certificate: "
        f"see {DOCS}digicert/"
    ),
)
_PINNED_BY_HAND = Advice(
    happened=_PINNED_BY_API.happened,
    fix=(
        "For a stranger, nothing. If your integration's certificate was rotated, add the new one to MTLS_PINS, keeping "
        f"the old one; with OAuth credentials, pins would rotate automatically: see {DOCS}digicert/"
    ),
)


def advice_for(reason: Reason, authorities: Iterable[str], *, has_client: bool) -> Advice:
    """Return the advice that fits a deployment.

    Args:
        reason: of a refusal.
        authorities: configured ones; none where they are not known.
        has_client: whether there are credentials for the certificates API.
    """
    known = frozenset(authorities)
    if reason is Reason.NOT_PINNED:
        return _PINNED_BY_API if has_client else _PINNED_BY_HAND
    if not known or Authority.GENESYS in known:
        return ADVICE[reason]
    return (_DIGICERT if Authority.DIGICERT in known else _CUSTOM).get(reason, ADVICE[reason])
