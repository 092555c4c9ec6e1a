"""Chunked calls, as data actions send them, on every server that we name with every framework that we name."""

import http.client
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

import pytest

from mtls_middleware.testing import nginx
from tests.e2e.body_frameworks import ASGI, CORRELATION, PATH, WSGI
from tests.e2e.body_servers import ASGI_ROWS, WSGI_ROWS, start_asgi, start_wsgi
from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST
from tests.e2e.wsgi_tell import SECRET

pytestmark = pytest.mark.e2e

TIMEOUT = 30.0
TEXTS = ["", json.dumps({"phone": "+1"}), '{"name":"Zoë 😀"}', json.dumps({"text": "x" * 200_000})]
"""Bodies, as texts."""

LONG = 500_000
"""Characters of two bytes."""

WITHOUT = {
    "hypercorn, trio": {"Django", "Django REST framework", "Quart"},  # they understand asyncio only
    "pyvoy": {"Django", "Django REST framework"},  # pyvoy 1.3 repeats the end of a body, and Django takes that ill
}
"""Frameworks that a server cannot run."""


@pytest.fixture(scope="module")
def asgi(start_for_module: Start, pki: PKI) -> Callable[[str], int]:
    """Return what starts an ASGI server with every framework; each once for all tests."""
    return cache(lambda name: start_asgi(name, start_for_module, pki))


@pytest.fixture(scope="module")
def wsgi(start_for_module: Start, pki: PKI, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], int]:
    """Return what starts a WSGI server with every framework; each once for all tests."""

    return cache(lambda name: start_wsgi(name, start_for_module, pki, tmp_path_factory.mktemp("wsgi")))


def call(port: int, pki: PKI, framework: str, path: str, text: str = "", query: str = "") -> dict[str, Any]:
    """Call as the data actions service does, through a proxy that passes chunks on, and return what was answered."""
    headers = [*nginx(pki.region.client()), ("X-MTLS-Proxy-Secret", SECRET), ("X-Framework", framework)]
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT)
    try:
        connection.putrequest("POST" if text else "GET", f"{path}?{query}", skip_accept_encoding=True)
        for name, value in [
            *headers,
            ("Content-Type", "application/json; charset=UTF-8"),
            ("Transfer-Encoding", "chunked"),
            ("Accept-Encoding", "gzip,deflate"),
            ("User-Agent", "PureCloud-Data-Actions"),
            (CORRELATION, "c-1"),
        ]:
            connection.putheader(name, value)
        connection.endheaders()
        content = text.encode()
        for begin in range(0, len(content), 7_000):
            piece = content[begin : begin + 7_000]
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    assert answer.status == 200, (answer.status, body[:1000])
    facts: dict[str, Any] = json.loads(body)
    return facts


def arrives(port: int, pki: PKI, framework: str, path: str) -> None:
    for text in TEXTS:
        facts = call(port, pki, framework, path, text, f"q={quote('ä b')}")
        assert (facts["body"].replace(" ", ""), facts["query"]) == (text.replace(" ", ""), "ä b")
        assert (facts["parsed"], facts["correlation"]) == (json.loads(text) if text else None, "c-1")
    assert call(port, pki, framework, path, TEXTS[1], f"answer={LONG}")["padding"] == "é" * LONG


def each(table: str, cells: Mapping[str, Iterable[str]], kept: str) -> pytest.MarkDecorator:
    """Parametrize a test by servers, each with the frameworks that it speaks for; all but one are slow."""
    return pytest.mark.parametrize(
        ("name", "frameworks"),
        [
            pytest.param(
                name,
                frameworks,
                id=name,
                marks=[
                    *(pytest.mark.matrix(table=table, row=name, column=framework) for framework in frameworks),
                    *([] if name == kept else [pytest.mark.slow]),
                ],
            )
            for name, frameworks in cells.items()
        ],
    )


@pytest.mark.matrix(packages=["djangorestframework"])
@each("chunked asgi", {name: [one for one in ASGI if one not in WITHOUT.get(name, ())] for name in ASGI_ROWS}, "serve")
def test_a_chunked_body_arrives_in_asgi(name: str, frameworks: list[str], asgi: Callable[[str], int], pki: PKI) -> None:
    for framework in frameworks:
        arrives(asgi(name), pki, framework, f"{ASGI[framework][1]}{PATH}")


@pytest.mark.matrix(packages=["djangorestframework"])
@each("chunked wsgi", {name: [*WSGI] for name in WSGI_ROWS}, "gunicorn, sync")
def test_a_chunked_body_arrives_in_wsgi(name: str, frameworks: list[str], wsgi: Callable[[str], int], pki: PKI) -> None:
    for framework in frameworks:
        arrives(wsgi(name), pki, framework, f"{WSGI[framework][1]}{PATH}")
