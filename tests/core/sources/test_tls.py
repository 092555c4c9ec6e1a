"""The ASGI TLS extension, in every shape in which servers fill it."""

from collections.abc import Iterator
from typing import Any

import pytest

from mtls_middleware._core.connection import collect
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.sources import source_of
from mtls_middleware._core.sources.presented import Presented
from mtls_middleware._core.sources.tls import TLSSource
from tests.core.certs import good_client, regional_ca
from tests.core.requests import request

LIMIT = 5
SOURCE = TLSSource()

CLIENT = regional_ca().intermediate().client()
PEMS = CLIENT.pems
DER = good_client().der


def _read(extension: dict[str, Any] | None) -> Presented | None:
    connection = request(tls=extension)
    return SOURCE.read(connection, collect(connection, frozenset()), LIMIT)


def _ders(extension: dict[str, Any]) -> tuple[bytes, ...]:
    presented = _read(extension)
    assert presented is not None
    return SOURCE.decode(presented, LIMIT)


def _chain(chain: Any) -> dict[str, Any]:
    return {"client_cert_chain": chain}


def _one_shot() -> Iterator[str]:
    yield from PEMS


CHAINS = {
    "a list": _chain(list(PEMS)),
    "a tuple": _chain(PEMS),
    "a generator": None,
    "one text": _chain("".join(PEMS)),
    "one text with blank lines": _chain("\n\n".join(PEMS)),
    "texts as bytes": _chain([pem.encode() for pem in PEMS]),
    "with gaps": _chain(["", PEMS[0], None, b"", bytearray(), PEMS[1]]),
    "CRLF": _chain([pem.replace("\n", "\r\n") for pem in PEMS]),
    "under the other name": {"client_cert": "".join(PEMS)},
    "under the other name beside nothing": {"client_cert_chain": [None], "client_cert": list(PEMS)},
}


@pytest.mark.parametrize("extension", CHAINS.values(), ids=CHAINS.keys())
def test_a_chain_is_read_in_any_shape(extension: dict[str, Any] | None) -> None:
    ders = _ders(extension or _chain(_one_shot()))
    assert len(ders) == 2
    assert ders[0] == CLIENT.der


LEAVES = {
    "DER": DER,
    "DER in a bytearray": bytearray(DER),
    "DER in a memoryview": memoryview(DER),
    "DER in a memoryview that may be written": memoryview(bytearray(DER)),
    "PEM": good_client().pem,
    "PEM as bytes": good_client().pem.encode(),
    "PEM without a final newline": good_client().pem.strip(),
}


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES.keys())
@pytest.mark.parametrize("name", ["client_cert_chain", "client_cert"])
def test_a_leaf_alone_is_read_in_any_shape(leaf: Any, name: str) -> None:
    assert _ders({name: leaf}) == (DER,)


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES.keys())
def test_a_list_of_one_is_read_in_any_shape(leaf: Any) -> None:
    assert _ders(_chain([leaf])) == (DER,)


NONE = {
    "no extension": None,
    "an empty extension": {},
    "None": _chain(None),
    "an empty list": _chain([]),
    "a list of None": _chain([None]),
    "an empty text": _chain(""),
    "empty bytes": _chain(b""),
    "no iterable": _chain(3),
    "True": {"client_cert": True},
    "a name alone": {"client_cert_name": "CN=dataactions.prod.us-east-1.mypurecloud.com"},
    "a generator of nothing": _chain(iter(())),
}


@pytest.mark.parametrize("extension", NONE.values(), ids=NONE.keys())
def test_no_certificate_is_none(extension: dict[str, Any] | None) -> None:
    assert _read(extension) is None


@pytest.mark.parametrize(
    "entry", [3, 1.5, True, object(), ["x"], {"x": 1}, ("x",), {1}], ids=lambda entry: type(entry).__name__
)
def test_what_is_neither_text_nor_bytes_is_malformed(entry: Any) -> None:
    with pytest.raises(RejectionError) as refused:
        _read(_chain([entry]))
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


BAD_PARTS = {
    "two in one entry": _chain([good_client().pem * 2]),
    "two in one entry of bytes": _chain(good_client().pem.encode() * 2),
    "an armour without end": _chain(["-----BEGIN CERTIFICATE-----\nAAAA"]),
    "a key": _chain(["-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]),
    "garbage behind it": _chain([good_client().pem + "garbage"]),
}


@pytest.mark.parametrize("extension", BAD_PARTS.values(), ids=BAD_PARTS.keys())
def test_bad_pem_is_malformed(extension: dict[str, Any]) -> None:
    with pytest.raises(RejectionError) as refused:
        _ders(extension)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


def test_a_lone_surrogate_is_bytes_like_any_other() -> None:
    assert _ders(_chain(["\udcff"])) == (b"\xed\xb3\xbf",)


@pytest.mark.parametrize("name", ["client_cert_chain", "client_cert"])
def test_no_more_than_one_too_many_is_read(name: str) -> None:
    presented = _read({name: (good_client().pem for _ in iter(int, 1))})
    assert presented is not None
    assert len(presented.parts) == LIMIT + 1


@pytest.mark.parametrize("error", ["expired", "unknown ca", 1])
def test_the_servers_error_is_a_complaint(error: Any) -> None:
    connection = request(tls={"client_cert_chain": list(PEMS), "client_cert_error": error})
    assert f"{error}" in (SOURCE.upstream_failure(connection, collect(connection, frozenset())) or "")


@pytest.mark.parametrize("extension", [None, {}, {"client_cert_error": None}, {"client_cert_error": ""}])
def test_no_error_is_no_complaint(extension: dict[str, Any] | None) -> None:
    connection = request(tls=extension)
    assert SOURCE.upstream_failure(connection, collect(connection, frozenset())) is None


def test_the_source_reads_no_header() -> None:
    assert source_of("tls", None, 1) == SOURCE
    assert (SOURCE.name, SOURCE.header_names) == ("tls", None)
