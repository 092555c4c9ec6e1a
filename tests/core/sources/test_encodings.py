"""Percent-encoding, base64, DER in a row, structured fields: strict, once, and nothing left over."""

import base64
from urllib.parse import quote

import pytest

from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.sources import decoders
from mtls_middleware._core.sources.decoders import base64_list, base64_strict, concatenated, unquoted
from tests.core.certs import good_client, regional_ca

ONE, TWO = good_client().der, regional_ca().der
B64_ONE, B64_TWO = base64.b64encode(ONE), base64.b64encode(TWO)
LIMIT = 3


def _is_malformed(refused: pytest.ExceptionInfo[RejectionError]) -> bool:
    return refused.value.reason is Reason.CERTIFICATE_MALFORMED


# ------------------------------------------------------------------------------------------------- percent-encoding

ESCAPED = {
    "plain": (b"abc", b"abc"),
    "a plus stays": (b"a+b", b"a+b"),
    "an encoded plus": (b"a%2bb%2Bc", b"a+b+c"),
    "lower and upper case": (b"%0a%0A%2F%2f", b"\n\n//"),
    "once only": (b"%252B", b"%2B"),
    "bytes beyond ASCII": (b"%ff%00", b"\xff\0"),
    "literal base64": (b"+/=", b"+/="),
}


@pytest.mark.parametrize(("text", "expected"), ESCAPED.values(), ids=ESCAPED.keys())
def test_percent_encoding_is_decoded_once(text: bytes, expected: bytes) -> None:
    assert unquoted(text) == expected


@pytest.mark.parametrize(
    "text",
    [b"%", b"%2", b"a%", b"%zz", b"%%41", b"%-1", b"%+1", b"% 1", b"a b", b"a\nb", b"a\tb", b"\xe9", b"\0", b"\x7f"],
    ids=repr,
)
def test_broken_percent_encoding_is_malformed(text: bytes) -> None:
    with pytest.raises(RejectionError) as refused:
        unquoted(text)
    assert _is_malformed(refused)


# ----------------------------------------------------------------------------------------------------------- base64


def test_base64_is_decoded() -> None:
    assert base64_strict(B64_ONE) == ONE


BAD_BASE64 = {
    "nothing": b"",
    "no padding": b"QUI",
    "too much padding": b"QUI==",
    "padding alone": b"====",
    "padding first": b"=QUJD",
    "something behind the padding": b"QQ==QQ==",
    "one character": b"Q",
    "a line break": b"QU\nJD",
    "a blank": b"QU JD",
    "a comma": b"QUJD,QUJD",
    "URL-safe": b"-_-_",
    "percent-encoded": b"QU%4aD",
    "NUL": b"QUJD\0",
    "beyond ASCII": b"QUJ\xe9",
}


@pytest.mark.parametrize("text", BAD_BASE64.values(), ids=BAD_BASE64.keys())
def test_anything_but_strict_base64_is_malformed(text: bytes) -> None:
    with pytest.raises(RejectionError) as refused:
        base64_strict(text)
    assert _is_malformed(refused)


@pytest.mark.parametrize("separator", [b",", b", ", b" ,\t"], ids=repr)
def test_a_list_is_separated_by_commas(separator: bytes) -> None:
    assert base64_list(separator.join([B64_ONE, B64_TWO]), LIMIT) == (ONE, TWO)


def test_letters_at_the_ends_of_an_item_belong_to_it() -> None:
    assert base64_list(b"XUJX, XXXX\t", LIMIT) == (base64_strict(b"XUJX"), base64_strict(b"XXXX"))


@pytest.mark.parametrize("text", [b"QUJD%2CQUJD", b"QUI%3D", b"%"], ids=repr)
def test_an_old_traefik_is_named(text: bytes) -> None:
    with pytest.raises(RejectionError, match="upgrade Traefik") as refused:
        base64_list(text, LIMIT)
    assert _is_malformed(refused)


@pytest.mark.parametrize("text", [b",", b"QUJD,", b",QUJD", b"QUJD,,QUJD", b"QUJD;QUJD"], ids=repr)
def test_a_list_with_gaps_is_malformed(text: bytes) -> None:
    with pytest.raises(RejectionError) as refused:
        base64_list(text, LIMIT)
    assert _is_malformed(refused)


def test_of_a_list_no_more_than_one_too_many_is_read() -> None:
    assert base64_list(b",".join([B64_ONE] * 100), LIMIT) == (ONE,) * (LIMIT + 1)


# ---------------------------------------------------------------------------------------------------- DERs in a row


@pytest.mark.parametrize(
    "ders",
    [
        pytest.param([ONE], id="one"),
        pytest.param([ONE, TWO], id="two"),
        pytest.param([TWO, ONE, TWO], id="three"),
        pytest.param([b"\x30\x00", b"\x30\x01x"], id="tiny ones"),
        pytest.param([b"\x30\x84\x00\x00\x00\x01x", b"\x30\x81\x00"], id="long lengths"),
    ],
)
def test_ders_in_a_row_are_cut_apart(ders: list[bytes]) -> None:
    assert concatenated(b"".join(ders), LIMIT) == tuple(ders)


BAD_DER = {
    "no sequence": b"\x31\x00",
    "a tag alone": b"\x30",
    "a byte behind": ONE + b"\0",
    "a byte between": ONE + b"\0" + TWO,
    "cut off": ONE[:-1],
    "the second cut off": ONE + TWO[:-1],
    "a length cut off": b"\x30\x82\x01",
    "an indefinite length": b"\x30\x80\x00\x00",
    "an indefinite length, and as many bytes as its octet says": b"\x30\x80" + b"\0" * 128,
    "a length of 5 bytes": b"\x30\x85\x00\x00\x00\x00\x01x",
    "a length of 127 bytes": b"\x30\xff" + b"\0" * 127,
    "a length of 4 GB": b"\x30\x84\xff\xff\xff\xff",
}


