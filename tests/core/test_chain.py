"""Which certificates lead to an anchor, and which reason the others are refused for."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from mtls_middleware._core import chain as chains
from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware.testing import ClientCertificate, KeyKind, RegionalCA
from tests.core.captures import VECTORS, certificate, regional_trust
from tests.core.certs import (
    DAY,
    NOW,
    SECOND,
    custom,
    genesys,
    good_client,
    new_ca,
    presented,
    reason,
    regional_ca,
    with_unknown_key,
)

ANY_USE = [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]

Make = Callable[[], ClientCertificate]


def _client(**options: object) -> Make:
    return lambda: regional_ca().client(**options)  # type: ignore[arg-type] # a table of keywords


GOOD = {
    "P-256": _client(),
    "P-384": _client(key=KeyKind.P384),
    "RSA-2048": _client(key=KeyKind.RSA2048),
    "no extended key usage": _client(extended_key_usage=None),
    "clientAuth alone": _client(extended_key_usage=[ExtendedKeyUsageOID.CLIENT_AUTH]),
    "no key usage": _client(key_usage=None),
    "digitalSignature alone": _client(key_usage=["digital_signature"]),
    "no name but the CN": _client(names=None),
    "no authority key identifier": _client(with_authority_key_identifier=False),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD.keys())
def test_a_leaf_of_the_regional_root_is_verified(make: Make) -> None:
    assert reason(make(), genesys(regional_ca())) is None


BAD: Mapping[str, tuple[Make, Reason]] = {
    "expired": (_client(expired=True), Reason.CERTIFICATE_EXPIRED),
    "not yet valid": (_client(not_yet_valid=True), Reason.CERTIFICATE_NOT_YET_VALID),
    "for servers": (_client(server_only=True), Reason.PURPOSE_MISMATCH),
    "for any use": (_client(extended_key_usage=ANY_USE), Reason.PURPOSE_MISMATCH),
    "no digitalSignature": (_client(key_usage=["key_encipherment"]), Reason.PURPOSE_MISMATCH),
    "keyCertSign": (_client(key_usage=["digital_signature", "key_cert_sign"]), Reason.PURPOSE_MISMATCH),
    "a CA": (_client(is_ca=True), Reason.PURPOSE_MISMATCH),
    "RSA-1024": (_client(key=KeyKind.RSA1024), Reason.ISSUER_UNTRUSTED),
    "secp256k1": (_client(key=KeyKind.SECP256K1), Reason.ISSUER_UNTRUSTED),
    "Ed25519": (_client(key=KeyKind.ED25519), Reason.ISSUER_UNTRUSTED),
    "SHA-224": (_client(hash_algorithm=hashes.SHA224()), Reason.ISSUER_UNTRUSTED),
    "a stranger": (lambda: new_ca("Stranger").client(), Reason.ISSUER_UNTRUSTED),
    "another key under the root's name": (lambda: new_ca().client(), Reason.ISSUER_UNTRUSTED),
    "a stranger under the root's name": (
        lambda: new_ca("X").client(issuer_name=regional_ca().certificate.subject),
        Reason.ISSUER_UNTRUSTED,
    ),
    "another issuer's name over the root's signature": (
        _client(issuer_name=new_ca("X").certificate.subject),
        Reason.ISSUER_UNTRUSTED,
    ),
}


@pytest.mark.parametrize(("make", "expected"), BAD.values(), ids=BAD.keys())
def test_a_bad_leaf_is_refused_for_its_reason(make: Make, expected: Reason) -> None:
    assert reason(make(), genesys(regional_ca())) is expected


TWICE_BAD: Mapping[str, tuple[Make, Reason]] = {
    "a stranger's, expired": (lambda: new_ca().client(expired=True), Reason.ISSUER_UNTRUSTED),
    "a stranger's, not yet valid": (lambda: new_ca().client(not_yet_valid=True), Reason.ISSUER_UNTRUSTED),
    "a stranger's, for servers": (lambda: new_ca().client(server_only=True), Reason.ISSUER_UNTRUSTED),
    "a weak key, expired": (_client(key=KeyKind.RSA1024, expired=True), Reason.ISSUER_UNTRUSTED),
    "a weak hash, expired": (_client(hash_algorithm=hashes.SHA224(), expired=True), Reason.ISSUER_UNTRUSTED),
    "a weak hash, for servers": (_client(hash_algorithm=hashes.SHA224(), server_only=True), Reason.ISSUER_UNTRUSTED),
    "expired, for servers": (_client(expired=True, server_only=True), Reason.CERTIFICATE_EXPIRED),
    "expired, another name": (_client(expired=True, names=["x.example"]), Reason.CERTIFICATE_EXPIRED),
    "not yet valid, a CA": (_client(not_yet_valid=True, is_ca=True), Reason.CERTIFICATE_NOT_YET_VALID),
    "for servers, another name": (_client(server_only=True, names=["x.example"]), Reason.PURPOSE_MISMATCH),
}


@pytest.mark.parametrize(("make", "expected"), TWICE_BAD.values(), ids=TWICE_BAD.keys())
def test_the_first_reason_of_the_contract_is_told(make: Make, expected: Reason) -> None:
    assert reason(make(), genesys(regional_ca())) is expected


def test_an_expired_leaf_of_an_expired_anchor_has_no_anchor() -> None:
    ca = new_ca(not_before=NOW - 30 * DAY, not_after=NOW - DAY)
    client = ca.client(not_before=NOW - 20 * DAY, not_after=NOW - 2 * DAY)
    assert reason(client, genesys(ca)) is Reason.ISSUER_UNTRUSTED


def test_an_expired_leaf_of_an_ed25519_anchor_is_a_strangers() -> None:
    ca = RegionalCA(cert_name="a.example", now=NOW, key=KeyKind.ED25519)
    assert reason(ca.client(expired=True), genesys(ca)) is Reason.ISSUER_UNTRUSTED


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(NOW - SECOND, Reason.CERTIFICATE_NOT_YET_VALID, id="a second before"),
        pytest.param(NOW, None, id="its first second"),
        pytest.param(NOW + DAY, None, id="its last second"),
        pytest.param(NOW + DAY + SECOND, Reason.CERTIFICATE_EXPIRED, id="a second after"),
    ],
)
def test_a_life_includes_its_first_and_last_second(now: datetime, expected: Reason | None) -> None:
    client = regional_ca().client(not_before=NOW, not_after=NOW + DAY)
    assert reason(client, genesys(regional_ca()), now) is expected


def test_the_life_of_a_path_is_what_all_its_certificates_share() -> None:
    ca = new_ca(not_before=NOW - DAY, not_after=NOW + DAY)
    client = ca.client(not_before=NOW - 2 * DAY, not_after=NOW + 2 * DAY)
    verified = chains.verify(presented(client), genesys(ca), NOW)
    assert (verified.not_before, verified.not_after) == (NOW - DAY, NOW + DAY)


def test_the_root_itself_is_no_caller() -> None:
    chain = parse_chain([regional_ca().der])
    assert reason(chain, genesys(regional_ca())) is Reason.PURPOSE_MISMATCH


def test_a_key_above_8192_bits_is_refused_before_anything_is_computed() -> None:
    der = good_client().der
    with pytest.raises(RejectionError, match="weak or unusual key: RSAPublicKey 16384"):
        chains.verify(parse_chain([_with_rsa_key(der, 16384, 65537)]), genesys(regional_ca()), NOW)


@pytest.mark.parametrize("exponent_bits", [65, 2048])
def test_an_exponent_that_makes_verification_slow_is_refused(exponent_bits: int) -> None:
    """A caller's intermediate with an exponent of 3,072 bits cost 7 ms for each signature tried."""
    der = _with_rsa_key(good_client().der, 3072, (1 << exponent_bits) - 1)
    with pytest.raises(RejectionError, match="weak or unusual key"):
        chains.verify(parse_chain([der]), custom(regional_ca()), NOW)


