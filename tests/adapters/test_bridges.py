"""A WSGI application inside an ASGI server, by asgiref's bridge, and the middleware on either side of it."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.wsgi import WsgiToAsgi
from starlette.testclient import TestClient

from mtls_middleware import MTLSMiddleware, MTLSWSGIMiddleware, caller, optional_caller
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


def test_the_bridge_of_the_documentation_tells_the_application_who_called(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("a2wsgi")

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        return [str(caller(environ).region).encode()]

    monkeypatch.setitem(sys.modules, "app", ModuleType("app"))
    vars(sys.modules["app"])["application"] = application
    for name, value in site.environ().items():
        monkeypatch.setenv(name, value)
    page = (Path(__file__).parents[2] / "docs" / "servers-wsgi.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(from a2wsgi .*?)^```", page, re.DOTALL | re.MULTILINE)
    made: dict[str, Any] = {"__name__": "bridged"}
    exec(compile(code, "servers-wsgi.md", "exec", dont_inherit=True), made)

    assert TestClient(TLSExtension(made["app"], good_client())).get("/").text == "us-east-1"
    assert TestClient(TLSExtension(made["app"], None)).get("/").json()["reason"] == "certificate_missing"


def test_asgirefs_bridge_loses_who_called_and_caller_says_so(site: Site) -> None:
    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        with pytest.raises(LookupError, match="a bridge between ASGI and WSGI has dropped the result"):
            caller(environ)
        return [repr(optional_caller(environ)).encode()]

    protected: Any = MTLSMiddleware(WsgiToAsgi(application), guard=site.guard())

    assert TestClient(TLSExtension(protected, good_client())).get("/").text == "None"
