"""Revocation lists."""

from datetime import datetime, timedelta

import pytest
from cryptography import x509

from mtls_middleware.testing import KeyKind, RegionalCA
from tests.testing.verification import NOW

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def read(der: bytes) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(der)


def serial_numbers(der: bytes) -> list[int]:
    return [entry.serial_number for entry in read(der)]


def life(der: bytes) -> tuple[datetime, datetime]:
    begin, end = read(der).last_update_utc, read(der).next_update_utc
    assert end is not None
    return begin, end


def test_it_revokes_nothing_by_default(ca: RegionalCA) -> None:
    assert serial_numbers(ca.crl()) == []


def test_it_revokes_numbers_clients_and_certificates(ca: RegionalCA) -> None:
    client, lower = ca.client(), ca.intermediate()
    assert serial_numbers(ca.crl([7, client, lower.certificate])) == [
        7,
        client.certificate.serial_number,
        lower.certificate.serial_number,
    ]


@pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.RSA2048, KeyKind.ED25519])
def test_its_ca_signed_it(kind: KeyKind) -> None:
    root = RegionalCA(key=kind, now=NOW)
    assert read(root.crl()).is_signature_valid(root.private_key.public_key())


def test_it_has_the_extensions_of_aws_private_ca(ca: RegionalCA) -> None:
    found = {type(extension.value): extension.critical for extension in read(ca.crl()).extensions}
    assert found == {x509.CRLNumber: False, x509.AuthorityKeyIdentifier: False}


def test_its_issuer_and_number_are_right(ca: RegionalCA) -> None:
    crl = read(ca.crl(number=42))
    assert crl.issuer == ca.certificate.subject
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 42


def test_it_is_fresh_by_default(ca: RegionalCA) -> None:
    assert life(ca.crl()) == (NOW - HOUR, NOW - HOUR + 7 * DAY)


@pytest.mark.parametrize("end", [NOW - DAY, NOW + DAY, NOW + 99 * DAY], ids=["stale", "soon stale", "long fresh"])
def test_only_its_end_can_be_given(ca: RegionalCA, end: datetime) -> None:
    begin, seen = life(ca.crl(next_update=end))
    assert seen == end
    assert begin < NOW


def test_both_ends_can_be_given(ca: RegionalCA) -> None:
    assert life(ca.crl(this_update=NOW + DAY, next_update=NOW + 2 * DAY)) == (NOW + DAY, NOW + 2 * DAY)
