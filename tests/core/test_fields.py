"""Every copy of a header is seen, and every spelling that somebody could take for it."""

import pytest

from mtls_middleware._core.connection import ABSENT, Field, Interface, _configured, _wanted, canonical, collect, without
from tests.core.requests import request

NAME = "X-SSL-Client-Cert"


def _field(*headers: tuple[bytes, bytes], interface: Interface = Interface.ASGI) -> Field:
    return collect(request(*headers, interface=interface), frozenset({NAME}))[NAME]


def test_a_header_is_found_whatever_its_case() -> None:
    assert _field((b"host", b"other"), (b"x-ssl-CLIENT-cert", b"value")) == Field(values=(b"value",))


def test_what_did_not_come_is_absent() -> None:
    assert _field((b"x-ssl-client", b"value"), (b"x-ssl-client-cert-2", b"value")) is ABSENT


def test_what_nobody_asked_for_is_absent() -> None:
    assert collect(request((b"other", b"value")), frozenset({NAME}))["Other"] is ABSENT


def test_names_that_a_caller_chose_are_not_remembered() -> None:
    names = frozenset({NAME})
    collect(request(), names)["X-SSL-Client-Cert"]
    remembered = _configured.cache_info().currsize, _wanted.cache_info().currsize

    collect(request(*((b"x-%d" % number, b"value") for number in range(50))), names)[NAME]

    assert (_configured.cache_info().currsize, _wanted.cache_info().currsize) == remembered


def test_each_copy_is_kept_in_wire_order() -> None:
    assert _field((b"x-ssl-client-cert", b"1"), (b"X-SSL-Client-Cert", b"2")).values == (b"1", b"2")


@pytest.mark.parametrize("value", [b" v", b"v ", b"\tv\t", b" \r\n v \r\n\t"], ids=repr)
def test_surrounding_white_space_is_no_part_of_a_value(value: bytes) -> None:
    assert _field((b"x-ssl-client-cert", value)).values == (b"v",)


TWINS = [
    b"x_ssl_client_cert",
    b"X_SSL_Client_Cert",
    b"x-ssl-client_cert",
    b"x-ssl-client-cert ",
    b" x-ssl-client-cert",
    b"\tX_SSL-Client_Cert\t",
]


@pytest.mark.parametrize("twin", TWINS, ids=repr)
def test_another_spelling_is_a_twin(twin: bytes) -> None:
    assert _field((twin, b"evil")) == Field(has_other_spelling=True)


@pytest.mark.parametrize("twin", TWINS, ids=repr)
def test_a_header_with_a_twin_has_no_value_that_can_be_relied_on(twin: bytes) -> None:
    field = _field((b"x-ssl-client-cert", b"good"), (twin, b"evil"))
    assert (field.values, field.has_other_spelling, field.single) == ((b"good",), True, None)


@pytest.mark.parametrize("other", [b"x-ssl-client-cert\x00", b"x-ssl--client-cert", b"x.ssl.client.cert", b"\xff"])
def test_a_name_that_nobody_confuses_is_no_twin(other: bytes) -> None:
    assert _field((other, b"evil")) is ABSENT


def test_wsgi_cannot_tell_the_spellings_apart() -> None:
    assert _field((b"x_ssl_client_cert", b"value"), interface=Interface.WSGI) == Field(values=(b"value",))


ONLY = {
    "absent": (Field(), None, False),
    "once": (Field(values=(b"v",)), b"v", True),
    "once and empty": (Field(values=(b"",)), b"", True),
    "twice": (Field(values=(b"v", b"v")), None, True),
    "a twin": (Field(has_other_spelling=True), None, True),
    "a twin beside it": (Field(values=(b"v",), has_other_spelling=True), None, True),
}


@pytest.mark.parametrize(("field", "only", "came"), ONLY.values(), ids=ONLY.keys())
def test_only_one_copy_in_one_spelling_is_the_only_value(field: Field, only: bytes | None, *, came: bool) -> None:
    assert (field.single, field.is_present) == (only, came)


@pytest.mark.parametrize("name", ["X-A-B", "x_a_b", " X-a_B\t", "x-a-b"])
def test_all_confusable_spellings_have_one_canonical_form(name: str) -> None:
    assert canonical(name) == "x-a-b"


def test_every_spelling_of_a_hidden_header_is_left_out() -> None:
    headers = [(twin, b"evil") for twin in TWINS] + [(b"X-SSL-Client-Cert", b"v"), (b"host", b"h"), (b"\xff", b"b")]
    assert list(without(headers, frozenset({canonical(NAME)}))) == [(b"host", b"h"), (b"\xff", b"b")]
