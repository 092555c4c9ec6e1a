"""Fixtures for tests with real servers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.callers import PKI, make_pki
from tests.e2e.processes import Ready, Server, run_server


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