def test_an_intermediate_with_such_an_exponent_is_never_tried() -> None:
    intermediate = regional_ca().intermediate()
    slow = _with_rsa_key(intermediate.der, 3072, (1 << 2048) - 1)
    assert reason(parse_chain([intermediate.client().der, slow]), custom(regional_ca())) is Reason.ISSUER_UNTRUSTED
    assert reason(parse_chain([good_client().der, slow]), custom(regional_ca())) is None


def test_a_key_of_an_unknown_curve_is_refused() -> None:
    p256, unknown = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030108")
    chain = parse_chain([good_client().der.replace(p256, unknown, 1)])
    assert reason(chain, genesys(regional_ca())) is Reason.ISSUER_UNTRUSTED


WEAK: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "unknown": (lambda: with_unknown_key(good_client().certificate), r"a key of an unknown kind: .+"),
    "Ed25519": (lambda: regional_ca().client(key=KeyKind.ED25519).der, r"a weak or unusual key: \w+"),
    "RSA-1024": (lambda: regional_ca().client(key=KeyKind.RSA1024).der, r"a weak or unusual key: \w+ 1024"),
    "secp256k1": (lambda: regional_ca().client(key=KeyKind.SECP256K1).der, r"a weak or unusual key: \w+ 256"),
}


@pytest.mark.parametrize(("make", "detail"), WEAK.values(), ids=WEAK.keys())
def test_an_operator_reads_what_is_wrong_with_a_key(make: Callable[[], bytes], detail: str) -> None:
    with pytest.raises(RejectionError) as refused:
        chains.verify(parse_chain([make()]), genesys(regional_ca()), NOW)
    assert re.fullmatch(detail, refused.value.detail)


