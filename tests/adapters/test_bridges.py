"""A WSGI application inside an ASGI server, by asgiref's bridge, and the middleware on either side of it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from asgiref.wsgi import WsgiToAsgi
from starlette.testclient import TestClient

from mtls_middleware import MTLSMiddleware, MTLSWSGIMiddleware
from mtls_middleware.testing import TLSExtension
from mtls_middleware.testing.encodings import b64_der
from tests.adapters.site import SECRET, SECRET_HEADER, Site, good_client

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def _names(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    start_response("200 OK", [])
    return [",".join(key for key in environ if key.startswith("HTTP_")).encode()]


def test_outside_of_the_bridge_the_asgi_middleware_protects_the_wsgi_application(site: Site) -> None:
    protected: Any = MTLSMiddleware(WsgiToAsgi(_names), guard=site.guard())

    assert TestClient(TLSExtension(protected, good_client())).get("/").status_code == 200
    assert TestClient(TLSExtension(protected, None)).get("/").json()["reason"] == "certificate_missing"


def test_lesson_3_inside_of_the_bridge_no_spelling_of_a_header_is_believed(site: Site) -> None:
    guard = site.guard({"MTLS_SOURCE": "caddy", "MTLS_PROXY_SECRET": SECRET})
    client = TestClient(WsgiToAsgi(MTLSWSGIMiddleware(_names, guard=guard)))

    for name in ("X-SSL-Client-Cert", "X_SSL_Client_Cert"):
        answer = client.get("/", headers=dict([(name, b64_der(good_client())), SECRET_HEADER]))
        assert answer.json()["reason"] == "source_untrusted"
