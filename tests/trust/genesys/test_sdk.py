"""The official SDK's models and ours agree: what one writes, the other reads.

The SDK is large and slow to import, so it is imported here alone, and only where it is installed.
"""

import json
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from mtls_middleware._io.files import parse_object
from mtls_middleware._trust.genesys.client import PATH
from mtls_middleware._trust.genesys.failure import PERMISSION, GenesysFailure
from mtls_middleware._trust.genesys.listing import CertificateStatus, parse_page
from mtls_middleware.identity import Authority
from mtls_middleware.regions import table
from mtls_middleware.testing import GenesysAPI
from tests.trust.genesys.region import ROOT, Clock, Region, digicert, entity, genesys

CLIENT = digicert()


@pytest.fixture(scope="module")
def sdk() -> Any:
    return pytest.importorskip("PureCloudPlatformClientV2", reason="the official SDK is not installed")


@pytest.fixture
def server() -> GenesysAPI:
    region = Region()
    region.server.add(CLIENT, root=ROOT.certificate)
    region.server.add(genesys(), authority="Genesys")
    region.server.add(digicert(), status="Upcoming")
    return region.server


def test_the_fields_that_we_read_are_the_fields_of_the_sdk(sdk: Any) -> None:
    assert set(entity(CLIENT)) == set(sdk.ActionCertificate().attribute_map.values())
    assert {"entities", "nextUri"} <= set(sdk.ActionCertificateListing().attribute_map.values())


@pytest.mark.parametrize("status", CertificateStatus)
@pytest.mark.parametrize("authority", ["DigiCert", "Genesys"])
def test_the_sdk_knows_every_value_that_we_know(sdk: Any, status: str, authority: str) -> None:
    model = _model(sdk, status=status.capitalize(), authority=authority)
    assert (model.status, model.signing_authority, model.type) == (status.capitalize(), authority, "Client")


@pytest.mark.parametrize("value", ["Previous", "GoDaddy", ""])
def test_the_sdk_knows_no_value_that_we_do_not_know(sdk: Any, value: str) -> None:
    model = _model(sdk, status=value, authority=value)
    assert {model.status, model.signing_authority} == {"outdated_sdk_version"}


@pytest.mark.parametrize("status", CertificateStatus)
@pytest.mark.parametrize("authority", ["DigiCert", "Genesys"])
def test_what_the_sdk_writes_we_read(sdk: Any, status: str, authority: str) -> None:
    listing = sdk.ActionCertificateListing()
    listing.entities = [_model(sdk, status=status.capitalize(), authority=authority)]
    listing.page_size, listing.page_number, listing.total, listing.page_count = 25, 1, 1, 1
    listing.self_uri = listing.first_uri = listing.last_uri = f"{PATH}?pageNumber=1"
    page = parse_page(parse_object(_serialized(sdk, listing)), None)
    (one,) = page.certificates
    assert (one.status, one.authority, one.leaf) == (status, Authority(authority.lower()), CLIENT.certificate)
    assert (page.warnings, page.next_uri) == ((), None)


def test_what_the_testing_kit_answers_the_sdk_reads(sdk: Any, server: GenesysAPI) -> None:
    server.page_size = 2
    listing = _deserialized(sdk, _listing(server), "ActionCertificateListing")
    assert [(one.signing_authority, one.status, one.type) for one in listing.entities] == [
        ("DigiCert", "Current", "Client"),
        ("Genesys", "Current", "Client"),
    ]
    assert (listing.total, listing.page_count, listing.page_number, listing.page_size) == (3, 2, 1, 2)
    assert listing.next_uri == listing.last_uri == f"{PATH}?type=Client&pageNumber=2"


def test_both_read_the_same_certificates(sdk: Any) -> None:
    region = Region()
    region.server.add(CLIENT, root=ROOT.certificate)
    region.server.add(genesys(), authority="Genesys")
    listing = _deserialized(sdk, _listing(region.server), "ActionCertificateListing")
    page = parse_page(parse_object(_serialized(sdk, listing)), None)
    assert page.certificates == region.poll().certificates


def test_the_error_that_the_testing_kit_answers_is_one_of_the_sdk(sdk: Any, server: GenesysAPI) -> None:
    server.permissions.clear()
    error = _deserialized(sdk, _listing(server), "ErrorBody")
    assert (error.status, error.code) == (403, "missing.any.permissions")
    assert PERMISSION in error.message


def test_the_sdk_asks_for_what_we_ask_for(sdk: Any) -> None:
    asked: list[SimpleNamespace] = []

    class Client:
        def select_header_accept(self, accepts: list[str]) -> str:
            return accepts[0]

        def select_header_content_type(self, types: list[str]) -> str:
            return types[0]

        def call_api(self, path: str, method: str, _: object, query: object, *__: object, **___: object) -> None:
            asked.append(SimpleNamespace(path=path, method=method, query=query))

    sdk.IntegrationsApi(Client()).get_integrations_actions_certificates(status="Upcoming", type="Client")
    region = Region()
    region.poll()
    ours = region.server.calls[-1]
    assert asked == [SimpleNamespace(path=ours.path, method=ours.method, query=ours.query)]


def test_the_hosts_of_our_regions_are_those_of_the_sdk(sdk: Any) -> None:
    theirs = {member.name.replace("_", "-"): member.value for member in sdk.PureCloudRegionHosts}
    assert theirs == {region.aws_region: f"https://{region.api_host}" for region in table()}


def _model(sdk: Any, *, status: str, authority: str) -> Any:
    model = sdk.ActionCertificate()
    model.status, model.signing_authority, model.type = status, authority, "Client"
    model.certificate = CLIENT.chain_pem
    return model


def _listing(server: GenesysAPI) -> bytes:
    region = Region(clock=Clock())
    region.server = server
    region.api = region.client(server.client_id, server.client_secret)
    with suppress(GenesysFailure):  # what counts here is that there is a token, and a first listing
        region.poll()
    authorization = server.calls[-1].headers["authorization"]
    return server.answer("GET", f"{PATH}?type=Client", {"authorization": authorization}, b"").body


def _serialized(sdk: Any, model: Any) -> bytes:
    """Write a model as the SDK sends it; its `to_json` is for eyes, with names of Python."""
    return json.dumps(_client(sdk).sanitize_for_serialization(model)).encode("utf-8")


def _deserialized(sdk: Any, body: bytes, model: str) -> Any:
    response = SimpleNamespace(data=body.decode("utf-8"), getheader=lambda _: "application/json")
    return _client(sdk).deserialize(response, model)


def _client(sdk: Any) -> Any:
    """Return a client without its __init__, which reads a file in the user's home and watches it."""
    return sdk.ApiClient.__new__(sdk.ApiClient)