@pytest.mark.parametrize(("exponent", "good"), [(3, True), (2**64 - 1, True), (2**64 + 1, False)])
def test_the_exponents_of_rsa_keys_end_at_64_bits(exponent: int, *, good: bool) -> None:
    certificate = x509.load_der_x509_certificate(_with_rsa_key(good_client().der, 3072, exponent))
    assert (chains.key_weakness(certificate) is None) is good


DATES = {
    "expired": ({"not_after": NOW - SECOND}, "it ended at 2026-11-22 23:59:59Z"),
    "not yet valid": (
        {"not_before": NOW + SECOND},
        "it begins at 2026-11-23 00:00:01Z; is the clock of this machine right?",
    ),
}


@pytest.mark.parametrize(("life", "detail"), DATES.values(), ids=DATES.keys())
def test_an_operator_reads_when_it_is_valid(life: Mapping[str, datetime], detail: str) -> None:
    with pytest.raises(RejectionError) as refused:
        chains.verify(presented(regional_ca().client(**life)), genesys(regional_ca()), NOW)  # type: ignore[arg-type] # keywords
    assert refused.value.detail == detail


def test_no_anchor_means_nobody() -> None:
    assert reason(good_client(), genesys()) is Reason.ISSUER_UNTRUSTED


# ------------------------------------------------------------------------------- clients that real proxies were shown

VERDICTS = {
    "accepted": (
        "bigsan",
        "ec",
        "huge16",
        "huge40",
        "multisan",
        "noeku",
        "nosan",
        "revoked",
        "rsa",
        "tricky",
    ),
    Reason.CERTIFICATE_EXPIRED: ("expired",),
    Reason.CERTIFICATE_NOT_YET_VALID: ("notyet",),
    Reason.PURPOSE_MISMATCH: ("wrongeku",),
    Reason.REGION_MISMATCH: ("othername", "xfcc-dns", "xfcc-uri"),
    Reason.ISSUER_UNTRUSTED: (
        "big4",
        "hop",
        "inter",
        "selfsigned",
        "unknown",
        "unknown-expired",
        "xfcc-uri-selfsigned",
    ),
}


@pytest.mark.parametrize(
    ("client", "expected"), [(client, expected) for expected, clients in VERDICTS.items() for client in clients]
)
def test_a_captured_client_gets_its_verdict(client: str, expected: Reason | str) -> None:
    chain = parse_chain([certificate(f"client-{client}").public_bytes(Encoding.DER)])
    assert (reason(chain, regional_trust()) or "accepted") == expected


def test_every_captured_client_has_a_verdict() -> None:
    clients = {path_.stem.removeprefix("client-") for path_ in VECTORS.glob("pki/client-*.pem")}
    assert clients == {client for group in VERDICTS.values() for client in group}


def _with_rsa_key(der: bytes, bits: int, exponent: int) -> bytes:
    """Put an RSA key, which nobody has, in the place of an EC key; the signature breaks, and nobody gets that far."""
    old = x509.load_der_x509_certificate(der)
    template = x509.CertificateBuilder(
        issuer_name=old.issuer,
        subject_name=old.subject,
        public_key=_rsa_key(bits, exponent),
        serial_number=old.serial_number,
        not_valid_before=old.not_valid_before_utc.replace(tzinfo=None),
        not_valid_after=old.not_valid_after_utc.replace(tzinfo=None),
        extensions=list(old.extensions),
    )
    return template.sign(regional_ca().private_key, hashes.SHA256()).public_bytes(Encoding.DER)


def _rsa_key(bits: int, exponent: int) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, (1 << bits) - 1).public_key()


def test_where_leaf_and_anchor_have_both_ended_the_log_names_the_anchor() -> None:
    ca = new_ca(not_before=NOW - timedelta(days=20), not_after=NOW - timedelta(days=10))
    client = ca.client(not_before=NOW - timedelta(days=20), not_after=NOW - timedelta(days=15))
    with pytest.raises(RejectionError, match=r"the anchor from .* is valid from .* only") as refused:
        chains.verify(presented(client), genesys(ca), NOW)
    assert refused.value.reason is Reason.ISSUER_UNTRUSTED
