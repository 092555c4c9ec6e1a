"""Roots, intermediates and successors."""

import io
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from mtls_middleware.regions import Region, table
from mtls_middleware.testing import KeyKind, RegionalCA
from tests.testing.verification import NOW, path, refusal_expected

DAY = timedelta(days=1)


@pytest.mark.parametrize("region", table(), ids=lambda region: region.aws_region)
def test_a_region_brings_its_name(region: Region) -> None:
    assert RegionalCA(region.aws_region).cert_name == (region.cert_name or f"client.{region.aws_region}.test")


@pytest.mark.parametrize("spelling", ["eu-west-1", "EU-West-1", "mypurecloud.ie"])
def test_a_region_is_found_by_each_spelling(spelling: str) -> None:
    assert RegionalCA(spelling).region == "eu-west-1"


def test_a_region_of_no_table_gets_a_name() -> None:
    ca = RegionalCA("af-south-1", now=NOW)
    assert (ca.region, ca.cert_name) == ("af-south-1", "client.af-south-1.test")


def test_a_name_can_be_given() -> None:
    assert RegionalCA(cert_name="caller.example.com").cert_name == "caller.example.com"


def test_a_root_has_the_extensions_of_aws_private_ca(ca: RegionalCA) -> None:
    found = {type(extension.value): extension.critical for extension in ca.certificate.extensions}
    assert found == {x509.BasicConstraints: True, x509.KeyUsage: True, x509.SubjectKeyIdentifier: False}


def test_a_root_may_sign_certificates_and_lists(ca: RegionalCA) -> None:
    usage = ca.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature, usage.key_agreement) == (
        True,
        True,
        True,
        False,
    )


def test_a_root_signed_itself(ca: RegionalCA) -> None:
    ca.certificate.verify_directly_issued_by(ca.certificate)


def test_a_root_began_a_month_ago_and_lives_for_ten_years(ca: RegionalCA) -> None:
    life = (ca.certificate.not_valid_before_utc, ca.certificate.not_valid_after_utc)
    assert life == (NOW - 30 * DAY, NOW + 3650 * DAY)


def test_a_root_lives_as_long_as_it_is_told() -> None:
    assert RegionalCA(now=NOW, valid=4 * DAY).certificate.not_valid_after_utc == NOW + 4 * DAY


def test_both_ends_of_a_roots_life_can_be_given() -> None:
    own = RegionalCA(now=NOW, not_before=NOW - DAY, not_after=NOW + DAY).certificate
    assert (own.not_valid_before_utc, own.not_valid_after_utc) == (NOW - DAY, NOW + DAY)


def test_now_is_the_present_by_default() -> None:
    before = datetime.now(UTC)
    assert before <= RegionalCA().now <= datetime.now(UTC)


def test_now_may_be_of_any_time_zone() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert RegionalCA(now=elsewhere, not_after=elsewhere).certificate.not_valid_after_utc == NOW


def test_a_naive_now_is_an_error() -> None:
    with pytest.raises(ValueError, match="now has no time zone"):
        RegionalCA(now=NOW.replace(tzinfo=None))


def test_a_subject_can_be_given(ca: RegionalCA) -> None:
    assert RegionalCA(subject=ca.certificate.subject).certificate.subject == ca.certificate.subject


def test_pem_and_der_are_the_certificate(ca: RegionalCA) -> None:
    assert x509.load_pem_x509_certificate(ca.pem.encode()) == x509.load_der_x509_certificate(ca.der) == ca.certificate


class TestFiles:
    def test_in_a_folder_the_file_is_named_by_the_zip_label(self, ca: RegionalCA, tmp_path: Path) -> None:
        assert ca.write(tmp_path) == tmp_path / "US-East-1.pem"
        assert (tmp_path / "US-East-1.pem").read_text() == ca.pem

    def test_a_region_without_label_is_named_by_itself(self, tmp_path: Path) -> None:
        assert RegionalCA("eusc-de-east-1").write(tmp_path).name == "eusc-de-east-1.pem"

    def test_a_file_can_be_named(self, ca: RegionalCA, tmp_path: Path) -> None:
        assert ca.write(tmp_path / "root.crt").read_text() == ca.pem

    def test_the_zip_holds_the_pem_in_a_folder(self, ca: RegionalCA) -> None:
        with zipfile.ZipFile(io.BytesIO(ca.zip_bytes())) as archive:
            assert archive.namelist() == ["US-East-1/US-East-1.pem"]
            assert archive.read("US-East-1/US-East-1.pem").decode() == ca.pem

    def test_the_zip_is_the_same_each_time(self, ca: RegionalCA) -> None:
        assert ca.zip_bytes() == ca.zip_bytes()


