"""Each source as the real middleware reads it, in ASGI and in WSGI."""

import re
from typing import Any

import pytest

from mtls_middleware import Reason
from mtls_middleware._core.connection import Connection, Interface, collect
from mtls_middleware._core.sources import source_of
from mtls_middleware._core.sources.presets import AWS_API_GATEWAY, CUSTOM, NAMES, PRESETS, TLS, Encoding, HeaderNames
from mtls_middleware.testing import ClientCertificate, RegionalCA, present
from mtls_middleware.testing.plugin import DataActionClient

SERVICES = ["fastapi_service:app", "flask_service:app"]
COMPLAIN = [TLS, *(name for name, names in PRESETS.items() if names.markers)]
SILENT = [name for name in NAMES if name not in {CUSTOM, *COMPLAIN}]
LEAF_ONLY = {
    *(name for name, names in PRESETS.items() if not names.chain and not names.bundled),
    AWS_API_GATEWAY,
}

SHAPES = [
    HeaderNames(certificate="X-Own", encoding=encoding, bundled=encoding in {Encoding.XFCC, Encoding.B64_DER_LIST})
    for encoding in Encoding
]


def environ(source: str, **more: str) -> dict[str, str | None]:
    described = {"MTLS_HEADER": "X-Own", "MTLS_HEADER_ENCODING": "b64-pem", "MTLS_VERIFY_HEADER": "X-Verified"}
    custom: dict[str, str | None] = {**described, "MTLS_VERIFY_VALUE": "yes", "MTLS_CHAIN_HEADER": "X-Own-Chain"}
    return {"MTLS_SOURCE": source, **(custom if source == CUSTOM else {}), **more}


def reason_of(client: Any) -> Any:
    response = client.post("/actions/lookup")
    content = response.json() if callable(response.json) else response.json
    return content.get("reason", response.status_code)


@pytest.fixture(scope="module")
def chained() -> ClientCertificate:
    return RegionalCA().intermediate().intermediate().client()


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("source", NAMES)
class TestThroughTheMiddleware:
    def test_a_good_certificate_is_accepted(
        self, data_action_client: DataActionClient, service: str, source: str
    ) -> None:
        client = data_action_client(service, environ=environ(source))

        assert (client.caller.source, reason_of(client)) == (source, 200)

    def test_a_stranger_is_refused(self, data_action_client: DataActionClient, service: str, source: str) -> None:
        client = data_action_client(service, environ=environ(source)).with_certificate(stranger=True)

        assert reason_of(client) == "issuer_untrusted"

    def test_no_certificate_is_no_certificate(
        self, data_action_client: DataActionClient, service: str, source: str
    ) -> None:
        client = data_action_client(service, environ=environ(source)).without_certificate()

        assert reason_of(client) == "certificate_missing"

    def test_it_is_believed_by_nobody_who_waits_for_another(
        self, data_action_client: DataActionClient, service: str, source: str
    ) -> None:
        other = environ("rfc9440" if source == TLS else TLS)
        client = data_action_client(service, environ=environ(source))
        presented = client.caller.source

        waiting = data_action_client(service, environ=other)

        if source != CUSTOM:  # of which the other's settings know no headers
            assert reason_of(waiting.through(presented)) == "certificate_missing"


@pytest.mark.parametrize("source", [*COMPLAIN, CUSTOM])
def test_a_complaint_refuses(data_action_client: DataActionClient, source: str) -> None:
    client = data_action_client(SERVICES[0], environ=environ(source)).unverified()

    assert reason_of(client) == Reason.PROXY_VERIFICATION_FAILED


@pytest.mark.parametrize("source", SILENT)
def test_a_source_without_marker_cannot_complain(source: str, chained: ClientCertificate) -> None:
    with pytest.raises(ValueError, match="has no marker"):
        present(source, chained, complaint=True)


@pytest.mark.parametrize("elements", [1, 2, 3])
def test_envoy_writes_as_many_elements_as_are_asked_for(data_action_client: DataActionClient, elements: int) -> None:
    client = data_action_client(SERVICES[0], environ=environ("envoy", MTLS_XFCC_ELEMENTS=str(elements)))

    assert reason_of(client) == 200


class TestChains:
    @pytest.mark.parametrize("source", [name for name in NAMES if name not in {CUSTOM, *LEAF_ONLY}])
    def test_the_chain_comes_along(self, source: str, chained: ClientCertificate) -> None:
        assert read(source, PRESETS.get(source), chained) == ders(chained)

    @pytest.mark.parametrize("source", sorted(LEAF_ONLY))
    def test_some_proxies_hand_over_the_leaf_alone(self, source: str, chained: ClientCertificate) -> None:
        assert read(source, PRESETS.get(source), chained) == (chained.der,)

    @pytest.mark.parametrize("header_names", SHAPES, ids=[header_names.encoding for header_names in SHAPES])
    def test_every_encoding_can_be_described(self, header_names: HeaderNames, chained: ClientCertificate) -> None:
        assert read(CUSTOM, header_names, chained)[0] == chained.der


@pytest.mark.parametrize("source", ["nginks", ""])
def test_no_source_of_that_name(source: str, chained: ClientCertificate) -> None:
    with pytest.raises(ValueError, match="no source is called"):
        present(source, chained)


def test_the_headers_of_custom_must_be_given(chained: ClientCertificate) -> None:
    with pytest.raises(ValueError, match="no headers of its own"):
        present(CUSTOM, chained)


def test_a_load_balancer_of_aws_leaves_three_characters_as_they_are() -> None:
    ca = RegionalCA("us-east-1")
    client = next(one for one in iter(ca.client, None) if all(character in one.pem for character in "+/="))
    ((_, value),) = present("aws-alb", client).headers

    assert [character for character in "+/=" if character not in value] == []
    assert not {"%2B", "%2F", "%3D"} & set(re.findall("%..", value))


def ders(client: ClientCertificate) -> tuple[bytes, ...]:
    return (
        client.der,
        *(ClientCertificate(certificate=link, private_key=client.private_key).der for link in client.chain),
    )


def read(name: str, header_names: HeaderNames | None, client: ClientCertificate) -> tuple[bytes, ...]:
    """Return what the package's own source makes of a presentation."""
    presentation = present(name, client, header_names=header_names)
    connection = Connection(
        interface=Interface.ASGI,
        path="/",
        raw_path=None,
        root_path="",
        headers=tuple((header.lower().encode(), value.encode()) for header, value in presentation.headers),
        client=None,
        tls=presentation.tls,
        event=presentation.event,
    )
    source = source_of(name, header_names, 1)
    fields = collect(connection, header_names.headers if header_names else frozenset())
    found = source.read(connection, fields, 5)
    assert found is not None
    assert source.upstream_failure(connection, fields) is None
    return tuple(source.decode(found, 5))