@pytest.mark.parametrize("ders", BAD_DER.values(), ids=BAD_DER.keys())
def test_anything_but_ders_in_a_row_is_malformed(ders: bytes) -> None:
    with pytest.raises(RejectionError) as refused:
        concatenated(ders, LIMIT)
    assert _is_malformed(refused)


def test_of_ders_in_a_row_no_more_than_one_too_many_is_read() -> None:
    assert concatenated(b"\x30\x00" * 100, LIMIT) == (b"\x30\x00",) * (LIMIT + 1)


# ------------------------------------------------------------------------------------------------ structured fields


def test_an_item_is_one_byte_sequence() -> None:
    assert decoders.rfc9440_item(b":" + B64_ONE + b":") == ONE


@pytest.mark.parametrize(
    "parameters",
    [
        b";a",
        b";a=1",
        b"; a=1;b=2.5",
        b';a="x, \\" :;"',
        b";a=tok/en:1",
        b";a=:QUJD:",
        b";a=:QQ==:;b=:QUI=:;c=::;d=:QQ:",
        b";a=?0;*b",
        b";a=@-1",
        b";a=-12.125",
    ],
    ids=repr,
)
def test_parameters_of_an_item_mean_nothing(parameters: bytes) -> None:
    item = b":" + B64_ONE + b":" + parameters
    assert decoders.rfc9440_item(item) == ONE
    assert decoders.rfc9440_chain(item + b", " + item, LIMIT) == (ONE, ONE)


@pytest.mark.parametrize("content", [b"A", b"AB", b"ABC", b"ABCD"], ids=repr)
def test_padding_may_be_missing(content: bytes) -> None:
    assert decoders.rfc9440_item(b":" + base64.b64encode(content).rstrip(b"=") + b":") == content


BAD_ITEM = {
    "nothing": b"",
    "one colon": b":",
    "two colons": b"::",
    "no colons": B64_ONE,
    "no first colon": B64_ONE + b":",
    "no last colon": b":" + B64_ONE,
    "another first character": b"xQUJD:",
    "another last character": b":QUJDx",
    "a parameter that is none": b":" + B64_ONE + b":;A=1",
    "a parameter without a name": b":" + B64_ONE + b":;",
    "a parameter without a value": b":" + B64_ONE + b":;a=",
    "a parameter that is cut off": b":" + B64_ONE + b':;a="x',
    "a parameter that is no base64": b":" + B64_ONE + b":;a=:Q:",
    "a parameter with padding in the middle": b":" + B64_ONE + b":;a=:QQ==QUJD:",
    "a blank before a parameter": b":" + B64_ONE + b": ;a",
    "a number that is too long": b":" + B64_ONE + b":;a=1234567890123456",
    "padding that is too long": b":QUJDRA===:",
    "half of its padding": b":QQ=:",
    "a single letter": b":Q:",
    "a blank inside": b": " + B64_ONE + b":",
    "a quoted string": b'"' + B64_ONE + b'"',
    "a token": b"?1",
    "two items": b":QUJD:, :QUJD:",
    "two items without a comma": b":QUJD::QUJD:",
}


@pytest.mark.parametrize("text", BAD_ITEM.values(), ids=BAD_ITEM.keys())
def test_anything_but_one_byte_sequence_is_malformed(text: bytes) -> None:
    with pytest.raises(RejectionError) as refused:
        decoders.rfc9440_item(text)
    assert _is_malformed(refused)


CHAINS = {
    "one": (b":" + B64_ONE + b":", (ONE,)),
    "a list": (b":" + B64_ONE + b":, :" + B64_TWO + b":", (ONE, TWO)),
    "a list without blanks": (b":" + B64_ONE + b":,:" + B64_TWO + b":", (ONE, TWO)),
    "one item of two, as HAProxy writes it": (b":" + base64.b64encode(ONE + TWO) + b":", (ONE, TWO)),
}


@pytest.mark.parametrize(("text", "ders"), CHAINS.values(), ids=CHAINS.keys())
def test_a_chain_is_a_list_or_one_item_of_many(text: bytes, ders: tuple[bytes, ...]) -> None:
    assert decoders.rfc9440_chain(text, LIMIT) == ders


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b",",
        b":QUJD:,",
        b",:QUJD:",
        b":QUJD:,,:QUJD:",
        b":QUJD:;P, :QUJD:",
        b":QUJD: :QUJD:",
        b":QUJD:;a=(1), :QUJD:",
        b"(:QUJD: :QUJD:)",
    ],
    ids=repr,
)
def test_a_chain_with_gaps_is_malformed(text: bytes) -> None:
    with pytest.raises(RejectionError) as refused:
        decoders.rfc9440_chain(text, LIMIT)
    assert _is_malformed(refused)


def test_of_a_chain_no_more_than_one_too_many_is_read() -> None:
    text = b",".join([b":" + B64_ONE + b":"] * 100)
    assert decoders.rfc9440_chain(text, LIMIT) == (ONE,) * (LIMIT + 1)


def test_percent_encoded_pem_survives() -> None:
    assert unquoted(quote(good_client().pem, safe="").encode()) == good_client().pem.encode()


def test_a_list_that_is_one_too_many_is_still_a_list() -> None:
    assert decoders.rfc9440_chain(b":QUJD:, :QUJD:", 0) == (b"ABC",)
