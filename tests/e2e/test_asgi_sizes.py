"""A chain of four RSA-4096 links on every ASGI server, and what must be set for it."""

import http.client
import json
from collections.abc import Mapping, Sequence

import pytest

from mtls_middleware.testing.encodings import xfcc_element
from mtls_middleware.testing.leaves import ClientCertificate
from tests.e2e.asgi_servers import ENVIRONMENT, SERVERS, Argv
from tests.e2e.callers import CUSTOM_NAME, PKI, TIMEOUT, get
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, free_port
from tests.e2e.proxies import SECRET
from tests.slow import mostly_slow

pytestmark = [pytest.mark.e2e, pytest.mark.matrix(table="servers", row="{server}")]


HEADER_OPTIONS: Mapping[str, tuple[str, ...]] = {
    name: ("--limit-request-field_size", "65535") for name in SERVERS if name.startswith("gunicorn, ASGIWorker")
}
"""What must be set on which server; on the others nothing."""

BEHIND_A_PROXY = [name for name in SERVERS if name != "pyvoy"]
"""Our adapter for pyvoy believes the header of its own Envoy and removes that of anybody else."""


def serve(start: Start, argv: Argv, port: int, big: PKI, **settings: str) -> None:
    names = {"MTLS_AUTHORITIES": "custom", "MTLS_CERT_NAMES": f"custom={CUSTOM_NAME}"}
    start(argv, port=port, env={**ENVIRONMENT, **names, "MTLS_TRUST": f"custom={big.trust}", **settings})


@pytest.mark.matrix(column="four RSA-4096 links over TLS")
@mostly_slow("server", SERVERS, kept=["uvicorn, httptools"])
def test_a_long_chain_over_tls(start: Start, big: PKI, caller: ClientCertificate, server: str) -> None:
    port = free_port()
    serve(start, [*SERVERS[server].argv("protected:asgi", port), *SERVERS[server].tls(big, port)], port, big)

    # The application is reached: it answers with what it knows of the caller, who has no region.
    assert get(port, big.caller(caller)).get("region", "refused") is None


@pytest.mark.matrix(column="four RSA-4096 links in a header")
@mostly_slow("server", BEHIND_A_PROXY, kept=["uvicorn, httptools"])
def test_a_long_chain_in_a_header(start: Start, big: PKI, caller: ClientCertificate, server: str) -> None:
    assert in_a_header(start, big, caller, server, HEADER_OPTIONS.get(server, ())) == 200


@pytest.mark.parametrize("server", HEADER_OPTIONS)
def test_without_the_option_it_does_not_get_through(
    start: Start, big: PKI, caller: ClientCertificate, server: str
) -> None:
    assert in_a_header(start, big, caller, server, ()) != 200


@pytest.mark.parametrize(("padding", "is_served"), [(1_000, True), (20_000, False)])
def test_daphne_takes_16_kib_of_headers_in_all(
    start: Start, big: PKI, caller: ClientCertificate, padding: int, is_served: bool
) -> None:
    assert (in_a_header(start, big, caller, "daphne", (), padding=padding) == 200) is is_served


def in_a_header(
    start: Start, big: PKI, caller: ClientCertificate, server: str, options: Sequence[str], *, padding: int = 0
) -> int:
    """Return the status of the answer, 0 where there is none."""
    port = free_port()
    argv = [*SERVERS[server].argv("protected:asgi", port), *options]
    serve(start, argv, port, big, MTLS_SOURCE="envoy", MTLS_PROXY_SECRET=SECRET)
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT)
    headers = {
        "X-Forwarded-Client-Cert": xfcc_element(caller, *caller.chain),
        "X-MTLS-Proxy-Secret": SECRET,
        "X-Padding": "x" * padding,
    }
    try:
        connection.request("GET", "/actions", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    except (ConnectionError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
    assert answer.status != 200 or json.loads(body)["region"] is None
    return answer.status
