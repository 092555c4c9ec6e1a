"""Hostile bytes end in ``certificate_malformed``; good ones say what stands in them."""

import warnings
from datetime import UTC, datetime
from typing import Literal

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from mtls_middleware._core.certificate import REMEMBERED, VerifiedChain, evidence_of, fingerprint, parse_chain
from mtls_middleware._core.decision import Evidence, Reason, RejectionError
from tests.core.certs import NAME, good_client, outcome, presented, regional_ca

GOOD = good_client().der
CA = regional_ca().der

_UTF8_TEST = b"\x0c\x04Test"
_DNS_NAME = bytes([0x82, len(NAME)])


def _with(before: bytes, after: bytes, der: bytes = GOOD) -> bytes:
    assert before in der
    return der.replace(before, after, 1)


def _begins(date: bytes, der: bytes = GOOD) -> bytes:
    """Give a certificate a GeneralizedTime, which has four digits for the year, as the start of its life."""
    validity = b"\x30\x1e\x17\x0d"
    before, _, after = der.partition(validity)
    longer = before + b"\x30\x20\x18\x0f" + date + after[13:]
    for at in (0, 4):  # the lengths of the certificate, and of what is signed
        longer = (
            longer[: at + 2]
            + (int.from_bytes(longer[at + 2 : at + 4], "big") + 2).to_bytes(2, "big")
            + longer[at + 4 :]
        )
    return longer


