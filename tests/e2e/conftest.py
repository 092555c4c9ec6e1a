"""Fixtures for tests with real servers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from mtls_middleware.testing import ClientCertificate, KeyKind, RegionalCA
from tests.e2e.callers import CUSTOM_NAME, PKI, make_pki
from tests.e2e.processes import Ready, Server, run_server

LINKS = 4
"""Of a long chain, of which each certificate has a long key."""


class Start:
    """Start servers, each with a file for its output; all of them end with the fixture."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._number = 0

    def __call__(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        port: int | None = None,
        ready: Ready | None = None,
    ) -> Server:
        """Start one as `run_server` does."""
        self._number += 1
        output = self._folder / f"server-{self._number}.log"
        return self._stack.enter_context(run_server(argv, output=output, env=env, port=port, ready=ready))


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> PKI:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield Start(stack, tmp_path)


@pytest.fixture(scope="module")
def start_for_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    with ExitStack() as stack:
        yield Start(stack, tmp_path_factory.mktemp("servers"))


@pytest.fixture(scope="session")
def big(pki: PKI, tmp_path_factory: pytest.TempPathFactory) -> PKI:
    """Return authorities with long keys."""
    root = RegionalCA("us-east-1", key=KeyKind.RSA4096)
    return replace(pki, region=root, trust=root.write(tmp_path_factory.mktemp("big")))


@pytest.fixture(scope="session")
def caller(big: PKI) -> ClientCertificate:
    """Return a client of the authority ``custom`` with a long chain."""
    authority = big.region
    for index in range(LINKS - 1):
        authority = authority.intermediate(f"Lower CA {index}", key=KeyKind.RSA4096)
    client = authority.client(names=[CUSTOM_NAME], key=KeyKind.RSA4096)
    assert len(client.pems) == LINKS
    return client


@pytest.fixture
def without_http_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every address be asked directly."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