class TestIntermediate:
    def test_its_client_verifies_with_the_chain(self, ca: RegionalCA) -> None:
        lower = ca.intermediate()
        client = lower.client()
        assert path(client, ca) == [client.certificate, lower.certificate, ca.certificate]

    def test_two_of_them_make_a_longer_chain(self, ca: RegionalCA) -> None:
        upper = ca.intermediate()
        lower = upper.intermediate("Lower CA")
        client = lower.client()
        assert client.chain == (lower.certificate, upper.certificate)
        assert path(client, ca) == [client.certificate, *client.chain, ca.certificate]

    def test_each_depth_has_its_own_name(self, ca: RegionalCA) -> None:
        upper = ca.intermediate()
        assert upper.intermediate().certificate.subject != upper.certificate.subject

    def test_it_is_not_an_anchor_for_the_roots_clients(self, ca: RegionalCA) -> None:
        with refusal_expected():
            path(ca.client(), ca.intermediate())

    def test_it_can_be_expired(self, ca: RegionalCA) -> None:
        with refusal_expected():
            path(ca.intermediate(not_after=NOW - DAY).client(), ca)

    def test_it_lives_as_long_as_its_issuer(self, ca: RegionalCA) -> None:
        own, issuer = ca.intermediate().certificate, ca.certificate
        assert (own.not_valid_before_utc, own.not_valid_after_utc) == (
            issuer.not_valid_before_utc,
            issuer.not_valid_after_utc,
        )

    def test_it_leaves_its_issuer_as_it_was(self, ca: RegionalCA) -> None:
        before = (ca.certificate, ca.private_key, ca.chain)
        ca.intermediate()
        assert (ca.certificate, ca.private_key, ca.chain) == before


class TestRenewed:
    def test_it_has_the_same_subject_and_another_key(self, ca: RegionalCA) -> None:
        successor = ca.renewed()
        assert successor.certificate.subject == ca.certificate.subject
        assert successor.certificate.public_key() != ca.certificate.public_key()

    def test_it_keeps_the_key_if_wanted(self, ca: RegionalCA) -> None:
        successor = ca.renewed(same_key=True)
        assert successor.certificate != ca.certificate
        assert successor.certificate.public_key() == ca.certificate.public_key()

    def test_its_key_is_of_the_same_kind(self) -> None:
        key = RegionalCA(key=KeyKind.RSA2048, now=NOW).renewed().private_key
        assert isinstance(key, rsa.RSAPrivateKey)
        assert key.key_size == 2048

    def test_its_clients_are_strangers_to_the_old_root(self, ca: RegionalCA) -> None:
        with refusal_expected():
            path(ca.renewed().client(), ca)

    def test_with_the_same_key_either_vouches_for_the_clients_of_the_other(self, ca: RegionalCA) -> None:
        successor = ca.renewed(same_key=True)
        assert path(successor.client(), ca)
        assert path(ca.client(), successor)

    def test_its_life_can_be_given(self, ca: RegionalCA) -> None:
        own = ca.renewed(not_before=NOW + DAY, not_after=NOW + 2 * DAY).certificate
        assert (own.not_valid_before_utc, own.not_valid_after_utc) == (NOW + DAY, NOW + 2 * DAY)

    def test_a_renewed_intermediate_is_signed_by_the_same_issuer(self, ca: RegionalCA) -> None:
        successor = ca.intermediate().intermediate().renewed()
        client = successor.client()
        assert path(client, ca) == [client.certificate, successor.certificate, *successor.chain[1:], ca.certificate]
