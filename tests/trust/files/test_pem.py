"""PEM files are framed strictly, and whatever stands in them, nothing else than Unusable is raised."""

import base64
from collections.abc import Callable

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.files import InputError
from mtls_middleware._trust.files.content import CERTIFICATES, decode, is_pem

BOM = b"\xef\xbb\xbf"


def block(content: bytes, label: str = "CERTIFICATE") -> bytes:
    """Frame bytes; what they are does not matter here."""
    text = base64.encodebytes(content).decode("ascii")
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()


ONE, TWO = b"one" * 40, b"two" * 40
GOOD = block(ONE) + block(TWO)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD, id="plain"),
        pytest.param(GOOD.rstrip(b"\n"), id="no-final-newline"),
        pytest.param(GOOD.replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param(GOOD.replace(b"\n", b"\r"), id="cr"),
        pytest.param(GOOD.replace(b"\n", b" \t\n"), id="trailing-blanks"),
        pytest.param(BOM + GOOD, id="byte-order-mark"),
        pytest.param(block(ONE) + BOM + block(TWO), id="byte-order-mark-at-the-seam"),
        pytest.param(block(ONE) + b"\n\n\n" + block(TWO), id="empty-lines"),
        pytest.param(b" 0 s:C=US, CN=\xc3\xa4\n   i:CN=x\n" + block(ONE) + b"---\n" + block(TWO) + b"# end", id="text"),
        pytest.param(GOOD.replace(b"-\nb", b"-\n  b"), id="indented-base64"),
    ],
)
def test_every_certificate_is_decoded(text: bytes) -> None:
    assert decode(text) == (ONE, TWO)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(GOOD + block(ONE, "PRIVATE KEY"), "block 3 is a private key", id="private-key"),
        pytest.param(GOOD + block(ONE, "RSA PRIVATE KEY"), "block 3 is a private key", id="rsa-private-key"),
        pytest.param(GOOD + block(ONE, "ENCRYPTED PRIVATE KEY"), "block 3 is a private key", id="encrypted-key"),
        pytest.param(block(ONE, "TRUSTED CERTIFICATE"), "block 1 is TRUSTED CERTIFICATE", id="trusted"),
        pytest.param(block(ONE, "X509 CERTIFICATE"), "block 1 is X509 CERTIFICATE", id="x509"),
        pytest.param(block(ONE, "certificate"), "block 1 is certificate", id="lower-case"),
        pytest.param(GOOD + block(ONE, "PKCS7"), "openssl pkcs7", id="pkcs7"),
        pytest.param(GOOD + block(ONE, "X509 CRL"), "MTLS_CRL_URLS", id="crl"),
        pytest.param(block(ONE, "CERTIFICATE REQUEST"), "a CA has to sign it first", id="request"),
        pytest.param(block(ONE, "\x1b[31mX\u202e"), r"\x1b[31mX\u202e", id="control-characters-in-the-label"),
        pytest.param(GOOD[:-10], "block 2: each BEGIN and END", id="broken-end"),
        pytest.param(GOOD[:-40], "block 2 has no END line: the file is cut off", id="cut-off"),
        pytest.param(block(ONE).replace(b"-----END", b"-----BEGIN"), "no END line before the next BEGIN", id="begins"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\n" + GOOD, "no END line before the next BEGIN", id="nested"),
        pytest.param(b"-----END CERTIFICATE-----\n" + GOOD, "END line without BEGIN", id="end-first"),
        pytest.param(block(ONE).rstrip() + block(TWO), "a line of its own", id="glued"),
        pytest.param(b" " + GOOD, "a line of its own", id="indented"),
        pytest.param(GOOD.replace(b"\n", b"\\n"), "a line of its own", id="escaped-newlines"),
        pytest.param(GOOD.replace(b"\n", b" "), "a line of its own", id="one-line"),
        pytest.param(GOOD.replace(b"END CERTIFICATE", b"END X", 1), "begins as CERTIFICATE and ends as X", id="labels"),
        pytest.param(block(b""), "block 1 is empty", id="empty-block"),
        pytest.param(GOOD.replace(b"dHdv", b"dH*v", 1), "block 2 is not valid base64", id="bad-character"),
        pytest.param(block(b"four").replace(b"==", b""), "block 1 is not valid base64", id="bad-padding"),
        pytest.param(block(b"four").replace(b"==", b"==AAAA"), "not valid base64", id="after-padding"),
        pytest.param(
            GOOD.replace(b"-\nd", b"-\nProc-Type: 4,ENCRYPTED\n\nd", 1), "block 2 is not valid base64", id="headers"
        ),
        pytest.param(block(ONE) * (CERTIFICATES + 1), "more than 1,000", id="too-many"),
        pytest.param(b"no PEM", "holds no PEM certificate", id="none"),
    ],
)
def test_a_bad_block_spoils_the_file(text: bytes, reason: str) -> None:
    with pytest.raises(InputError) as raised:
        decode(text)
    assert reason in str(raised.value)


def test_a_message_never_shows_the_content_of_a_key() -> None:
    with pytest.raises(InputError) as raised:
        decode(block(b"secret" * 20, "PRIVATE KEY"))
    assert base64.b64encode(b"secret").decode() not in str(raised.value)


def test_a_file_of_many_certificates_is_read() -> None:
    assert len(decode(block(ONE) * CERTIFICATES)) == CERTIFICATES


@given(data=st.data())
def test_mutated_pem_gives_certificates_or_unusable(data: st.DataObject, sample: bytes) -> None:
    text = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(text)))
        length = data.draw(st.sampled_from([0, 1, 5, 60, len(text)]))
        text[index : index + length] = data.draw(
            st.binary(max_size=8)
            | st.sampled_from([b"-----BEGIN", b"-----END CERTIFICATE-----\n", b"\n", b"=", bytes(text[:80])])
        )
    try:
        ders = decode(bytes(text))
    except InputError:
        return
    assert is_pem(bytes(text))
    assert all(ders)


@given(st.binary())
def test_any_bytes_give_certificates_or_unusable(data: bytes) -> None:
    try:
        ders = decode(data)
    except InputError:
        return
    assert all(ders)


@pytest.fixture(scope="module")
def sample(certify: Callable[..., x509.Certificate], pem: Callable[..., bytes]) -> bytes:
    return pem(certify("a"), certify("b"))
