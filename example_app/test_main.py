"""What tests of an application look like: offline, with a regional CA of their own, and `TestClient`."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from example_app.main import app
from mtls_middleware.testing import ClientCertificate, RegionalCA, TLSExtension

CallAs = Callable[[ClientCertificate | None], TestClient]

LOOKUP = "/actions/customer-lookup"
PHONE = {"phone": "+13175550100"}


@pytest.fixture
def call_as(configured: None) -> CallAs:  # noqa: ARG001 - the environment
    """Return what makes a client of the app with this certificate, or with none."""
    return lambda client: TestClient(TLSExtension(app, client))


def test_a_data_action_finds_a_customer(call_as: CallAs, regional_ca: RegionalCA) -> None:
    answer = call_as(regional_ca.client()).post(LOOKUP, json=PHONE)

    assert answer.json() == {"customer_id": "c-1", "name": "A. Customer", "tier": "gold"}


def test_a_data_action_learns_where_an_order_is(call_as: CallAs, regional_ca: RegionalCA) -> None:
    answer = call_as(regional_ca.client()).get("/actions/orders/o-1001")

    assert answer.json()["state"] == "shipped"


@pytest.mark.parametrize(("method", "path"), [("POST", LOOKUP), ("GET", "/actions/orders/o-2")])
def test_what_does_not_exist_is_not_found(call_as: CallAs, regional_ca: RegionalCA, method: str, path: str) -> None:
    answer = call_as(regional_ca.client()).request(method, path, json={"phone": "+13175550199"})

    assert answer.status_code == 404


def test_the_handler_knows_which_region_called(call_as: CallAs, regional_ca: RegionalCA) -> None:
    assert call_as(regional_ca.client()).get("/actions/caller").json()["region"] == "us-east-1"


def test_nobody_comes_in_without_a_certificate(call_as: CallAs) -> None:
    answer = call_as(None).post(LOOKUP, json=PHONE)

    assert (answer.status_code, answer.json()["reason"]) == (403, "certificate_missing")


def test_an_expired_certificate_is_refused(call_as: CallAs, regional_ca: RegionalCA) -> None:
    answer = call_as(regional_ca.client(expired=True)).post(LOOKUP, json=PHONE)

    assert (answer.status_code, answer.json()["reason"]) == (403, "certificate_expired")


def test_the_name_of_another_region_is_refused(call_as: CallAs, regional_ca: RegionalCA) -> None:
    client = regional_ca.client(names=["dataactions.prod-euw1.eu-west-1.mypurecloud.com"])

    assert call_as(client).post(LOOKUP, json=PHONE).json()["reason"] == "region_mismatch"


def test_a_strangers_certificate_is_refused(call_as: CallAs) -> None:
    stranger = RegionalCA("us-east-1").client()

    assert call_as(stranger).post(LOOKUP, json=PHONE).json()["reason"] == "issuer_untrusted"


def test_a_load_balancer_needs_no_certificate(call_as: CallAs) -> None:
    assert call_as(None).get("/health").json() == {"status": "ok"}
