"""How many elements a certificate has: each header is counted once, also in the values of extensions."""

import pytest

from mtls_middleware._core import elements
from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.elements import _count, has_too_many_elements
from mtls_middleware._trust.crl import der
from tests.core.certs import good_client, regional_ca

MANY = 1_000
NULL = b"\5\0"


def seq(*parts: bytes) -> bytes:
    return der.encode(der.SEQUENCE, b"".join(parts))


def octets(content: bytes) -> bytes:
    return der.encode(der.OCTET_STRING, content)


COUNTED = {
    "nothing": (b"", 0),
    "a header that is cut off": (b"\x30", 0),
    "an empty sequence": (seq(), 1),
    "an indefinite length": (b"\x0c\x80" + NULL, 2),
    "one behind another": (NULL + NULL, 2),
    "a sequence of three": (seq(NULL, NULL, NULL), 4),
    "a sequence in a sequence": (seq(seq(NULL), NULL), 4),
    "a set, and a tag of context": (b"\x31\2" + NULL + b"\xa0\2" + NULL, 4),
    "a long content without elements": (b"\x0c\x82\1\0" + b"\x30" * 256 + NULL, 2),
    "a long sequence": (seq(*[NULL] * 200), 201),
    "a content that looks like elements": (b"\x0c\4" + NULL + NULL, 1),
    "an extension's value": (octets(seq(NULL, NULL)) + NULL, 5),
    "a value that is no sequence": (octets(NULL + NULL) + NULL, 2),
    "a value in a value": (octets(seq(octets(seq(NULL)))) + NULL, 4),
    "a value behind a value": (octets(seq(NULL)) + octets(seq(NULL)), 6),
    "a length in a value that leads beyond it": (octets(b"\x30\4\x0c\x7f\1\1") + NULL + NULL, 5),
    "a long value": (octets(seq(*[NULL] * 200)) + NULL, 203),
}


@pytest.mark.parametrize(("data", "count"), COUNTED.values(), ids=COUNTED)
def test_each_header_is_counted_once(data: bytes, count: int) -> None:
    assert _count(data, MANY) == count


def test_it_stops_behind_the_bound() -> None:
    assert _count(NULL * 50, 10) == 11


def test_what_is_free_is_not_counted_to_the_byte() -> None:
    free = NULL * (elements.FREE_BYTES // 2)
    assert len(free) == elements.FREE_BYTES
    assert not has_too_many_elements([free])
    assert has_too_many_elements([free + b"\0"])
    assert has_too_many_elements([free, b"\0"])


@pytest.mark.parametrize("certificates", [1, 2, 5])
def test_all_certificates_share_one_bound(certificates: int) -> None:
    bound = elements.ELEMENTS + certificates * elements.ELEMENTS_EACH
    named = b"\x0c\x06abcdef"
    ders = [seq(*[named] * (bound - certificates))] + [seq(b"\x0c\x7f" + b"a" * 127)[:2]] * (certificates - 1)
    assert not has_too_many_elements(ders)
    assert has_too_many_elements([ders[0] + NULL, *ders[1:]])


@pytest.mark.parametrize("where", ["the caller's own", "beside it"])
def test_a_certificate_of_too_many_elements_is_malformed(where: str) -> None:
    full = regional_ca().client(names=[f"{number}.example" for number in range(3_000)])
    ders = [full.der] if where == "the caller's own" else [good_client().der, full.der]
    with pytest.raises(RejectionError, match="more names, attributes or extensions than certificates have") as refused:
        parse_chain(ders)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED
