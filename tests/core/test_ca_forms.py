"""CAs made with everyday tools are trusted as they are; what RFC 5280 §6 asks for is still asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from cryptography.x509.verification import PolicyBuilder, Store

from mtls_middleware._core import extensions
from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.decision import Reason
from mtls_middleware._core.trust import Anchor, AuthorityTrust, Binding, build_trust
from mtls_middleware.identity import Authority
from tests.core.certs import reason

VECTORS = Path(__file__).parents[1] / "vectors" / "cas"
TOOLS = ("easy-rsa", "keytool", "openssl-req", "trustme")
WHEN = datetime(2026, 12, 1, tzinfo=UTC)
NAME = "caller.example.com"

Extension = tuple[x509.ExtensionType, bool]
"""A value, and whether it is critical."""


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make(name: str, *extensions: Extension, issuer: Made | None = None) -> Made:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(WHEN - timedelta(days=1))
        .not_valid_after(WHEN + timedelta(days=1))
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return Made(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )


CA: Extension = (x509.BasicConstraints(ca=True, path_length=None), True)
LOOSE_CA: Extension = (x509.BasicConstraints(ca=True, path_length=None), False)
NO_CA: Extension = (x509.BasicConstraints(ca=False, path_length=None), True)
LAST_CA: Extension = (x509.BasicConstraints(ca=True, path_length=0), True)
SIGNS: Extension = (usage(sign=True), True)
LOOSE_SIGNS: Extension = (usage(sign=True), False)
SIGNS_NOT: Extension = (usage(sign=False), True)
NAMED: Extension = (x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
CRITICALLY_NAMED: Extension = (NAMED[0], True)
UNKNOWN: Extension = (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\5\0"), True)
OTHER_NAMES: Extension = (x509.NameConstraints([x509.DNSName("example.org")], None), True)


def purpose(*purposes: ObjectIdentifier, critical: bool = False) -> Extension:
    return x509.ExtendedKeyUsage(purposes), critical


CLIENT = purpose(ExtendedKeyUsageOID.CLIENT_AUTH)
SERVER = purpose(ExtendedKeyUsageOID.SERVER_AUTH)
BOTH = purpose(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)

Chain = Callable[[], list[Made]]
"""The anchor, perhaps an intermediate, the leaf."""


def chain(root: list[Extension], leaf: list[Extension], *between: list[Extension]) -> Chain:
    def build() -> list[Made]:
        found = [make("Root", *root)]
        for asked in between:
            found.append(make("Between", *asked, issuer=found[-1]))
        return [*found, make(NAME, *leaf, issuer=found[-1])]

    return build


GOOD: Mapping[str, Chain] = {
    "as usual": chain([CA, SIGNS], [NAMED, CLIENT]),
    "a root without key usage": chain([CA], [NAMED]),
    "a root with a key usage that is not critical": chain([CA, LOOSE_SIGNS], [NAMED]),
    "a root whose basic constraints are not critical": chain([LOOSE_CA, SIGNS], [NAMED]),
    "a root with a critical purpose": chain([CA, purpose(ExtendedKeyUsageOID.CLIENT_AUTH, critical=True)], [NAMED]),
    "a root for any purpose": chain([CA, purpose(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)], [NAMED]),
    "a root for clients and servers": chain([CA, SIGNS, BOTH], [NAMED]),
    "an intermediate for clients and servers": chain([CA, SIGNS], [NAMED, BOTH], [CA, SIGNS, BOTH]),
    "a leaf with a critical purpose": chain(
        [CA, SIGNS], [NAMED, purpose(ExtendedKeyUsageOID.CLIENT_AUTH, critical=True)]
    ),
    "a leaf with critical names": chain([CA, SIGNS], [CRITICALLY_NAMED, CLIENT]),
    "an intermediate as loose as its root": chain([LOOSE_CA], [NAMED], [LOOSE_CA, LOOSE_SIGNS]),
    "an intermediate that is the last": chain([CA, SIGNS], [NAMED], [LAST_CA, SIGNS]),
}

BAD: Mapping[str, Chain] = {
    "a root that is no CA": chain([NO_CA, SIGNS], [NAMED]),
    "a root without basic constraints": chain([SIGNS], [NAMED]),
    "a root that may not sign": chain([CA, SIGNS_NOT], [NAMED]),
    "a root for servers": chain([CA, SIGNS, SERVER], [NAMED]),
    "a root with an unknown critical extension": chain([CA, SIGNS, UNKNOWN], [NAMED]),
    "a root for other names": chain([CA, SIGNS, OTHER_NAMES], [NAMED]),
    "an intermediate that is no CA": chain([CA, SIGNS], [NAMED], [NO_CA, SIGNS]),
    "an intermediate without basic constraints": chain([CA, SIGNS], [NAMED], [SIGNS]),
    "an intermediate that may not sign": chain([CA, SIGNS], [NAMED], [CA, SIGNS_NOT]),
    "an intermediate for servers": chain([CA, SIGNS], [NAMED], [CA, SIGNS, SERVER]),
    "an intermediate with an unknown critical extension": chain([CA, SIGNS], [NAMED], [CA, SIGNS, UNKNOWN]),
    "an intermediate for other names": chain([CA, SIGNS], [NAMED], [CA, SIGNS, OTHER_NAMES]),
    "an intermediate below the last": chain([LAST_CA, SIGNS], [NAMED], [CA, SIGNS]),
    "a leaf with an unknown critical extension": chain([CA, SIGNS], [NAMED, UNKNOWN]),
}


def custom(root: x509.Certificate) -> AuthorityTrust:
    binding = Binding(Authority.CUSTOM)
    anchor = Anchor(certificate=root, binding=binding, origin="test")
    return build_trust(Authority.CUSTOM, anchors=[anchor], names={binding: frozenset({NAME})}, max_chain=5)


def judged(made: list[Made]) -> Reason | None:
    root, *others = (one.certificate for one in made)
    presented = parse_chain([one.public_bytes(Encoding.DER) for one in reversed(others)])
    return reason(presented, custom(root), WHEN)


@pytest.mark.parametrize("tool", TOOLS)
def test_lesson_a_ca_of_an_everyday_tool_is_trusted_as_it_is(tool: str) -> None:
    root, leaf = (
        x509.load_pem_x509_certificate((VECTORS / f"{tool}.{part}.pem").read_bytes()) for part in ("ca", "good")
    )
    assert reason(parse_chain([leaf.public_bytes(Encoding.DER)]), custom(root), WHEN) is None


@pytest.mark.parametrize("made", GOOD.values(), ids=GOOD.keys())
def test_a_form_that_rfc_5280_allows_is_accepted(made: Chain) -> None:
    assert judged(made()) is None


@pytest.mark.parametrize("made", BAD.values(), ids=BAD.keys())
def test_what_rfc_5280_asks_for_is_asked_for(made: Chain) -> None:
    assert judged(made()) is Reason.ISSUER_UNTRUSTED


def test_the_policy_itself_refuses_what_is_refused_before_it_is_asked() -> None:
    """The engine, and the check of purposes, come first today; the policy does not rely on that."""
    root, leaf = make("Root", CA).certificate, make(NAME).certificate
    policy = PolicyBuilder().store(Store([root])).build_client_verifier().policy
    with pytest.raises(ValueError, match="no CA"):
        extensions._require_ca(policy, leaf, x509.BasicConstraints(ca=False, path_length=None))
    with pytest.raises(ValueError, match="clientAuth"):
        extensions._require_client(policy, leaf, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))
