"""From a presented chain, anchors and a time to a verified chain (RFC 5280 §6), or to the reason why there is none."""

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import VerificationError

from mtls_middleware._core.certificate import UNREADABLE, PresentedChain, VerifiedChain
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.signatures import vouched_for
from mtls_middleware._core.trust import AuthorityTrust

RSA_BITS = range(2048, 8192 + 1)
"""Below is weak (NIST SP 800-131A); above only costs time."""

RSA_EXPONENT_BITS = 64
"""OpenSSL's limit for long keys, here for all: an exponent as long as the key makes a verification 100 times slower."""

CURVES = ("secp256r1", "secp384r1", "secp521r1")


def verify(chain: PresentedChain, trust: AuthorityTrust, now: datetime) -> VerifiedChain:
    """Build and verify a certificate chain from the leaf to an anchor of `trust`.

    What is not checked here: names, pins, revocation.

    Raises:
        RejectionError: ``issuer_untrusted``, ``certificate_expired``, ``certificate_not_yet_valid`` or
            ``purpose_mismatch``.
    """
    # 1. Keys that anybody may have factored vouch for nobody; a caller's other certificates are only offers of help.
    weakness = key_weakness(chain.leaf)
    if weakness is not None:
        raise RejectionError(Reason.ISSUER_UNTRUSTED, weakness)
    offers = tuple(_helpful(chain.intermediates, now)) if trust.takes_intermediates else ()
    intermediates = (*trust.intermediates, *offers)
    # 2. What is wrong with the leaf itself is told only if the leaf is one of ours; a stranger's is just a stranger's,
    #    and what he says of CAs and their names is not even looked at.
    problem = _time_problem(chain, now) or purpose_problem(chain)
    if problem is not None or offers:
        valid = (anchor.certificate for anchor in trust.anchors if anchor.is_valid(now))
        signed = vouched_for(chain.leaf, intermediates, valid)
        if signed is None:
            raise RejectionError(
                Reason.ISSUER_UNTRUSTED, _hint(chain, trust, now) or f"no anchor of {trust.authority} signed it"
            )
        if problem is not None:
            raise problem
        intermediates = signed
    # 3. Signatures, validity, constraints and extensions along the chain.
    if trust.verifier is None:
        raise RejectionError(Reason.ISSUER_UNTRUSTED, f"{trust.authority} has no anchor")
    try:
        verified = tuple(trust.verifier.time(now).build_client_verifier().verify(chain.leaf, [*intermediates]).chain)
    except (VerificationError, *UNREADABLE) as error:
        why = _hint(chain, trust, now) or _explained(chain, trust, error)
        detail = f"no certificate chain to an anchor of {trust.authority}: {why}"
        raise RejectionError(Reason.ISSUER_UNTRUSTED, detail) from error
    return VerifiedChain(
        leaf=chain,
        certificates=verified,
        not_before=max(certificate.not_valid_before_utc for certificate in verified),
        not_after=min(certificate.not_valid_after_utc for certificate in verified),
    )


def _hint(chain: PresentedChain, trust: AuthorityTrust, now: datetime) -> str | None:
    """Return what an operator can do about a missing chain, where that is known."""
    gone = [anchor for anchor in trust.anchors if not anchor.is_valid(now)]
    issuers = [certificate.issuer for certificate in (chain.leaf, *chain.intermediates)] if gone else []
    for anchor in gone:
        if anchor.certificate.subject in issuers:
            return f"the anchor from {anchor.origin} is valid from {anchor.not_before} to {anchor.not_after} only"
    if trust.takes_intermediates and not chain.intermediates:
        known = [anchor.certificate.subject for anchor in trust.anchors] + [one.subject for one in trust.intermediates]
        if chain.leaf.issuer not in known:
            return "its issuer is unknown, and no intermediate came with it (a resumed TLS session does not bring any)"
    return None


def _explained(chain: PresentedChain, trust: AuthorityTrust, error: Exception) -> str:
    """Return why there is no chain, in words; the verifier's own are kept where they say more."""
    issuers = [one.certificate for one in trust.anchors if one.certificate.subject == chain.leaf.issuer]
    issuers += [one for one in (*trust.intermediates, *chain.intermediates) if one.subject == chain.leaf.issuer]
    if not issuers:
        return f"no root here is named {chain.issuer}"
    if vouched_for(chain.leaf, (), issuers) is None:
        return f"a CA named {chain.issuer} is known here, but did not sign it: another one has the same name"
    return f"its CA is known here, but the verifier says: {str(error).rpartition('candidates exhausted: ')[2]}"


def _helpful(offers: Iterable[x509.Certificate], now: datetime) -> Iterable[x509.Certificate]:
    """Return the caller's intermediates that are worth trying.

    Some CAs with several certificates each, which sign each other, make the search go through all orders of them: a
    hundred signatures that lead nowhere. No chain needs two certificates of the same names and key.
    """
    helpful: dict[object, x509.Certificate] = {}
    for offer in offers:
        is_valid = offer.not_valid_before_utc <= now <= offer.not_valid_after_utc
        if is_valid and key_weakness(offer) is None:
            key = offer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            helpful.setdefault((offer.subject, offer.issuer, key), offer)
    return helpful.values()


def key_weakness(certificate: x509.Certificate) -> str | None:
    """Return why the key of a caller, or of what it brings, vouches for nobody; None where it is good."""
    try:
        key = certificate.public_key()
    except UNREADABLE as error:
        return f"a key of an unknown kind: {error}"
    match key:
        case rsa.RSAPublicKey() if (
            key.key_size in RSA_BITS and key.public_numbers().e.bit_length() <= RSA_EXPONENT_BITS
        ):
            return None
        case ec.EllipticCurvePublicKey() if key.curve.name in CURVES:
            return None
        case _:
            return f"a weak or unusual key: {type(key).__name__} {getattr(key, 'key_size', '')}".rstrip()


def _time_problem(chain: PresentedChain, now: datetime) -> RejectionError | None:
    if now > chain.leaf.not_valid_after_utc:
        return RejectionError(
            Reason.CERTIFICATE_EXPIRED, f"it ended at {chain.leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%SZ}"
        )
    if now < chain.leaf.not_valid_before_utc:
        begins = f"it begins at {chain.leaf.not_valid_before_utc:%Y-%m-%d %H:%M:%SZ}"
        return RejectionError(Reason.CERTIFICATE_NOT_YET_VALID, f"{begins}; is the clock of this machine right?")
    return None


def purpose_problem(chain: PresentedChain) -> RejectionError | None:
    """Return why the leaf may not sign a TLS client handshake (RFC 5280 §4.2.1.3, §4.2.1.9, §4.2.1.12)."""
    problem = None
    if chain.is_ca:
        problem = "it is a CA's certificate"
    elif chain.key_usage is not None and chain.key_usage.key_cert_sign:
        problem = "its key usage has keyCertSign, as a CA's"
    elif chain.key_usage is not None and not chain.key_usage.digital_signature:
        problem = "its key usage lacks digitalSignature"
    elif chain.extended_key_usage is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in chain.extended_key_usage:
        problem = "its extended key usage lacks clientAuth"
    return None if problem is None else RejectionError(Reason.PURPOSE_MISMATCH, problem)
