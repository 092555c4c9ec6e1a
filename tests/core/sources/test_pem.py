"""PEM is framed strictly: certificates one after another, and nothing else."""

import base64

import pytest

from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.sources import decoders

BEGIN = b"-----BEGIN CERTIFICATE-----"
END = b"-----END CERTIFICATE-----"
LIMIT = 3


def armoured(content: bytes, newline: bytes = b"\n") -> bytes:
    lines = base64.encodebytes(content).split()
    return newline.join([BEGIN, *lines, END]) + newline


ONE = armoured(b"one" * 40)

GOOD = {
    "one": (ONE, 1),
    "without a final newline": (ONE.strip(), 1),
    "CRLF": (armoured(b"one" * 40, b"\r\n"), 1),
    "in one line of base64": (BEGIN + b"\n" + base64.b64encode(b"one" * 40) + b"\n" + END, 1),
    "three": (ONE * 3, 3),
    "three with empty lines": ((ONE + b"\r\n\n") * 3, 3),
    "newlines first": (b"\r\n" + ONE, 1),
}


@pytest.mark.parametrize(("text", "count"), GOOD.values(), ids=GOOD.keys())
def test_certificates_are_read_one_after_another(text: bytes, count: int) -> None:
    assert decoders.pem_certificates(text, LIMIT) == (b"one" * 40,) * count


BAD = {
    "nothing": b"",
    "newlines": b"\r\n\r\n",
    "text before": b"x" + ONE,
    "a blank before": b" " + ONE,
    "text behind": ONE + b"x",
    "text between": ONE + b"x\n" + ONE,
    "attributes as openssl prints them": b"Certificate:\n    Data:\n" + ONE,
    "headers inside": ONE.replace(BEGIN + b"\n", BEGIN + b"\nProc-Type: 4,ENCRYPTED\n\n"),
    "no END": ONE.replace(END, b""),
    "no BEGIN": ONE.replace(BEGIN, b""),
    "no newline behind BEGIN": ONE.replace(BEGIN + b"\n", BEGIN),
    "BEGIN in BEGIN": BEGIN + b"\n" + ONE,
    "END twice": ONE + END + b"\n",
    "four hyphens": ONE.replace(b"-----B", b"----B"),
    "lower case": ONE.lower(),
    "another label": ONE.replace(b"CERTIFICATE", b"PRIVATE KEY"),
    "a trusted certificate": ONE.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"),
    "an X509 certificate": ONE.replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
    "empty": BEGIN + b"\n" + END,
    "no base64": BEGIN + b"\n!!!!\n" + END,
    "blanks in the base64": ONE.replace(b"b25l", b"b2 5l", 1),
    "bad padding": BEGIN + b"\nAAA\n" + END,
    "padding in the middle": BEGIN + b"\nAA==AAAA\n" + END,
    "URL-safe base64": BEGIN + b"\n-_-_\n" + END,
    "NUL": ONE.replace(b"\n", b"\0"),
    "beyond ASCII": ONE.replace(b"b25l", b"b2\xe9l", 1),
    "a second that is bad": ONE + BEGIN + b"\n!!!!\n" + END,
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_anything_else_is_malformed(text: bytes) -> None:
    with pytest.raises(RejectionError) as refused:
        decoders.pem_certificates(text, LIMIT)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t ", b"\n\t", b"\r\n ", b"\r"], ids=repr)
def test_any_white_space_may_stand_for_a_newline_where_that_is_said(blank: bytes) -> None:
    assert (
        decoders.pem_certificates(armoured(b"one" * 40, blank) * 2, LIMIT, decoders.WHITE_SPACE) == (b"one" * 40,) * 2
    )


def test_the_blank_in_the_label_must_be_a_blank() -> None:
    with pytest.raises(RejectionError):
        decoders.pem_certificates(ONE.replace(b"BEGIN CERT", b"BEGIN\nCERT"), LIMIT, decoders.WHITE_SPACE)


@pytest.mark.parametrize("count", [LIMIT + 1, LIMIT + 2, 1000])
def test_no_more_than_one_too_many_is_read(count: int) -> None:
    assert len(decoders.pem_certificates(ONE * count, LIMIT)) == LIMIT + 1


def test_what_stands_behind_one_too_many_is_not_looked_at() -> None:
    assert len(decoders.pem_certificates(ONE * (LIMIT + 1) + b"garbage", LIMIT)) == LIMIT + 1


def test_a_single_certificate_is_single() -> None:
    assert decoders.pem_certificate(ONE) == b"one" * 40


def test_two_are_not_a_single_one() -> None:
    with pytest.raises(RejectionError, match="two certificates"):
        decoders.pem_certificate(ONE * 2)


@pytest.mark.parametrize("text", [BEGIN, BEGIN + b"\n", BEGIN + b"\nQUJD\n", BEGIN + b"\nQUJD\n" + END[:-1]], ids=repr)
def test_a_cut_off_pem_says_so(text: bytes) -> None:
    with pytest.raises(RejectionError, match="the PEM has no END line"):
        decoders.pem_certificates(text, 1)
