"""What tests of an application look like: offline, with a regional CA of their own."""

import pytest

from mtls_middleware.testing import MTLSTestClient
from mtls_middleware.testing.plugin import DataActionClient

LOOKUP = "/actions/customer-lookup"
PHONE = {"phone": "+13175550100"}


@pytest.fixture
def client(data_action_client: DataActionClient) -> MTLSTestClient:
    """Return a client that calls as Genesys Cloud does."""
    return data_action_client("example_app.main:app", environ={"MTLS_EXEMPT": "/health,/ready"})


def test_a_data_action_finds_a_customer(client: MTLSTestClient) -> None:
    answer = client.post(LOOKUP, json=PHONE)

    assert answer.json() == {"customer_id": "c-1", "name": "A. Customer", "tier": "gold"}


def test_a_data_action_learns_where_an_order_is(client: MTLSTestClient) -> None:
    assert client.get("/actions/orders/o-1001").json()["state"] == "shipped"


@pytest.mark.parametrize(("method", "path"), [("POST", LOOKUP), ("GET", "/actions/orders/o-2")])
def test_what_does_not_exist_is_not_found(client: MTLSTestClient, method: str, path: str) -> None:
    assert client.request(method, path, json={"phone": "+13175550199"}).status_code == 404


def test_the_handler_knows_which_region_called(client: MTLSTestClient) -> None:
    assert client.get("/actions/caller").json()["region"] == "us-east-1"


@pytest.mark.parametrize(
    "reason",
    [
        "certificate_missing",
        "certificate_malformed",
        "issuer_untrusted",
        "certificate_expired",
        "certificate_not_yet_valid",
        "purpose_mismatch",
        "region_mismatch",
        "certificate_revoked",
    ],
)
def test_nobody_else_comes_in(client: MTLSTestClient, reason: str) -> None:
    answer = client.refused_as(reason).post(LOOKUP, json=PHONE)

    assert (answer.status_code, answer.json()["reason"]) == (403, reason)


def test_a_load_balancer_needs_no_certificate(client: MTLSTestClient) -> None:
    assert client.without_certificate().get("/health").json() == {"status": "ok"}


def test_a_readiness_probe_needs_no_certificate(client: MTLSTestClient) -> None:
    assert client.without_certificate().get("/ready").status_code == 200
