"""Refused posts on every server that we name, directly and through nginx: each caller reads the 403, and no reset."""

import http.client
import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO

import pytest

from tests.e2e.body_servers import ASGI_ROWS, WSGI_ROWS, start_asgi, start_wsgi
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST
from tests.e2e.proxies import NAME, run_proxy
from tests.slow import mostly_slow

pytestmark = pytest.mark.e2e

SIZES = (1_000, 20_000, 150_000, 400_000, 1_000_000, 2_000_000)
TIMES = 3
PATH = "/actions/lookup"
REFUSED = (403, "c-1")

BROKEN = "asgiref on uvicorn"
"""asgiref 3.13 answers a tenth of the calls on kept connections with 500, also without us: docs/servers-wsgi.md."""

ROWS = {
    **{f"asgi, {name}": name for name in ASGI_ROWS},
    **{f"wsgi, {name}": name for name in WSGI_ROWS if name != BROKEN},
}

Connect = Callable[[], http.client.HTTPConnection]
Send = Callable[[http.client.HTTPConnection, int, dict[str, str]], None]
Answer = tuple[int, str]


def started(row: str, start: Start, pki: PKI, folder: Path) -> int:
    name = ROWS[row]
    return start_asgi(name, start, pki) if row.startswith("asgi") else start_wsgi(name, start, pki, folder)


def headers(row: str) -> dict[str, str]:
    return {"ININ-Correlation-Id": "c-1", "X-Framework": "FastAPI" if row.startswith("asgi") else "Flask"}


def by_length(connection: http.client.HTTPConnection, size: int, sent: dict[str, str]) -> None:
    connection.request("POST", PATH, body=b"x" * size, headers=sent)


def chunked(connection: http.client.HTTPConnection, size: int, sent: dict[str, str]) -> None:
    pieces: Iterator[bytes] = iter([b"x" * 10_000] * (size // 10_000) or [b"x" * size])
    connection.request("POST", PATH, body=pieces, headers=sent, encode_chunked=True)


def read(answer: http.client.HTTPResponse) -> Answer:
    content = answer.read()
    told = json.loads(content) if "json" in (answer.headers["content-type"] or "") else {}
    return answer.status, str(told.get("correlationId"))


def on_a_kept_connection(connect: Connect, send: Send, sent: dict[str, str]) -> list[str]:
    """Send posts of all sizes, and return what was no refusal."""
    wrong = []
    connection = connect()
    for size in SIZES * TIMES:
        try:
            send(connection, size, sent)
            told = read(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            wrong.append(f"{size}: {error!r}")
            connection.close()
        else:
            if told != REFUSED:
                wrong.append(f"{size}: {told}")
    connection.close()
    return wrong


def _status(file: IO[bytes]) -> int:
    """Return the next status, behind its headers."""
    status = int(file.readline().split()[1])
    while file.readline().strip():
        pass
    return status


def expecting_100(connect: Connect, sent: dict[str, str]) -> list[str]:
    """Send posts whose bodies wait for an invitation, and return what was no refusal."""
    wrong = []
    for size in SIZES:
        connection = connect()
        connection.connect()
        try:
            head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
            head += f"Host: {HOST}\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
            connection.sock.sendall(f"POST {PATH} HTTP/1.1\r\n{head}".encode())
            with connection.sock.makefile("rb") as file:
                told = _status(file)
                if told == HTTPStatus.CONTINUE:
                    connection.sock.sendall(b"x" * size)
                while told == HTTPStatus.CONTINUE:  # werkzeug invites twice
                    told = _status(file)
        except (OSError, IndexError) as error:
            wrong.append(f"{size}: {error!r}")
        else:
            if told != REFUSED[0]:
                wrong.append(f"{size}: {told}")
        finally:
            connection.close()
    return wrong


def unread(connect: Connect, sent: dict[str, str]) -> dict[str, list[str]]:
    """Return what was no refusal, by the way in which it was sent."""
    seen = {
        "length": on_a_kept_connection(connect, by_length, sent),
        "chunked": on_a_kept_connection(connect, chunked, sent),
        "100-continue": expecting_100(connect, sent),
    }
    return {way: wrong for way, wrong in seen.items() if wrong}


@mostly_slow("row", ROWS, kept=["asgi, serve"])
def test_a_refusal_is_read(row: str, start: Start, pki: PKI, tmp_path: Path) -> None:
    port = started(row, start, pki, tmp_path)

    assert unread(lambda: http.client.HTTPConnection(HOST, port, timeout=TIMEOUT), headers(row)) == {}


@mostly_slow("row", ROWS, kept=["wsgi, gunicorn, sync"])
def test_a_refusal_is_read_behind_nginx(row: str, start: Start, pki: PKI, tmp_path: Path) -> None:
    behind = started(row, start, pki, tmp_path)
    (tmp_path / "nginx").mkdir()
    more = "client_max_body_size 3m;\n    ssl_protocols"
    port, _ = run_proxy(
        "nginx", start, pki, tmp_path / "nginx", behind, change=lambda text: text.replace("ssl_protocols", more, 1)
    )

    assert (
        unread(lambda: http.client.HTTPSConnection(NAME, port, timeout=TIMEOUT, context=pki.caller()), headers(row))
        == {}
    )
