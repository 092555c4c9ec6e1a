"""A real engine on loopback, for the tests of shared state: Debian's redis-server, or what TEST_REDIS_SERVER names."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.memory import MemoryStore
from mtls_middleware._io.redis_client import EngineClient
from mtls_middleware._io.redis_store import EngineStore
from mtls_middleware._io.sealing import Seal
from mtls_middleware._io.store import Store
from mtls_middleware.engine import Engine

LOOK_SECONDS = 30.0

SERVER = shutil.which(os.environ.get("TEST_REDIS_SERVER", "redis-server"))

START_SECONDS = 30.0

needs_engine = pytest.mark.skipif(SERVER is None, reason="needs redis-server")


@dataclass(kw_only=True)
class Running:
    """An engine that runs, or ran."""

    folder: Path
    port: int
    arguments: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    tls: tuple[Path, Path] | None = None
    sentinel: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert SERVER is not None
        log = self.folder / "log"
        command = ["--bind", "127.0.0.1", "--dir", str(self.folder), *self._ports(), "--save", "", *self.arguments]
        if self.sentinel:  # it writes into its configuration
            configuration = self.folder / "sentinel.conf"
            configuration.write_text(f"port {self.port}\ndir {self.folder}\n{self.sentinel}")
            command = [str(configuration), "--sentinel"]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [SERVER, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                with socket.create_connection((self.host, self.port), 1) as connection:
                    if self.tls is None:  # it answers once it listens everywhere, also on a Unix socket
                        connection.sendall(b"PING\r\n")
                        connection.recv(1)
                    return
            except OSError:
                assert self.process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.02)

    def _ports(self) -> tuple[str, ...]:
        if self.tls is None:
            return ("--port", str(self.port))
        certificate, key = map(str, self.tls)
        files = ("--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate)
        return ("--port", "0", "--tls-port", str(self.port), *files, "--tls-auth-clients", "no")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)

    @property
    def engine(self) -> Engine:
        return Engine(hosts=((self.host, self.port),), shown=self.url)

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}"

    @contextmanager
    def admin(self, **options: Any) -> Iterator["redis.Redis"]:
        client = redis.Redis(host=self.host, port=self.port, protocol=2, **options)
        try:
            yield client
        finally:
            client.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def running(*arguments: str, tls: tuple[Path, Path] | None = None, sentinel: str = "") -> Iterator[Running]:
    """Run an engine of its own; another program may take the port meanwhile, so there are several attempts."""
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        for attempt in range(5):
            one = Running(folder=Path(folder), port=free_port(), arguments=arguments, tls=tls, sentinel=sentinel)
            try:
                one.start()
            except AssertionError:
                one.stop()
                if attempt == 4:
                    raise
                continue
            break
        try:
            yield one
        finally:
            with suppress(ProcessLookupError):
                one.stop()


def look(store: EngineStore) -> EngineStore:
    """View until the engine has told everything: a busy machine may need the second of a view for itself."""
    end = time.monotonic() + LOOK_SECONDS
    store.view()
    while (store._is_blind or (store._epoch and not store._version)) and time.monotonic() < end:
        time.sleep(0.02)
        store.view()
    return store


def engine_store(
    engine: Engine,
    *,
    local: Store | None = None,
    name: str = "checkout",
    secrets: Sequence[bytes] = (b"a-secret-of-the-state",),
    password: str = "",
    **options: Any,
) -> EngineStore:
    """Return a store as one process has it."""
    local = MemoryStore() if local is None else local
    seals = [Seal(secret, name=name, purpose="us-east-1,/,genesys") for secret in secrets]
    lock = local.lock("fetch") if isinstance(local, FolderStore) else None
    return EngineStore(EngineClient(engine, lambda: password), seals, local=local, lock=lock, **options)
