"""CRLs by RFC 5280: kinds that suites of revocation have, made by a CA of our own, and what §6.3 says of each.

`rustls-webpki` and others bring such cases as files; these are made on the spot, so that each says what it holds.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding

from mtls_middleware._core import chain as chains
from mtls_middleware._core.crl import CRLSet
from mtls_middleware._core.decision import Reason, RejectionError, RevocationState
from mtls_middleware._core.revocation import check
from mtls_middleware._io.files import InputError
from mtls_middleware._trust.crl import der
from mtls_middleware.testing import ClientCertificate, RegionalCA
from mtls_middleware.testing.signing import KeyKind, builder_for, key_usage_of, name_of, sign
from tests.core.certs import DAY, NOW, custom, new_ca, presented
from tests.core.crls import Extension, crl, entry, parsed, with_entries

GOOD, REVOKED, UNKNOWN = "good", "revoked", "unknown"

A, B = "http://crl.example/a.crl", "http://crl.example/b.crl"

Made = tuple[ClientCertificate, Iterable[bytes]]
"""A caller, and the CRLs that are at hand."""


@dataclass(frozen=True, slots=True)
class Case:
    """A caller's certificate, CRLs, and what RFC 5280 says of it.

    Attributes:
        name: what is special.
        section: of RFC 5280.
        verdict: ``good``, ``revoked``, or ``unknown``: no CRL that may be used covers it.
        make: makes it.
    """

    name: str
    section: str
    verdict: str
    make: Callable[[], Made]

    def judge(self) -> str:
        """Return what is found here."""
        client, signed = self.make()
        verified = chains.verify(presented(client), custom(CA(), unsigning(), silent(), with_rsa()), NOW)
        known = []
        for number, one in enumerate(signed):
            with suppress(InputError):  # what cannot be used is left out, as at start-up
                known.append(parsed(one, f"{number}.crl"))
        try:
            state = check(verified, CRLSet(known, verified.certificates[1:]), NOW).state
        except RejectionError as rejection:
            if rejection.reason is not Reason.CERTIFICATE_REVOKED:
                raise
            return REVOKED
        return GOOD if state is RevocationState.GOOD else UNKNOWN


@cache
def CA() -> RegionalCA:  # noqa: N802 - the one CA
    return new_ca()


@cache
def other() -> RegionalCA:
    return new_ca("Another CA")


@cache
def below() -> RegionalCA:
    return CA().intermediate()


@cache
def unsigning() -> RegionalCA:
    """Return a root that may sign certificates, and no CRL."""
    return _root("Signs no CRL", ("digital_signature", "key_cert_sign"))


@cache
def with_rsa() -> RegionalCA:
    return RegionalCA(now=NOW, key=KeyKind.RSA2048, subject=name_of("Signs with RSA"))


@cache
def silent() -> RegionalCA:
    """Return a root that says nothing of what its key is for."""
    return _root("No key usage", None)


def _root(name: str, uses: Iterable[str] | None) -> RegionalCA:
    ca = new_ca(name)
    builder = builder_for(name_of(name), ca.private_key, NOW - 30 * DAY, NOW + 30 * DAY).issuer_name(name_of(name))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if uses is not None:
        builder = builder.add_extension(key_usage_of(uses), critical=True)
    ca.certificate = sign(builder, ca.private_key)
    return ca


# --------------------------------------------------------------------------------------------------- certificates


@cache
def leaf() -> ClientCertificate:
    return CA().client()


@cache
def at_a() -> ClientCertificate:
    """Return a caller whose CRL is published at `A`."""
    return CA().client(crl_url=A)


@cache
def deep() -> ClientCertificate:
    return below().client()


def numbered(number: int) -> ClientCertificate:
    return CA().client(serial_number=number)


def pointing(**point: object) -> ClientCertificate:
    defaults: dict[str, object] = {"full_name": None, "relative_name": None, "reasons": None, "crl_issuer": None}
    made = x509.DistributionPoint(**{**defaults, **point})  # type: ignore[arg-type]  # each case names its own
    return CA().client(extra_extensions=[x509.CRLDistributionPoints([made])])


def by(client: ClientCertificate, *signed: bytes) -> Made:
    return client, signed


# -------------------------------------------------------------------------------------------------------------- CRLs


def of(ca: RegionalCA) -> Extension:
    return x509.CertificateIssuer([x509.DirectoryName(ca.certificate.subject)]), True


def because(reason: x509.ReasonFlags) -> Extension:
    return x509.CRLReason(reason), False


def broken(signed: bytes) -> bytes:
    return signed[:-1] + bytes([signed[-1] ^ 1])


def number(content: bytes) -> bytes:
    return der.encode(der.SEQUENCE, der.encode(der.INTEGER, content) + b"\x17\x0d261101000000Z")


def dated(**dates: object) -> bytes:
    return crl(CA(), [leaf()], **dates)  # type: ignore[arg-type]  # begins, ends


def only(kind: str) -> bytes:
    """Return a CRL of the root for one kind of certificates."""
    return crl(CA(), point={f"only_contains_{kind}_certs": True})


def indirect(*entries: x509.RevokedCertificate) -> Made:
    return by(leaf(), crl(CA(), entries, point={"indirect_crl": True}))


def named(serial_number: int) -> Made:
    client = numbered(serial_number)
    content = serial_number.to_bytes(serial_number.bit_length() // 8 + 1, "big")
    return by(client, with_entries(CA(), number(content)))


def named_by(ca: RegionalCA) -> Made:
    client = client_of(ca)
    return by(client, crl(ca, [client]))


def client_of(ca: RegionalCA) -> ClientCertificate:
    return ca.client()


def rsa(rsa_padding: padding.PSS | None) -> Made:
    """Return a caller of a CA with an RSA key, whose CRL names it."""
    client = with_rsa().client()
    return by(client, crl(with_rsa(), [client], rsa_padding=rsa_padding))


def for_reason(reason: x509.ReasonFlags) -> Made:
    """Return a caller who was revoked for this reason."""
    return by(leaf(), crl(CA(), [entry(leaf(), because(reason))]))
