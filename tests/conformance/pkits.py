"""NIST's PKITS, as the package `cryptography-vectors` brings it: paths and CRLs, judged as for `custom` callers."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from cryptography import x509

from mtls_middleware._core import chain
from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.crl import CRL, CRLSet
from mtls_middleware._core.decision import Reason, RejectionError, RevocationState
from mtls_middleware._core.revocation import check
from mtls_middleware._core.trust import Anchor, AuthorityTrust, Binding, build_trust
from mtls_middleware._io.files import InputError
from mtls_middleware._trust.crl.parsing import parse_crl
from mtls_middleware.identity import Authority

NOW = datetime(2026, 11, 23, tzinfo=UTC)
"""A day at which the certificates are valid that should be; they end on 2030-12-31."""

MAX_CHAIN = 16
_CASE = re.compile(r"(?P<verdict>Valid|Invalid)(?P<name>\w+Test\d+)EE\.crt")
_BINDING = Binding(Authority.CUSTOM)


@dataclass(frozen=True, slots=True)
class Case:
    """Hold a case: its leaf, and whether the suite says that its path is valid."""

    name: str
    should_pass: bool
    leaf: bytes

    def judge(self) -> Reason | None:
        """Return why the caller is refused in mode `require`; None where he is accepted."""
        chained = [self.leaf, *_above(self.leaf)]
        try:
            verified = chain.verify(parse_chain(chained), _trust(), NOW)
            known = check(verified, CRLSet(_crls(), verified.certificates[1:]), NOW)
            if known.state is not RevocationState.GOOD:
                return Reason.REVOCATION_UNKNOWN
        except RejectionError as rejection:
            return rejection.reason
        return None


@cache
def cases() -> tuple[Case, ...]:
    """Return the cases whose name says the verdict; the others depend on the policies that are asked for."""
    found = []
    for path in sorted(_folder("certs"), key=lambda path: path.name):
        case = _CASE.fullmatch(path.name)
        if case is not None:
            found.append(Case(case["name"], case["verdict"] == "Valid", path.read_bytes()))
    return tuple(found)


@cache
def _trust() -> AuthorityTrust:
    (root,) = [path for path in _folder("certs") if path.name == "TrustAnchorRootCertificate.crt"]
    anchor = Anchor(certificate=x509.load_der_x509_certificate(root.read_bytes()), binding=_BINDING, origin=root.name)
    return build_trust(
        Authority.CUSTOM, anchors=[anchor], names={_BINDING: frozenset({"nobody.invalid"})}, max_chain=MAX_CHAIN
    )


@cache
def _crls() -> tuple[CRL, ...]:
    found = []
    for path in _folder("crls"):
        with suppress(InputError):
            found.append(parse_crl(path.read_bytes(), path.name))
    return tuple(found)


@cache
def _authorities() -> dict[bytes, list[bytes]]:
    """Return the CAs' certificates by their subject."""
    found: dict[bytes, list[bytes]] = {}
    for path in _folder("certs"):
        if path.name.endswith("EE.crt") or path.name.startswith("TrustAnchor"):
            continue
        with suppress(ValueError):
            certificate = x509.load_der_x509_certificate(path.read_bytes())
            found.setdefault(certificate.subject.public_bytes(), []).append(path.read_bytes())
    return found


def _above(leaf: bytes) -> list[bytes]:
    """Return the certificates that the caller presents: all that may lie between him and the anchor."""
    found: list[bytes] = []
    waiting = [leaf]
    while waiting and len(found) < MAX_CHAIN:
        with suppress(ValueError):
            issuer = x509.load_der_x509_certificate(waiting.pop(0)).issuer.public_bytes()
            for one in _authorities().get(issuer, ()):
                if one not in found:
                    found.append(one)
                    waiting.append(one)
    return found


@cache
def _folder(name: str) -> tuple[Traversable, ...]:
    return tuple((files("cryptography_vectors") / "x509" / "PKITS_data" / name).iterdir())
