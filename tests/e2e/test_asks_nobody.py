"""Servers that were started without the option that asks for certificates: the log says so, and blames no caller."""

from collections.abc import Sequence

import pytest

from tests.e2e.asgi_servers import ENVIRONMENT, SERVERS
from tests.e2e.callers import PKI, get
from tests.e2e.conftest import Start
from tests.e2e.processes import free_port
from tests.slow import mostly_slow

pytestmark = pytest.mark.e2e

FORGOTTEN = {"--ssl-cert-reqs", "--cert-reqs", "--verify-mode", "--client-ca"}
"""Each with the value behind it."""


def without(argv: Sequence[object]) -> list[str]:
    told = list(map(str, argv))
    return [
        part for place, part in enumerate(told) if part not in FORGOTTEN and told[max(place - 1, 0)] not in FORGOTTEN
    ]


ASKING = [name for name in SERVERS if name != "pyvoy"]


@mostly_slow("name", ASKING, kept=["uvicorn, httptools"])
def test_the_log_says_what_to_write(name: str, start: Start, pki: PKI) -> None:
    port, server = free_port(), SERVERS[name]
    argv = [*server.argv("protected:asgi", port), *without(server.tls(pki, port))]
    variables = {**ENVIRONMENT, "MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(pki.trust), "MTLS_STATE": "off"}
    running = start(argv, port=port, env=variables)

    assert [get(port, pki.caller(pki.region.client()))["reason"] for _ in range(2)] == ["certificate_missing"] * 2

    assert running.log.count("this server asks callers for no certificate") == 1
    assert running.log.count('detail="this server asked the caller for no certificate"') == 2
