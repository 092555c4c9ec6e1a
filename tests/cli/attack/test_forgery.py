"""Forged headers are what the proxy would send: our own sources read them."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding as Form

from mtls_middleware import Reason
from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.connection import Connection, collect
from mtls_middleware._core.decision import RejectionError
from mtls_middleware._core.sources.headers import HeaderSource
from mtls_middleware._core.sources.presets import PRESETS, Encoding, HeaderNames
from mtls_middleware.cli.attack.forgery import (
    ForgedSource,
    Forgery,
    first_readable,
    forge,
    forge_everything,
    known_sources,
    read_certificate,
    stranger,
)
from mtls_middleware.errors import MTLSError
from mtls_middleware.testing import RegionalCA
from tests.core.requests import request

SECRET_HEADER = "X-MTLS-Proxy-Secret"

SHAPES = {
    **PRESETS,
    **{
        f"custom {encoding}": HeaderNames(
            certificate="X-C", encoding=encoding, bundled=encoding in {Encoding.XFCC, Encoding.B64_DER_LIST}
        )
        for encoding in Encoding
    },
}


def connection(forgery: Forgery) -> Connection:
    return request(*((name.encode(), value.encode()) for name, value in forgery.perfect))


def read(forgery: Forgery) -> tuple[bytes, ...]:
    source = HeaderSource(
        name=forgery.source.name, header_names=forgery.source.header_names, xfcc_elements=forgery.source.elements
    )
    call = connection(forgery)
    fields = collect(call, source.header_names.headers)
    assert source.upstream_failure(call, fields) is None
    presented = source.read(call, fields, 5)
    assert presented is not None
    return source.decode(presented, 5)


@pytest.mark.parametrize("elements", [1, 2])
@pytest.mark.parametrize("name", SHAPES)
def test_what_is_forged_for_a_source_is_what_the_source_reads(name: str, elements: int) -> None:
    certificate = stranger()
    source = ForgedSource(name=name, header_names=SHAPES[name], elements=elements)

    forgery = forge(source, certificate, SECRET_HEADER)

    assert read(forgery) == (certificate.public_bytes(Form.DER),)


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_no_certificate_is_malformed_for_each_source(name: str) -> None:
    forgery = forge(ForgedSource(name=name, header_names=SHAPES[name]), None, SECRET_HEADER)

    with pytest.raises(RejectionError) as rejection:
        parse_chain(read(forgery))
    assert rejection.value.reason is Reason.CERTIFICATE_MALFORMED


def test_sources_with_the_same_headers_are_tried_once() -> None:
    assert {source.name for source in known_sources()} == set(PRESETS) - {"azure-container-apps"}


def test_everything_holds_each_header_once() -> None:
    everything = forge_everything(known_sources(), SECRET_HEADER)

    names = [name.lower() for name, _ in everything.perfect]
    assert len(names) == len(set(names))
    assert {header_names.certificate.lower() for header_names in PRESETS.values()} <= set(names)


@pytest.mark.parametrize("form", ["pem", "der"])
def test_a_certificate_is_read_from_a_file(form: str, tmp_path: Path, region: RegionalCA) -> None:
    client = region.client()
    path = tmp_path / "client"
    path.write_bytes(client.pem.encode() + client.key_pem.encode() if form == "pem" else client.der)

    assert read_certificate(path) == client.certificate


@pytest.mark.parametrize("content", [b"", b"x", b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----", None])
def test_a_file_without_certificate_is_told(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "client"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(MTLSError, match="client"):
        read_certificate(path)
    assert first_readable([path]) is None