HOSTILE = {
    "nothing": [],
    "no bytes": [b""],
    "garbage": [b"\xff" * 40],
    "cut off": [GOOD[:-1]],
    "a byte too many": [GOOD + b"\0"],
    "two in one": [GOOD + GOOD],
    "PEM": [good_client().pem.encode()],
    "a CRL": [regional_ca().crl()],
    "indefinite length": [b"\x30\x80" + GOOD[4:] + b"\0\0"],
    "a length of 4 GB": [b"\x30\x84\xff\xff\xff\xff" + GOOD[4:]],
    "version 9": [_with(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x08")],
    "version 1 with extensions": [_with(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x00")],
    "an extension twice": [_with(b"\x55\x1d\x0e", b"\x55\x1d\x23")],
    "a subject that is no UTF-8": [_with(_UTF8_TEST, b"\x0c\x04Te\xff\xff")],
    "a subject of bits": [GOOD.replace(_UTF8_TEST, b"\x03\x04\x00est")],
    "a subject of a strange type": [_with(_UTF8_TEST, b"\x1c\x04Test")],
    "an x400Address in the SAN": [_with(_DNS_NAME, bytes([0xA3, len(NAME)]))],
    "an ediPartyName in the SAN": [_with(_DNS_NAME, bytes([0xA5, len(NAME)]))],
    "an address of 42 bytes in the SAN": [_with(_DNS_NAME, bytes([0x87, len(NAME)]))],
    "a dNSName beyond ASCII": [_with(_DNS_NAME + b"d", _DNS_NAME + b"\xe9")],
    "a date that is none": [_with(b"\x17\x0d26", b"\x17\x0dxx")],
    "basic constraints that are a set": [_with(b"\x55\x1d\x13\x04\x02\x30\x00", b"\x55\x1d\x13\x04\x02\x31\x00")],
    "garbage beside the leaf": [GOOD, b"\xff"],
    "the year 0": [_begins(b"00000101000000Z")],
    "the year 0 beside the leaf": [GOOD, _begins(b"00000101000000Z", CA)],
    "a date that is none beside the leaf": [GOOD, _with(b"\x17\x0d26", b"\x17\x0dxx", CA)],
}


@pytest.mark.parametrize("presented_ders", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bytes_are_malformed(presented_ders: list[bytes]) -> None:
    with pytest.raises(RejectionError) as refused:
        parse_chain(presented_ders)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(_with(_UTF8_TEST, b"\x0c\x04Te\xff\xff", CA), id="issuer"),
        pytest.param(CA.replace(_UTF8_TEST, b"\x03\x04\x00est"), id="bits"),
    ],
)
def test_an_unreadable_name_beside_the_leaf_is_malformed(der: bytes) -> None:
    """It used to surface later, as ``internal_error``, when the name was compared with an issuer's."""
    with pytest.raises(RejectionError) as refused:
        parse_chain([GOOD, der])
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


@pytest.mark.parametrize("serial_number", [0, -1, -(2**100)])
@pytest.mark.parametrize("warn", ["error", "ignore"])
def test_a_serial_number_below_1_is_malformed_whatever_python_does_with_warnings(
    serial_number: int, warn: Literal["error", "ignore"], recwarn: pytest.WarningsRecorder
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        der = regional_ca().client(serial_number=serial_number).der
    with warnings.catch_warnings():
        warnings.simplefilter(warn)
        assert outcome(lambda: parse_chain([der])) is Reason.CERTIFICATE_MALFORMED
    assert not recwarn


def test_the_names_are_read_as_written() -> None:
    chain = presented(regional_ca().client(names=["a.example", "B.example"], common_names=["one", "two"]))
    assert (chain.dns_names, chain.common_names) == (("a.example", "B.example"), ("one", "two"))


def test_only_dns_names_count_as_dns_names() -> None:
    others = [
        x509.RFC822Name("caller@a.example"),
        x509.UniformResourceIdentifier("https://b.example"),
        x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x0c\x01c"),
        x509.DirectoryName(x509.Name([])),
    ]
    assert presented(regional_ca().client(names=["a.example"], other_sans=others)).dns_names == ("a.example",)


def test_a_san_without_dns_names_is_not_the_absence_of_a_san() -> None:
    client = regional_ca().client(names=None, other_sans=[x509.RFC822Name("caller@a.example")])
    assert presented(client).dns_names == ()


def test_the_absence_of_extensions_is_told() -> None:
    chain = presented(regional_ca().client(names=None, key_usage=None, extended_key_usage=None))
    assert (chain.dns_names, chain.key_usage, chain.extended_key_usage, chain.is_ca) == (None, None, None, False)


def test_the_uses_are_read() -> None:
    chain = presented(regional_ca().client(is_ca=True, extended_key_usage=[ExtendedKeyUsageOID.CLIENT_AUTH]))
    assert chain.key_usage is not None
    assert chain.key_usage.digital_signature
    assert chain.extended_key_usage == frozenset({ExtendedKeyUsageOID.CLIENT_AUTH})
    assert chain.is_ca


def test_the_first_certificate_is_the_leaf_and_the_others_keep_their_order() -> None:
    others = [regional_ca().intermediate("one").certificate, regional_ca().intermediate("two").certificate]
    chain = presented(good_client(), *others)
    assert (chain.leaf, chain.leaf_der, chain.intermediates) == (good_client().certificate, GOOD, tuple(others))


def test_the_evidence_recognises_the_leaf() -> None:
    evidence = evidence_of(presented(good_client()))
    assert evidence.fingerprint_sha256 == fingerprint(GOOD) == good_client().fingerprint_sha256
    assert evidence.subject == good_client().certificate.subject.rfc4514_string()
    assert evidence.issuer == regional_ca().certificate.subject.rfc4514_string()
    assert evidence.dns_names == (NAME,)


def test_the_evidence_of_a_certificate_without_names_has_none() -> None:
    assert evidence_of(presented(regional_ca().client(names=None))).dns_names == ()


def test_the_anchor_is_the_end_of_the_chain() -> None:
    chain = presented(good_client())
    certificates = (chain.leaf, regional_ca().certificate)
    verified = VerifiedChain(
        leaf=chain,
        certificates=certificates,
        not_before=chain.leaf.not_valid_before_utc,
        not_after=chain.leaf.not_valid_after_utc,
    )
    assert verified.anchor is regional_ca().certificate


def test_a_serial_number_of_1_is_good() -> None:
    assert presented(regional_ca().client(serial_number=1)).leaf.serial_number == 1


def test_a_leaf_without_basic_constraints_is_no_ca() -> None:
    unknown_extension = b"\x55\x1d\x63"
    assert not parse_chain([_with(b"\x55\x1d\x13", unknown_extension)]).is_ca


def test_bytes_that_come_again_are_read_once_and_few_are_remembered() -> None:
    first = parse_chain([GOOD])
    assert parse_chain([bytes(bytearray(GOOD))]) is first
    assert parse_chain([GOOD, CA]) is not first

    for _ in range(REMEMBERED):
        parse_chain([regional_ca().client().der])

    assert parse_chain([GOOD]) is not first


def test_hostile_bytes_are_refused_each_time() -> None:
    for _ in range(3):
        with pytest.raises(RejectionError):
            parse_chain([GOOD[:-1]])


def test_the_longer_form_of_a_date_is_read() -> None:
    assert parse_chain([_begins(b"20260101000000Z")]).leaf.not_valid_before_utc == datetime(2026, 1, 1, tzinfo=UTC)


def test_the_evidence_has_what_an_operator_looks_for() -> None:
    client = good_client()
    assert evidence_of(presented(client)) == Evidence(
        fingerprint_sha256=client.fingerprint_sha256,
        subject=f"CN={NAME},O=Test,C=US",
        issuer=regional_ca().certificate.subject.rfc4514_string(),
        dns_names=(NAME,),
        not_after=client.certificate.not_valid_after_utc,
    )
