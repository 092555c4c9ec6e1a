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

    def __call__(self, method: str, path: str, client: ClientCertificate | None) -> tuple[int, Any]:
        body: dict[str, Any] = {"json": PHONE} if method == "POST" else {}
        if self._name == "django-asgi":
            from example_app.django_app import asgi  # noqa: PLC0415 - after the environment is set

            answer = TestClient(TLSExtension(asgi(), client)).request(method, path, **body)
            return answer.status_code, answer.json()
        environ = {"SSL_CLIENT_CERT": client.pem, "SSL_CLIENT_VERIFY": "SUCCESS"} if client else {}
        reply = Client(self._wsgi()).open(path, method=method, environ_overrides=environ, **body)
        return reply.status_code, reply.get_json(force=True)

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


def test_the_handler_knows_which_region_called(call: Caller, regional_ca: RegionalCA) -> None:
    assert call("GET", "/actions/caller", regional_ca.client()) == (200, {"region": "us-east-1"})


def test_nobody_comes_in_without_a_certificate(call: Caller) -> None:
    status, problem = call("POST", "/actions/customer-lookup", None)

    assert (status, problem["reason"]) == (403, "certificate_missing")


def test_an_expired_certificate_is_refused(call: Caller, regional_ca: RegionalCA) -> None:
    assert call("GET", "/actions/caller", regional_ca.client(expired=True))[1]["reason"] == "certificate_expired"


def test_a_load_balancer_needs_no_certificate(call: Caller) -> None:
    assert call("GET", "/health", None) == (200, {"status": "ok"})
