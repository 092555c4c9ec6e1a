"""Engines that drip, hang in TLS or read nothing: a call ends all the same, because all of it has one deadline."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware import Settings
from mtls_middleware._io import forks
from mtls_middleware._io.redis_client import AwayError, Doing, EngineClient
from mtls_middleware._io.store import Kind
from mtls_middleware.composition import Secrets, gatherer_of, local_store_of
from mtls_middleware.testing import RegionalCA
from tests.io.engines import engine_store, needs_engine, running
from tests.io.fake_engines import DRIPS, Serve, answering, drip, engine_at, serving, through

NOW = datetime.now(UTC).replace(microsecond=0)
A = "http://crl.example/a.crl"
LONG = b"$%d\r\n%s\r\n" % (DRIPS, b"x" * DRIPS)


def silent(_: object, stop: threading.Event) -> None:
    stop.wait()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    folder, ca = tmp_path_factory.mktemp("tls"), RegionalCA("us-east-1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ca.server("localhost").write(folder, "server"))
    return context, ca.write(folder)


SLOW: dict[str, Serve] = {
    "says nothing": silent,
    "drips the first answer": answering({"PING": b"+" + b"P" * DRIPS + b"\r\n"}, dripping=["PING"]),
    "drips a later answer": answering({"GET": LONG}, dripping=["GET"]),
    "drips lines": answering({"GET": b"*%d\r\n" % DRIPS + b":1\r\n" * DRIPS}, dripping=["GET"]),
    "hangs before TLS": silent,
    "drips before TLS": lambda connection, stop: drip(connection, stop, b"\x16\x03\x03\xff\xff" + bytes(DRIPS)),
    "drips a later answer in TLS": answering({"GET": LONG}, dripping=["GET"]),
}


@pytest.mark.parametrize("has_threads", [True, False])
@pytest.mark.parametrize("how", SLOW)
def test_a_call_ends_though_the_engine_goes_on(
    tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch, how: str, *, has_threads: bool
) -> None:
    if not has_threads:
        monkeypatch.setenv(forks.LAMBDA, "a-function")
    with serving(SLOW[how], tls[0] if "in TLS" in how else None) as port:
        engine = engine_at(port)
        if "TLS" in how:
            engine = replace(engine, tls=True, ca=str(tls[1]), hosts=(("localhost", port),))
        client = EngineClient(engine, lambda: "")
        with pytest.raises(AwayError):
            client.call(Doing.READ, lambda one: one.get("x"))
        client.close()

    assert "it does not answer in time" in "".join(client.problems) or "TLS" in how


@pytest.mark.parametrize("has_tls", [False, True], ids=["plain", "TLS"])
def test_a_call_ends_though_the_engine_reads_a_little_now_and_then(
    tls: tuple[ssl.SSLContext, Path], *, has_tls: bool
) -> None:
    def serve(connection: Any, stop: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(b"+OK\r\n" * 9 + b"+PONG\r\n")
        for _ in range(DRIPS):
            connection.recv(65_536)
            if stop.wait(0.1):
                return

    with serving(serve, tls[0] if has_tls else None) as port, ExitStack() as stack:
        engine = replace(engine_at(port), tls=has_tls, ca=str(tls[1]), hosts=(("localhost", port),))
        client = EngineClient(engine, lambda: "")
        stack.callback(client.close)
        with pytest.raises(AwayError):
            client.call(Doing.WRITE, lambda one: one.set("x", bytes(30_000_000)))


@needs_engine
def test_a_call_over_a_line_that_drips_ends() -> None:
    with running() as one, serving(through(one.port, drip)) as port:
        client = EngineClient(engine_at(port), lambda: "")
        with pytest.raises(AwayError):
            client.call(Doing.READ, lambda found: found.get("x"))
        client.close()


def slowly(chunk: int, seconds: float) -> Callable[[socket.socket, threading.Event, bytes], None]:
    def send(connection: socket.socket, stop: threading.Event, content: bytes) -> None:
        for begin in range(0, len(content), chunk):
            stop.wait(seconds)
            connection.sendall(content[begin : begin + chunk])

    return send


LONG_CRL = os.urandom(1_200_000)


@needs_engine
@pytest.mark.parametrize(
    ("written", "line"),
    [
        ({A: LONG_CRL}, slowly(16_384, 0.04)),  # 400 kB/s
        ({f"{A}/{number}": b"a list" for number in range(20)}, slowly(65_536, 0.1)),
    ],
    ids=["a long CRL over a slow line", "many entries from afar"],
)
def test_one_view_brings_what_it_has_time_for_and_the_next_ones_the_rest(
    written: dict[str, bytes], line: Callable[[socket.socket, threading.Event, bytes], None]
) -> None:
    with running() as one, ExitStack() as stack:
        near = engine_store(one.engine)
        stack.callback(near.close)
        for key, content in written.items():
            near.put(Kind.CRL, key, content, NOW)
        store = engine_store(engine_at(stack.enter_context(serving(through(one.port, line)))))
        stack.callback(store.close)
        counts, end = list[int](), time.monotonic() + 120
        while not counts or (counts[-1] < len(written) and time.monotonic() < end):
            store.view()
            counts.append(len(list(store.entries(Kind.CRL))))
        found = {entry.key: entry.read() for entry in store.entries(Kind.CRL)}

    assert found == written
    assert counts[0] < len(written)
    assert store.problems == ()


@needs_engine
def test_a_start_looks_once_and_writes_nothing(tmp_path: Path) -> None:
    settings = Settings(
        regions="us-east-1",
        trust=RegionalCA("us-east-1").write(tmp_path),
        revocation="off",
        state=f"redis://127.0.0.1:1,{tmp_path / 'state'}",
        state_secret="a-secret-of-the-state",
    )
    local = local_store_of(settings, secrets := Secrets.read(settings, []))
    local.put(Kind.CRL, A, b"a list", NOW)
    with running() as one:
        store = engine_store(one.engine, local=local)
        gatherer = gatherer_of(settings, secrets, lambda: NOW, NOW, store=store)
        gatherer.load(NOW)
        assert gatherer.why_not_kept() == ()
        with one.admin() as admin:
            assert admin.dbsize() == 0  # neither the lease nor what lies here
            store.view()
            assert admin.dbsize() == 1
        gatherer.close()


def of_a_thread(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


@needs_engine
def test_who_waits_for_a_connection_of_another_does_not_wait_for_ever() -> None:
    with running() as one, ExitStack() as stack:
        client = EngineClient(one.engine, lambda: "")
        stack.callback(client.close)
        client.call(Doing.READ, lambda found: found.ping())
        begun, stop = threading.Barrier(3), threading.Event()

        def call(_: object) -> None:
            begun.wait(60)
            stop.wait(60)

        threads = [of_a_thread(lambda: client.call(Doing.READ, call)) for _ in range(2)]
        begun.wait(60)
        with pytest.raises(AwayError):
            client.call(Doing.READ, lambda found: found.ping())
        still = [thread.is_alive() for thread in threads]
        stop.set()
        for thread in threads:
            thread.join()

    assert still == [True, True]
