"""Whether what arrives will pass: judged on its arrival, by the trust that callers are judged by."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from mtls_middleware._core import chain as chains
from mtls_middleware._core import policy
from mtls_middleware._core.certificate import UNREADABLE, PresentedChain, parse_chain
from mtls_middleware._core.decision import RejectionError
from mtls_middleware._core.pin import Pin
from mtls_middleware._core.trust import AuthorityTrust, Binding
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority

_LONGEST_CHAIN = 10
"""Certificates above a leaf that are looked at; some sign each other."""


def judged(pin: Pin, trust: AuthorityTrust, now: datetime) -> Pin:
    """Return a pin with what is known of its chain. One that is not valid yet is judged for the time when it is.

    What only the caller can bring is not missed: of a leaf whose issuer is not known, nothing is said.
    """
    if not pin.der or (pin.not_after is not None and pin.not_after < now):
        return pin
    moment = now if pin.not_before is None else max(now, pin.not_before)
    try:
        chain = parse_chain([pin.der])
    except RejectionError as error:
        return replace(pin, flaw=error.detail)
    try:
        return replace(pin, chain_ends=chains.verify(chain, trust, moment).not_after)
    except RejectionError as error:
        return replace(pin, flaw=_flaw(chain, trust, moment, error.detail))


def flaws_of(pins: Iterable[Pin]) -> Iterator[str]:
    """Yield a warning for each pin that no caller can pass with."""
    for pin in pins:
        if pin.flaw:
            yield f"{pin.origin}: no caller of {pin.region} can pass with this pin, so it is not counted: {pin.flaw}"


def has_new_root(region: str, leaves: Iterable[bytes], trusts: Iterable[AuthorityTrust], now: datetime) -> bool:
    """Return whether one of a region's ``genesys`` leaves is not signed by the root of that region."""
    binding = Binding(Authority.GENESYS, region)
    own = [trust for trust in trusts if trust.authority is Authority.GENESYS and binding in trust.names]
    return any(not _is_signed(leaf, trust, now) for leaf in leaves for trust in own)


def _is_signed(leaf: bytes, trust: AuthorityTrust, now: datetime) -> bool:
    """Return whether a leaf leads to an anchor, and has its name; that it is not valid yet is another matter."""
    try:
        chain = parse_chain((leaf,))
        moment = max(now, chain.leaf.not_valid_before_utc)
        policy.identify(chains.verify(chain, trust, moment), trust, "")
    except RejectionError:
        return False
    return True


def _flaw(chain: PresentedChain, trust: AuthorityTrust, moment: datetime, detail: str) -> str:
    weakness = chains.key_weakness(chain.leaf)
    problem = chains.purpose_problem(chain)
    if weakness is not None:
        return f"it has {weakness}"
    if problem is not None:
        return problem.detail
    above = _above(chain.leaf, (*trust.intermediates, *(anchor.certificate for anchor in trust.anchors)))
    ended = [one for one in above if not one.not_valid_before_utc <= moment <= one.not_valid_after_utc]
    if not above:
        return ""
    if ended:
        begins, ends = ended[0].not_valid_before_utc, ended[0].not_valid_after_utc
        return f"its issuer {_name(ended[0].subject)} is valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d} only"
    if all(anchor.certificate not in above for anchor in trust.anchors):
        return (
            f"its chain leads to {_name(above[-1].issuer)}, which is not trusted. If Genesys changed its CA, add that "
            "root as digicert=PATH to MTLS_TRUST"
        )
    return detail


def _above(leaf: x509.Certificate, known: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    """Return the known certificates that signed a leaf, one after the other, as far as they go."""
    chain = [leaf]
    unused = list(dict.fromkeys(known))
    while len(chain) <= _LONGEST_CHAIN and (issuer := next((one for one in unused if _signed(chain[-1], one)), None)):
        unused.remove(issuer)
        chain.append(issuer)
    return chain[1:]


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _name(name: x509.Name) -> str:
    return displayed(name.rfc4514_string())
