"""Accepted chunked calls of many sizes, one after the other on a connection that is kept, as data actions make them."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtls_middleware.testing import nginx
from tests.e2e.body_frameworks import ASGI, PATH, WSGI
from tests.e2e.body_servers import ASGI_ROWS, WSGI_ROWS, start_asgi, start_wsgi
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST
from tests.e2e.test_bodies import WITHOUT
from tests.e2e.wsgi_tell import SECRET
from tests.slow import mostly_slow

pytestmark = pytest.mark.e2e

SIZES = ((3, 1), (4_095, 100), (8_192, 8_192), (65_535, 65_535), (65_536, 65_536), (65_537, 1_000), (1_048_577, 16_384))
"""Bytes of a body and of its chunks; Django takes 2.5 MB by itself, Litestar 10 MB."""

BROKEN = "asgiref on uvicorn"
"""asgiref 3.13 answers a tenth of the calls on kept connections with 500, also without us: docs/servers-wsgi.md."""

ROWS = {f"asgi, {name}": name for name in ASGI_ROWS} | {f"wsgi, {name}": name for name in WSGI_ROWS if name != BROKEN}


def pieces(text: str, size: int) -> Iterator[bytes]:
    content = text.encode()
    for begin in range(0, len(content), size):
        yield content[begin : begin + size]


@mostly_slow("row", ROWS, kept=["wsgi, gunicorn, gthread"])
def test_every_call_arrives_whole(row: str, start: Start, pki: PKI, tmp_path: Path) -> None:
    name, lost = ROWS[row], []
    is_asgi = row.startswith("asgi")
    port = start_asgi(name, start, pki) if is_asgi else start_wsgi(name, start, pki, tmp_path)
    prefixes = {key: one[1] for key, one in (ASGI if is_asgi else WSGI).items() if key not in WITHOUT.get(name, ())}
    genuine = dict([*nginx(pki.region.client()), ("X-MTLS-Proxy-Secret", SECRET)])

    for framework, prefix in prefixes.items():
        connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT)
        sent = {**genuine, "X-Framework": framework, "Content-Type": "application/json"}
        for size, piece in SIZES:
            text = json.dumps("x" * (size - 2))
            try:
                body = pieces(text, piece)
                connection.request("POST", f"{prefix}{PATH}", body=body, headers=sent, encode_chunked=True)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as error:
                lost.append((framework, size, repr(error)))
                connection.close()
                continue
            if answer.status != 200 or json.loads(content)["parsed"] != (json.loads(text) or None):
                lost.append((framework, size, str(answer.status)))
        connection.close()

    assert lost == []
