"""Three CRL hosts that take a connection and say nothing: a fourth is asked beside them, and its CRL counts."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Thread

import pytest

from mtls_middleware import Guard, Settings
from mtls_middleware.testing import RegionalCA
from tests.e2e.crl_host import CRLHost

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("without_http_proxies")]

SILENT = 3
LIMIT = 30.0
"""Seconds for all of them to be asked; one after the other, each would wait for the next."""


@pytest.fixture
def together() -> Barrier:
    return Barrier(SILENT)


@pytest.fixture
def silent(together: Barrier) -> Iterator[list[str]]:
    """Start hosts that hang up when all of them were asked."""

    def stay_silent(server: socket.socket) -> None:
        with suppress(OSError, BrokenBarrierError):  # the end of the test
            while True:
                connection, _ = server.accept()
                with connection:
                    together.wait(LIMIT)

    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(SILENT)]
        for server in servers:
            Thread(target=stay_silent, args=(server,), daemon=True).start()
        yield [f"http://127.0.0.1:{server.getsockname()[1]}/ca.crl" for server in servers]


def test_hosts_are_asked_side_by_side_and_the_good_one_counts(
    tmp_path: Path, silent: list[str], together: Barrier
) -> None:
    ca = RegionalCA("us-east-1")
    host = CRLHost()
    host.answers["/good.crl"] = ca.crl([ca.client()])
    Thread(target=host.serve_forever, daemon=True).start()
    settings = Settings(
        regions="us-east-1",
        trust=ca.write(tmp_path / "US-East-1.pem"),
        crl_urls=[*silent, host.address("/good.crl")],
        state="off",
    )
    try:
        with Guard.from_settings(settings) as guard:
            crls = {one.origin: one for one in guard.refresh().lists}
    finally:
        host.shutdown()
        host.server_close()

    assert not together.broken
    assert [bool(crls[origin].error) for origin in silent] == [True] * SILENT
    assert (crls[host.address("/good.crl")].entries, crls[host.address("/good.crl")].error) == (1, "")
