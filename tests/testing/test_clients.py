"""Client certificates: the good one verifies, and each bad one is what it says."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mtls_middleware.testing import ClientCertificate, KeyKind, RegionalCA
from tests.testing.verification import NOW, path, refusal_expected

DAY = timedelta(days=1)
NAME = "dataactions.prod.us-east-1.mypurecloud.com"
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")


def value(client: ClientCertificate, kind: type[x509.ExtensionType]) -> Any:
    return client.certificate.extensions.get_extension_for_class(kind).value


def has(client: ClientCertificate, kind: type[x509.ExtensionType]) -> bool:
    return any(isinstance(extension.value, kind) for extension in client.certificate.extensions)


def dns_names(client: ClientCertificate) -> list[str]:
    names: list[str] = value(client, x509.SubjectAlternativeName).get_values_for_type(x509.DNSName)
    return names


def common_names(client: ClientCertificate) -> list[object]:
    return [name.value for name in client.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


class TestGood:
    def test_it_verifies(self, ca: RegionalCA) -> None:
        client = ca.client()
        assert path(client, ca) == [client.certificate, ca.certificate]

    def test_another_root_does_not_vouch_for_it(self, ca: RegionalCA) -> None:
        with refusal_expected():
            path(ca.client(), RegionalCA("eu-west-1", now=NOW))

    def test_another_root_of_the_same_name_does_not_vouch_for_it(self, ca: RegionalCA) -> None:
        with refusal_expected():
            path(ca.client(), RegionalCA(now=NOW))

    @pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.P384, KeyKind.RSA2048])
    def test_it_verifies_under_a_root_of_any_strong_key(self, kind: KeyKind) -> None:
        root = RegionalCA(key=kind, now=NOW)
        assert path(root.client(), root)

    def test_it_bears_the_name_of_its_region(self, ca: RegionalCA) -> None:
        client = ca.client()
        assert (dns_names(client), common_names(client)) == ([NAME], [NAME])

    def test_it_has_no_chain(self, ca: RegionalCA) -> None:
        assert ca.client().chain == ()

    def test_its_key_is_its_own(self, ca: RegionalCA) -> None:
        client = ca.client()
        assert client.certificate.public_key() == client.private_key.public_key()

    def test_it_lives_for_a_year(self, ca: RegionalCA) -> None:
        own = ca.client().certificate
        assert (own.not_valid_before_utc, own.not_valid_after_utc) == (NOW - 2 * DAY, NOW + 365 * DAY)

    def test_two_differ(self, ca: RegionalCA) -> None:
        assert ca.client().fingerprint_sha256 != ca.client().fingerprint_sha256


class TestNames:
    @pytest.mark.parametrize(
        ("names", "seen"),
        [
            pytest.param(["a.example", "b.example"], ["a.example", "b.example"], id="two"),
            pytest.param("a.example", ["a.example"], id="one, as a text"),
            pytest.param((), [], id="an extension without a dNSName"),
            pytest.param(["*.example"], ["*.example"], id="wildcard"),
            pytest.param([NAME.upper()], [NAME.upper()], id="upper case"),
            pytest.param(["a\0.example"], ["a\0.example"], id="NUL"),
        ],
    )
    def test_the_dns_names_are_as_given(self, ca: RegionalCA, names: Any, seen: list[str]) -> None:
        assert dns_names(ca.client(names=names)) == seen

    def test_none_leaves_the_extension_out(self, ca: RegionalCA) -> None:
        assert not has(ca.client(names=None), x509.SubjectAlternativeName)

    def test_none_leaves_other_names_alone(self, ca: RegionalCA) -> None:
        other = x509.RFC822Name("a@example.com")
        assert list(value(ca.client(names=None, other_sans=[other]), x509.SubjectAlternativeName)) == [other]

    def test_other_names_stand_beside_dns_names(self, ca: RegionalCA) -> None:
        other = x509.UniformResourceIdentifier("spiffe://example.com/a")
        assert list(value(ca.client(other_sans=[other]), x509.SubjectAlternativeName)) == [x509.DNSName(NAME), other]

    @pytest.mark.parametrize("names", [(), ("a",), ("a", "b")])
    def test_the_common_names_are_as_given(self, ca: RegionalCA, names: tuple[str, ...]) -> None:
        assert common_names(ca.client(common_names=names)) == list(names)

    def test_a_subject_replaces_the_common_names(self, ca: RegionalCA) -> None:
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example")])
        assert ca.client(subject=subject).certificate.subject == subject


class TestTime:
    def test_an_expired_one_was_good(self, ca: RegionalCA) -> None:
        client = ca.client(expired=True)
        assert path(client, ca, at=NOW - 1.5 * DAY)
        with refusal_expected():
            path(client, ca)

    def test_one_that_is_not_yet_valid_will_be_good(self, ca: RegionalCA) -> None:
        client = ca.client(not_yet_valid=True)
        assert path(client, ca, at=NOW + 1.5 * DAY)
        with refusal_expected():
            path(client, ca)

    def test_both_ends_can_be_given(self, ca: RegionalCA) -> None:
        own = ca.client(not_before=NOW, not_after=NOW + DAY).certificate
        assert (own.not_valid_before_utc, own.not_valid_after_utc) == (NOW, NOW + DAY)

    def test_a_life_that_ends_before_it_begins_is_an_error(self, ca: RegionalCA) -> None:
        with pytest.raises(ValueError, match="after"):
            ca.client(expired=True, not_yet_valid=True)


class TestKeys:
    @pytest.mark.parametrize("kind", KeyKind)
    def test_a_key_is_of_the_kind_asked_for(self, ca: RegionalCA, kind: KeyKind) -> None:
        key = ca.client(key=kind).certificate.public_key()
        match key:
            case rsa.RSAPublicKey():
                assert f"rsa{key.key_size}" == kind
            case ec.EllipticCurvePublicKey():
                assert {"secp256r1": "p256", "secp384r1": "p384"}.get(key.curve.name, key.curve.name) == kind
            case _:
                assert isinstance(key, ed25519.Ed25519PublicKey)
                assert kind is KeyKind.ED25519

    @pytest.mark.parametrize("kind", [kind for kind in KeyKind if kind is not KeyKind.RSA4096], ids=str)
    def test_a_root_of_any_kind_signs(self, kind: KeyKind) -> None:
        root = RegionalCA(key=kind, now=NOW)
        root.client().certificate.verify_directly_issued_by(root.certificate)

    def test_another_certificates_key_can_be_certified(self, ca: RegionalCA) -> None:
        first = ca.client()
        second = ca.client(public_key_of=first, names=["other.example"])
        assert second.certificate.public_key() == first.certificate.public_key() == second.private_key.public_key()
        assert second.certificate != first.certificate


class TestPurpose:
    def test_server_only_has_no_client_auth(self, ca: RegionalCA) -> None:
        client = ca.client(server_only=True)
        assert list(value(client, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.SERVER_AUTH]
        with refusal_expected():
            path(client, ca)

    def test_extended_key_usage_is_as_given(self, ca: RegionalCA) -> None:
        client = ca.client(extended_key_usage=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
        assert list(value(client, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]

    def test_extended_key_usage_can_be_left_out(self, ca: RegionalCA) -> None:
        client = ca.client(extended_key_usage=None)
        assert not has(client, x509.ExtendedKeyUsage)
        assert path(client, ca)

    def test_key_usage_is_as_given(self, ca: RegionalCA) -> None:
        usage = value(ca.client(key_usage=["key_agreement"]), x509.KeyUsage)
        assert (usage.key_agreement, usage.digital_signature) == (True, False)

    def test_key_usage_can_be_left_out(self, ca: RegionalCA) -> None:
        assert not has(ca.client(key_usage=None), x509.KeyUsage)

    def test_an_unknown_key_usage_is_an_error(self, ca: RegionalCA) -> None:
        with pytest.raises(ValueError, match="no key usage: digitalSignature"):
            ca.client(key_usage=["digitalSignature"])

    def test_a_ca_is_no_client(self, ca: RegionalCA) -> None:
        client = ca.client(is_ca=True)
        assert value(client, x509.BasicConstraints).ca
        with refusal_expected():
            path(client, ca)


@pytest.mark.filterwarnings("ignore:Parsed a serial number:cryptography.utils.CryptographyDeprecationWarning")
class TestSerialNumber:
    @pytest.mark.parametrize(
        "number",
        [0, -1, -128, -129, -(2**80), 1, 127, 128, 2**159 - 1, 2**159, 2**160],
        ids=lambda number: f"{number:#x}",
    )
    def test_it_is_as_given_and_signed(self, ca: RegionalCA, number: int) -> None:
        certificate = ca.client(serial_number=number).certificate
        assert certificate.serial_number == number
        certificate.verify_directly_issued_by(ca.certificate)

    def test_everything_else_stays(self, ca: RegionalCA) -> None:
        good = ca.client()
        odd = ca.client(public_key_of=good, serial_number=0)
        assert list(odd.certificate.extensions) == list(good.certificate.extensions)
        assert odd.certificate.subject == good.certificate.subject

    @pytest.mark.parametrize("kind", [KeyKind.RSA2048, KeyKind.ED25519])
    def test_it_is_signed_by_roots_of_other_keys(self, kind: KeyKind) -> None:
        root = RegionalCA(key=kind, now=NOW)
        root.client(serial_number=0).certificate.verify_directly_issued_by(root.certificate)

    def test_it_goes_with_another_hash(self, ca: RegionalCA) -> None:
        certificate = ca.client(serial_number=0, hash_algorithm=hashes.SHA384()).certificate
        assert isinstance(certificate.signature_hash_algorithm, hashes.SHA384)
        certificate.verify_directly_issued_by(ca.certificate)

    @pytest.mark.parametrize("number", [-128, 0, 127, 128])
    def test_it_is_encoded_in_as_few_bytes_as_der_asks_for(self, ca: RegionalCA, number: int) -> None:
        tbs = ca.client(serial_number=number).certificate.tbs_certificate_bytes
        length = 2 if number == 128 else 1
        assert bytes([2, length]) + number.to_bytes(length, "big", signed=True) in tbs[:16]


class TestSignature:
    @pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.RSA2048])
    @pytest.mark.parametrize(
        "algorithm",
        [hashes.SHA1(), hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()],
        ids=lambda algorithm: algorithm.name,
    )
    def test_the_hash_is_as_given(self, kind: KeyKind, algorithm: Any) -> None:
        root = RegionalCA(key=kind, now=NOW)
        certificate = root.client(hash_algorithm=algorithm).certificate
        assert isinstance(certificate.signature_hash_algorithm, type(algorithm))
        verify(certificate, root)

    def test_sha1_is_refused(self, ca: RegionalCA) -> None:
        with refusal_expected():
            path(ca.client(hash_algorithm=hashes.SHA1()), ca)

    def test_a_forged_issuer_has_the_name_and_not_the_signature(self, ca: RegionalCA) -> None:
        forged = RegionalCA("eu-west-1", now=NOW).client(issuer_name=ca.certificate.subject)
        assert forged.certificate.issuer == ca.certificate.subject
        with pytest.raises(InvalidSignature):
            forged.certificate.verify_directly_issued_by(ca.certificate)


class TestExtensions:
    def test_the_authority_key_identifier_is_the_roots(self, ca: RegionalCA) -> None:
        own = value(ca.client(), x509.AuthorityKeyIdentifier)
        root = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        assert own.key_identifier == root.digest

    def test_the_authority_key_identifier_can_be_left_out(self, ca: RegionalCA) -> None:
        client = ca.client(with_authority_key_identifier=False)
        assert not has(client, x509.AuthorityKeyIdentifier)

    def test_a_crl_address_is_as_given(self, ca: RegionalCA) -> None:
        (point,) = value(ca.client(crl_url="http://crl.example/1.crl"), x509.CRLDistributionPoints)
        assert point.full_name == [x509.UniformResourceIdentifier("http://crl.example/1.crl")]

    def test_there_is_no_crl_address_by_default(self, ca: RegionalCA) -> None:
        assert not has(ca.client(), x509.CRLDistributionPoints)

    @pytest.mark.parametrize(
        ("extra", "critical"),
        [
            pytest.param(UNKNOWN, False, id="as a value"),
            pytest.param(x509.Extension(UNKNOWN.oid, True, UNKNOWN), True, id="as an extension"),
        ],
    )
    def test_further_extensions_are_as_given(self, ca: RegionalCA, extra: Any, critical: bool) -> None:
        found = ca.client(extra_extensions=[extra]).certificate.extensions.get_extension_for_oid(UNKNOWN.oid)
        assert (found.value, found.critical) == (UNKNOWN, critical)

    def test_an_unknown_critical_extension_is_refused(self, ca: RegionalCA) -> None:
        with refusal_expected():
            path(ca.client(extra_extensions=[x509.Extension(UNKNOWN.oid, True, UNKNOWN)]), ca)


def verify(certificate: x509.Certificate, root: RegionalCA) -> None:
    """Verify a signature of any hash: cryptography's own method declines SHA-1."""
    algorithm = certificate.signature_hash_algorithm
    assert algorithm is not None
    match root.certificate.public_key():
        case ec.EllipticCurvePublicKey() as key:
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(algorithm))
        case rsa.RSAPublicKey() as key:
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), algorithm)
        case key:
            pytest.fail(f"no such root: {key}")
