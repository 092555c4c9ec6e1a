"""The content of a file decides what it is, and only whole certificates come out."""

import base64
import warnings
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, pkcs7, pkcs12
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.files import InputError, NotACertificateError
from mtls_middleware._trust.files.content import CERTIFICATE_BYTES, is_ca, is_self_issued, parse_certificates

Certify = Callable[..., x509.Certificate]


def test_pem_with_several_certificates_is_read(certify: Certify, pem: Callable[..., bytes]) -> None:
    first, second = certify("first"), certify("second")
    assert parse_certificates(b"# roots\n" + pem(first, second)) == (first, second)


def test_der_is_one_certificate(certify: Certify, der: Callable[..., bytes]) -> None:
    root = certify()
    assert parse_certificates(der(root)) == (root,)


def test_der_with_bytes_behind_it_is_refused(certify: Certify, der: Callable[..., bytes]) -> None:
    with pytest.raises(InputError, match="DER certificate cannot be read"):
        parse_certificates(der(certify()) + b"\0")


def test_a_certificate_that_may_hold_a_name_in_every_second_byte_is_not_even_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"
    monkeypatch.setattr(x509, "load_der_x509_certificate", None)
    with pytest.raises(InputError, match="PEM block 1 is larger than 65,536 bytes"):
        parse_certificates(large % base64.b64encode(b"\x30" + bytes(CERTIFICATE_BYTES)))


def test_the_block_that_is_no_certificate_is_named(certify: Certify, pem: Callable[..., bytes]) -> None:
    bad = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(b"0\x03\x02\x01\x01") + b"\n-----END CERTIFICATE-----\n"
    with pytest.raises(InputError, match="PEM block 2 cannot be read"):
        parse_certificates(pem(certify()) + bad)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b" \r\n", "is empty", id="blank"),
        pytest.param("\ufeff-----BEGIN CERTIFICATE-----".encode("utf-16-le"), "UTF-16", id="utf-16"),
        pytest.param(b"\n<!DOCTYPE html><html>", "web page", id="web-page"),
        pytest.param(b"%PDF-1.7", "neither PEM nor DER nor a zip", id="pdf"),
        pytest.param(bytes(range(256)), "neither PEM nor DER nor a zip", id="garbage"),
    ],
)
def test_what_does_not_look_like_a_certificate_is_foreign(data: bytes, reason: str) -> None:
    with pytest.raises(NotACertificateError, match=reason):
        parse_certificates(data)


def test_pkcs7_is_named(certify: Certify) -> None:
    with pytest.raises(InputError, match="PKCS#7"):
        parse_certificates(pkcs7.serialize_certificates([certify()], Encoding.DER))


@pytest.mark.parametrize("password", [None, b"secret"], ids=["plain", "encrypted"])
def test_pkcs12_is_named(password: bytes | None, certify: Certify) -> None:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1())
    store = pkcs12.serialize_key_and_certificates(b"x", key, certify(key=key), None, encryption)
    with pytest.raises(InputError, match="PKCS#12"):
        parse_certificates(store)


def test_a_serial_number_of_zero_is_a_problem_where_warnings_are_errors(
    certify: Certify, der: Callable[..., bytes]
) -> None:
    data = der(certify(serial=1)).replace(b"\x02\x01\x01", b"\x02\x01\x00", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match="cannot be read"):
            parse_certificates(data)


def test_a_key_of_an_unknown_kind_is_a_problem(certify: Certify, der: Callable[..., bytes]) -> None:
    # 1.2.840.10045.2.1 is id-ecPublicKey; its neighbour is nothing.
    data = der(certify()).replace(bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d0277"))
    with pytest.raises(InputError, match="cannot be read"):
        parse_certificates(data)


@pytest.mark.parametrize(("ca", "expected"), [(True, True), (False, False), (None, False)])
def test_only_basic_constraints_make_a_ca(ca: bool | None, expected: bool, certify: Certify) -> None:
    assert is_ca(certify(ca=ca)) is expected


def test_an_intermediate_is_not_self_issued(certify: Certify) -> None:
    root = certify("root")
    assert is_self_issued(root)
    assert not is_self_issued(certify("intermediate", issuer=root))


@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_mutated_der_gives_a_certificate_or_unusable(data: st.DataObject, sample: bytes) -> None:
    content = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(content) - 1))
        content[index : index + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        content = content or bytearray(b"0")
    try:
        assert len(parse_certificates(bytes(content))) == 1
    except InputError:
        return


@given(data=st.binary(max_size=200))
def test_any_bytes_give_certificates_or_unusable(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_certificates(data)


@pytest.fixture(scope="module")
def sample(certify: Certify, der: Callable[..., bytes]) -> bytes:
    return der(certify())
