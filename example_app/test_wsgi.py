"""The Flask and Django examples: the same calls, and the same answers."""

from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient
from werkzeug.test import Client

from mtls_middleware.testing import ClientCertificate, RegionalCA, TLSExtension

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PHONE = {"phone": "+13175550100"}


class Caller:
    """Call one of the examples with a certificate or none."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(
        self, method: str, path: str, client: ClientCertificate | None, content: object = PHONE
    ) -> tuple[int, Any]:
        body: dict[str, Any] = {"json": content} if method == "POST" else {}
        if self._name == "django-asgi":
            from example_app.django_app import asgi  # noqa: PLC0415 - after the environment is set

            answer = TestClient(TLSExtension(asgi(), client)).request(method, path, **body)
            return answer.status_code, answer.json() if "json" in answer.headers["content-type"] else None
        environ = {"SSL_CLIENT_CERT": client.pem, "SSL_CLIENT_VERIFY": "SUCCESS"} if client else {}
        reply = Client(self._wsgi()).open(path, method=method, environ_overrides=environ, **body)
        return reply.status_code, reply.get_json(silent=True)

    def _wsgi(self) -> "WSGIApplication":
        if self._name == "flask":
            from example_app.flask_app import create_app  # noqa: PLC0415 - as above

            return create_app()
        from example_app.django_app import wsgi  # noqa: PLC0415 - as above

        return wsgi()


@pytest.fixture(params=["flask", "django-wsgi", "django-asgi"])
def call(request: pytest.FixtureRequest, configured: None) -> Caller:  # noqa: ARG001 - the environment
    return Caller(request.param)


def test_a_data_action_finds_a_customer(call: Caller, regional_ca: RegionalCA) -> None:
    status, customer = call("POST", "/actions/customer-lookup", regional_ca.client())

    assert (status, customer["tier"]) == (200, "gold")


def test_a_data_action_learns_where_an_order_is(call: Caller, regional_ca: RegionalCA) -> None:
    assert call("GET", "/actions/orders/o-1001", regional_ca.client())[1]["state"] == "shipped"


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
    call: Caller, regional_ca: RegionalCA, method: str, path: str, content: object, status: int
) -> None:
    assert call(method, path, regional_ca.client(), content)[0] == status


def test_a_strangers_certificate_is_refused(call: Caller) -> None:
    assert call("GET", "/actions/caller", RegionalCA("us-east-1").client())[1]["reason"] == "issuer_untrusted"


def test_the_handler_knows_which_region_called(call: Caller, regional_ca: RegionalCA) -> None:
    assert call("GET", "/actions/caller", regional_ca.client()) == (200, {"region": "us-east-1"})


def test_nobody_comes_in_without_a_certificate(call: Caller) -> None:
    status, problem = call("POST", "/actions/customer-lookup", None)

    assert (status, problem["reason"]) == (403, "certificate_missing")


def test_an_expired_certificate_is_refused(call: Caller, regional_ca: RegionalCA) -> None:
    assert call("GET", "/actions/caller", regional_ca.client(expired=True))[1]["reason"] == "certificate_expired"


def test_the_name_of_another_region_is_refused(call: Caller, regional_ca: RegionalCA) -> None:
    client = regional_ca.client(names=["dataactions.prod-euw1.eu-west-1.mypurecloud.com"])

    assert call("GET", "/actions/caller", client)[1]["reason"] == "region_mismatch"


def test_a_load_balancer_needs_no_certificate(call: Caller) -> None:
    assert call("GET", "/health", None) == (200, {"status": "ok"})
