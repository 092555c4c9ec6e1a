"""What the testing kit presents as a proxy is what the real proxy sends."""

import sys
from pathlib import Path

import pytest

from mtls_middleware.proxy_config import TABLE
from mtls_middleware.testing import ClientCertificate, present
from tests.e2e.asgi_servers import ENVIRONMENT
from tests.e2e.callers import PKI, ask, connect
from tests.e2e.conftest import Start
from tests.e2e.processes import free_port
from tests.e2e.proxies import NAME, PROXIES, run_proxy
from tests.slow import mostly_slow

pytestmark = pytest.mark.e2e

DEPTH_OF_ONE = {"nginx", "apache"}
"""What we print for them allows no intermediate."""


def sent(port: int, pki: PKI, client: ClientCertificate | None, names: set[str]) -> dict[str, list[str]]:
    """Return the values of some headers that arrive behind a proxy, by their names in lower case.

    Blanks around a value are no part of it (RFC 9110 section 5.5); Apache sends one.
    """
    request = f"GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n"
    with connect(port, pki.caller(client), host=NAME) as connection:
        headers = ask(connection, request.encode("ascii"))["headers"]
    return {name: [value.strip() for key, value in headers if key.lower() == name] for name in names}


def test_traefik_passes_on_no_other_spelling(start: Start, pki: PKI, tmp_path: Path) -> None:
    """Many servers of other languages take dots and tildes for hyphens, too."""
    behind = free_port()
    start([sys.executable, "-m", "uvicorn", "apps:echo", "--port", str(behind)], env=ENVIRONMENT, port=behind)
    port, _ = run_proxy("traefik", start, pki, tmp_path, behind)
    forged = "".join(
        f"{name.replace('-', sign)}: forged\r\n"
        for name in ("X-Forwarded-Tls-Client-Cert", "X-MTLS-Proxy-Secret")
        for sign in "_.~-"
    )
    request = f"GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n{forged}\r\n"

    with connect(port, pki.caller(), host=NAME) as connection:
        headers = ask(connection, request.encode("ascii"))["headers"]

    assert [name for name, value in headers if "forged" in value] == []


@mostly_slow("name", PROXIES, kept=["traefik"])
def test_the_kit_presents_what_the_proxy_sends(name: str, start: Start, pki: PKI, tmp_path: Path) -> None:
    behind = free_port()
    start([sys.executable, "-m", "uvicorn", "apps:echo", "--port", str(behind)], env=ENVIRONMENT, port=behind)
    port, _ = run_proxy(name, start, pki, tmp_path, behind)
    clients = [None, pki.region.client()]
    if name not in DEPTH_OF_ONE:
        clients.append(pki.region.intermediate("Between").client())

    for client in clients:
        presented = present(TABLE[name].source, client)
        names = {header.lower() for header in presented.replaced}
        expected = {header: [value for key, value in presented.headers if key.lower() == header] for header in names}
        assert sent(port, pki, client, names) == expected
