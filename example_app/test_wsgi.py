"""The Flask and Django examples: the same calls, and the same answers."""

import json
from typing import Any

import pytest

from mtls_middleware.testing import MTLSTestClient

PHONE = {"phone": "+13175550100"}


def call(client: MTLSTestClient, method: str, path: str, content: object = PHONE) -> tuple[int, Any]:
    """Return status and JSON: each framework's client writes and reads it in a way of its own."""
    keywords: dict[str, Any] = {"json": content}
    if type(client.client).__module__.startswith("django"):
        keywords = {"data": content, "content_type": "application/json"}
    answer = getattr(client, method.lower())(path, **(keywords if method == "POST" else {}))
    has_json = "json" in answer.headers["content-type"]
    return answer.status_code, json.loads(getattr(answer, "data", None) or answer.content) if has_json else None


def test_a_data_action_finds_a_customer(sibling: MTLSTestClient) -> None:
    status, customer = call(sibling, "POST", "/actions/customer-lookup")

    assert (status, customer["tier"]) == (200, "gold")


def test_a_data_action_learns_where_an_order_is(sibling: MTLSTestClient) -> None:
    assert call(sibling, "GET", "/actions/orders/o-1001")[1]["state"] == "shipped"


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        pytest.param("POST", "/actions/customer-lookup", {"phone": "+13175550199"}, 404, id="unknown customer"),
        pytest.param("GET", "/actions/orders/o-2", None, 404, id="unknown order"),
        pytest.param("POST", "/actions/customer-lookup", {"phone": 7}, 400, id="a number"),
        pytest.param("POST", "/actions/customer-lookup", [], 400, id="a list"),
        pytest.param("GET", "/actions/customer-lookup", None, 405, id="method"),
    ],
)
def test_what_makes_no_sense_is_refused(
    sibling: MTLSTestClient, method: str, path: str, content: object, status: int
) -> None:
    assert call(sibling, method, path, content)[0] == status


def test_the_handler_knows_which_region_called(sibling: MTLSTestClient) -> None:
    assert call(sibling, "GET", "/actions/caller") == (200, {"region": "us-east-1"})


def test_report_mode_lets_calls_through_without_a_region(reporting: MTLSTestClient) -> None:
    for client, region in ((reporting, "us-east-1"), (reporting.without_certificate(), None)):
        status, answer = call(client, "GET", "/actions/caller")
        assert (status, answer["region"]) == (200, region)


@pytest.mark.parametrize(
    "reason", ["certificate_missing", "issuer_untrusted", "certificate_expired", "region_mismatch"]
)
def test_nobody_else_comes_in(sibling: MTLSTestClient, reason: str) -> None:
    status, problem = call(sibling.refused_as(reason), "POST", "/actions/customer-lookup")

    assert (status, problem["reason"]) == (403, reason)


def test_a_load_balancer_needs_no_certificate(sibling: MTLSTestClient) -> None:
    assert call(sibling.without_certificate(), "GET", "/health") == (200, {"status": "ok"})
