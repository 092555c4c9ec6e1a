"""What a caller sees whose certificate a server refuses in the handshake: the table of docs/servers.md."""

import re
import ssl
import sys
from pathlib import Path

import pytest

from tests.documentation.pages import page
from tests.e2e.asgi_servers import ENVIRONMENT, SERVERS
from tests.e2e.callers import PKI, connect
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, free_port
from tests.e2e.wsgi_programs import Site
from tests.e2e.wsgi_servers import OVER_TLS
from tests.slow import mostly_slow

pytestmark = pytest.mark.e2e

ROWS = {
    name: seen
    for names, seen in re.findall(
        r"^\| (.+?) \| (alert|400) \| .*\|$",
        page("docs/servers.md").text.partition("\n## Refused in the handshake\n")[2].partition("\n## ")[0],
        re.MULTILINE,
    )
    for name in names.split("; ")
}

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def granian(start: Start, pki: PKI) -> int:
    port = free_port()
    files = ("--ssl-certificate", pki.certificate, "--ssl-keyfile", pki.key, "--ssl-ca", pki.trust)
    argv: list[str | Path] = [
        sys.executable,
        "-m",
        "granian",
        "protected:asgi",
        "--interface",
        "asgi",
        "--port",
        str(port),
        *files,
    ]
    start([*argv, "--ssl-client-verify"], env=settings(pki), port=port)
    return port


def settings(pki: PKI) -> dict[str, str]:
    return {**ENVIRONMENT, "MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(pki.trust)}


def started(name: str, start: Start, pki: PKI, folder: Path) -> int:
    if name == "granian":
        return granian(start, pki)
    if name in OVER_TLS:
        return OVER_TLS[name].start(Site(start=start, pki=pki, folder=folder))
    port = free_port()
    start(SERVERS[name].secure("protected:asgi", port, pki), port=port, env=settings(pki))
    return port


def seen(port: int, pki: PKI, version: ssl.TLSVersion) -> str:
    try:
        with connect(port, pki.caller(pki.stranger.client(), version=version)) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            answer = connection.recv(1000)
    except ssl.SSLEOFError:
        return "closed"
    except ssl.SSLError as error:
        return "alert" if "ALERT_UNKNOWN_CA" in str(error.reason) else str(error.reason)
    except ConnectionError:
        return "closed"
    return answer.split(b" ")[1].decode() if answer else "closed"


@mostly_slow("name", (*SERVERS, *OVER_TLS, "granian"), kept=("gunicorn, sync",))
def test_the_table_says_what_callers_see(name: str, start: Start, pki: PKI, tmp_path: Path) -> None:
    port = started(name, start, pki, tmp_path)
    is_ours = any(one in name for one in ("serve", "uvicorn", "UvicornWorker", "ASGIWorker", "hypercorn"))

    older, newer = (seen(port, pki, version) for version in VERSIONS)
    assert older == ROWS[name] or name == "granian"  # which speaks TLS 1.3 only
    assert newer == ROWS[name] or (newer == "closed" and not is_ours)  # see the page
