"""Which of the certificates that a caller brings an anchor vouches for, as far as names and signatures tell.

It is asked before anything dear is done with them: a CA that anybody can make may hold hundreds of name constraints,
and the leaf below it hundreds of names. The search goes from the anchors down. So what is tried is what bears the name
of a CA that is already vouched for, and a stranger cannot make more of those.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from mtls_middleware._core.certificate import UNREADABLE

HASHES = ("sha256", "sha384", "sha512")

FAILURES = 32
"""Signatures that may be tried in vain for one caller: a few for each of five certificates, where many anchors have one
name. Those that are good are the work of CAs below the anchors."""


def vouched_for(
    leaf: x509.Certificate, offers: Iterable[x509.Certificate], anchors: Iterable[x509.Certificate]
) -> tuple[x509.Certificate, ...] | None:
    """Return the offers that an anchor vouches for, if one vouches for the leaf; else None."""
    children: defaultdict[x509.Name, list[x509.Certificate]] = defaultdict(list)
    for certificate in (leaf, *_named(leaf, offers)):
        children[certificate.issuer].append(certificate)
    found: list[x509.Certificate] = []
    queue = [*anchors]
    failures = 0
    for issuer in queue:  # it grows on the way
        name = issuer.subject
        for child in children.pop(name, ()):
            if _is_signed_by(child, issuer):
                found.append(child)
                queue.append(child)
                continue
            children[name].append(child)  # another CA of this name may have signed it
            failures += 1
            if failures == FAILURES:
                return _between(leaf, found)
    return _between(leaf, found)


def _between(leaf: x509.Certificate, found: list[x509.Certificate]) -> tuple[x509.Certificate, ...] | None:
    return tuple(one for one in found if one is not leaf) if any(one is leaf for one in found) else None


def _named(leaf: x509.Certificate, offers: Iterable[x509.Certificate]) -> Iterator[x509.Certificate]:
    """Return the offers to which the names of issuers lead from the leaf."""
    by_subject: defaultdict[x509.Name, list[x509.Certificate]] = defaultdict(list)
    for offer in offers:
        by_subject[offer.subject].append(offer)
    queue = [leaf]
    for certificate in queue:
        issuers = by_subject.pop(certificate.issuer, [])
        queue += issuers
        yield from issuers


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        algorithm = certificate.signature_hash_algorithm
    except (InvalidSignature, *UNREADABLE):
        return False
    return algorithm is not None and algorithm.name in HASHES
