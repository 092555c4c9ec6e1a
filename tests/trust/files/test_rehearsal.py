"""What is foretold of a root is what the engine does with callers that the root's own key signed."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from mtls_middleware._core.trust import Anchor, Binding, build_trust
from mtls_middleware._trust.files import rehearsal
from mtls_middleware._trust.files.loading import TrustSources
from mtls_middleware._trust.files.rehearsal import why_useless
from mtls_middleware.identity import Authority
from mtls_middleware.testing.leaves import LeafSigner
from mtls_middleware.testing.signing import PrivateKey, key_usage_of, name_of, sign
from tests.core.certs import presented, reason
from tests.trust.files.loaded import load_trust

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)
NAME = "caller.example.com"
URI = "spiffe://example.com/billing"
CUSTOM = Binding(Authority.CUSTOM)

CA = x509.BasicConstraints(ca=True, path_length=None)
SERVER, CLIENT, ANY, MAIL = (
    x509.ExtendedKeyUsage([purpose])
    for purpose in (
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
    )
)
UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\5\0")
SIGNS, SIGNS_NOT = key_usage_of(["key_cert_sign"]), key_usage_of(["crl_sign"])
POLICIES = x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("2.5.29.32.0"), None)])
REQUIRES_POLICY = x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None)
DIRECTORY = x509.DirectoryName(name_of("caller"))


def only(*names: x509.GeneralName) -> x509.NameConstraints:
    return x509.NameConstraints(permitted_subtrees=names, excluded_subtrees=None)


def without(*names: x509.GeneralName) -> x509.NameConstraints:
    return x509.NameConstraints(permitted_subtrees=None, excluded_subtrees=names)


class Root(LeafSigner):
    """A root with any extensions and key; its own key signs callers."""

    def __init__(
        self,
        *extensions: tuple[x509.ExtensionType, bool],
        key: PrivateKey | None = None,
        subject: x509.Name | None = None,
        serial_number: int | None = None,
        hash_algorithm: hashes.SHA1 | None = None,
        begins: datetime = NOW - DAY,
    ) -> None:
        self.cert_name, self.now, self.chain = NAME, NOW, ()
        self.private_key = key or ec.generate_private_key(ec.SECP256R1())
        subject = name_of("Root") if subject is None else subject
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(self.private_key.public_key())
            .not_valid_before(begins)
            .not_valid_after(NOW + 400 * DAY)
        )
        for value, critical in extensions or ((CA, True), (SIGNS, True)):
            builder = builder.add_extension(value, critical)
        self.certificate = sign(builder, self.private_key, serial_number=serial_number, hash_algorithm=hash_algorithm)

    def accepts(self, name: str) -> bool:
        """Return whether a caller that this root signed is accepted."""
        uris = [x509.UniformResourceIdentifier(name)] if ":" in name else []
        caller = self.client(names=None if uris else name, common_names="caller", other_sans=uris)
        trust = build_trust(Authority.CUSTOM, anchors=[anchor(self)], names={CUSTOM: frozenset({name})}, max_chain=5)
        return reason(presented(caller), trust, NOW) is None


def anchor(root: Root) -> Anchor:
    return Anchor(certificate=root.certificate, binding=CUSTOM, origin="root.pem")


def extended(value: x509.ExtensionType, *, critical: bool = False) -> Callable[[], Root]:
    return lambda: Root((CA, True), (SIGNS, True), (value, critical))


def keyed(generate: Callable[[], PrivateKey]) -> Callable[[], Root]:
    return lambda: Root(key=generate())


GOOD: Mapping[str, Callable[[], Root]] = {
    "as usual": Root,
    "P-384": keyed(lambda: ec.generate_private_key(ec.SECP384R1())),
    "P-521": keyed(lambda: ec.generate_private_key(ec.SECP521R1())),
    "RSA-2048": keyed(lambda: rsa.generate_private_key(65537, 2048)),
    "nothing but basic constraints": lambda: Root((CA, False)),
    "no intermediates": lambda: Root((x509.BasicConstraints(ca=True, path_length=0), True)),
    "for clients": extended(CLIENT),
    "for clients, critical": extended(CLIENT, critical=True),
    "for any purpose": extended(ANY),
    "an unknown extension": extended(UNKNOWN),
    "names: its domain": extended(only(x509.DNSName("example.com"), x509.UniformResourceIdentifier("example.com"))),
    "names: other ones excluded": extended(without(x509.DNSName("example.org"))),
    "names: mail only": extended(only(x509.RFC822Name("example.com")), critical=True),
    "a name with an empty part": lambda: Root(subject=x509.Name([x509.NameAttribute(NameOID.LOCALITY_NAME, "")])),
    "signs itself by SHA-1": lambda: Root(hash_algorithm=hashes.SHA1()),
    "a serial number of 20 bytes": lambda: Root(serial_number=2**158),
    "a policy": extended(POLICIES),
    "its own life began late": lambda: Root(begins=NOW - timedelta(minutes=1)),
}

BAD: Mapping[str, tuple[Callable[[], Root], str]] = {
    "RSA-1024": (keyed(lambda: rsa.generate_private_key(65537, 1024)), "weak or unusual key"),
    "secp256k1": (keyed(lambda: ec.generate_private_key(ec.SECP256K1())), "weak or unusual key"),
    "Ed25519": (keyed(ed25519.Ed25519PrivateKey.generate), "weak or unusual key"),
    "may not sign": (lambda: Root((CA, True), (SIGNS_NOT, True)), "its keyUsage"),
    "for servers": (extended(SERVER), "its extendedKeyUsage"),
    "for servers, critical": (extended(SERVER, critical=True), "its extendedKeyUsage"),
    "for mail": (extended(MAIL), "its extendedKeyUsage"),
    "names: .domain": (extended(only(x509.DNSName(".example.com"))), "its nameConstraints"),
    "names: another domain": (extended(only(x509.DNSName("example.org"))), "its nameConstraints"),
    "names: its own excluded": (extended(without(x509.DNSName("example.com"))), "its nameConstraints"),
    "names: a directoryName": (extended(only(DIRECTORY), critical=True), "its nameConstraints"),
    "names: a directoryName excluded": (extended(without(DIRECTORY), critical=True), "its nameConstraints"),
    "an unknown critical extension": (extended(UNKNOWN, critical=True), "its critical extension 1.2.3.4"),
    "policies that are required": (extended(REQUIRES_POLICY, critical=True), "its policyConstraints"),
    "two things at once": (
        lambda: Root((CA, True), (SERVER, False), (UNKNOWN, True)),
        "its extendedKeyUsage and critical extension 1.2.3.4",
    ),
    "no name": (lambda: Root(subject=x509.Name([])), "its form"),
    "a serial number of 21 bytes": (lambda: Root(serial_number=2**167), "its form"),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD)
def test_a_root_that_the_engine_believes_is_not_warned_of(make: Callable[[], Root]) -> None:
    root = make()
    assert (why_useless(anchor(root), frozenset({NAME})), root.accepts(NAME)) == (None, True)


@pytest.mark.parametrize(("make", "cause"), BAD.values(), ids=BAD)
def test_a_root_that_stops_every_caller_is_warned_of_with_the_cause(make: Callable[[], Root], cause: str) -> None:
    root = make()
    told = why_useless(anchor(root), frozenset({NAME})) or ""

    assert not root.accepts(NAME)
    assert cause in told
    assert told.endswith("; every certificate under it will be refused")


FOR_SOME: Mapping[str, tuple[x509.NameConstraints, str, str]] = {
    "one name excluded": (without(x509.DNSName("b.example")), "a.example", "b.example"),
    "one domain": (only(x509.DNSName("a.example")), "x.a.example", "a.example.org"),
    "no URI": (only(x509.UniformResourceIdentifier("example.com")), NAME, URI),
    "URIs below a domain": (only(x509.DNSName("example.org")), URI, NAME),
}


@pytest.mark.parametrize(("constraints", "good", "bad"), FOR_SOME.values(), ids=FOR_SOME)
def test_a_root_that_stops_some_callers_names_them(constraints: x509.NameConstraints, good: str, bad: str) -> None:
    root = extended(constraints)()
    told = why_useless(anchor(root), frozenset({good, bad})) or ""

    assert (root.accepts(good), root.accepts(bad)) == (True, False)
    assert f"no caller named {bad}, because of its nameConstraints" in told
    assert good not in told.split("because", maxsplit=1)[0]


def test_names_of_another_domain_are_no_matter_where_the_pin_is_the_name() -> None:
    root = extended(only(x509.DNSName("example.org")))()
    pinned = Anchor(certificate=root.certificate, binding=Binding(Authority.DIGICERT), origin="root.pem")
    assert why_useless(pinned, frozenset()) is None


def test_loading_warns_once_for_each_such_root(
    tmp_path: Path, sources: Callable[..., TrustSources], pem: Callable[..., bytes]
) -> None:
    roots = [extended(SERVER)(), Root()]
    (tmp_path / "roots.pem").write_bytes(pem(*(root.certificate for root in roots)))
    asked = sources(tmp_path / "roots.pem", authorities=("custom",), names={CUSTOM: frozenset({NAME})})
    loaded = load_trust(asked, NOW)

    assert ["its extendedKeyUsage" in warning for warning in loaded.warnings] == [True]
    assert len(loaded.trusts[0].anchors) == 2


def test_the_stand_in_has_every_byte_of_the_root_but_its_key() -> None:
    """A root that is odd in a way that nobody thought of is tried as it is: dates, names, and their encodings."""
    root = rehearsal._parts(Root().certificate)
    stand_in = x509.load_der_x509_certificate(rehearsal._stand_in(root, ec.generate_private_key(ec.SECP256R1()), None))
    differing = [
        place for place, (one, other) in enumerate(zip(root, rehearsal._parts(stand_in), strict=True)) if one != other
    ]
    assert differing == [rehearsal._KEY]
    assert stand_in.public_bytes(Encoding.DER)
