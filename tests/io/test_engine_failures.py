"""Engines that refuse, hang, are full or replicas, or want another login: each is a sentence, and nobody waits."""

import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from mtls_middleware._io import forks
from mtls_middleware._io.redis_client import AwayError, Doing, EngineClient
from mtls_middleware._io.store import Kind
from mtls_middleware.engine import Engine
from mtls_middleware.testing import RegionalCA
from tests.io.engines import Running, engine_store, free_port, needs_engine, running
from tests.io.fake_engines import REFUSALS, engine_at, serving

NOW = datetime.now(UTC).replace(microsecond=0)
A = "http://crl.example/a.crl"
PASSWORD = "hunter2-of-the-engine"
RULES = (
    "~mtls-middleware:* -@all +get +set +del +hset +hget +hkeys +hmget +hexists +hdel +hgetall +exists +expire "
    "+pexpire +time +eval +client +select +hello +auth +ping"
)
"""What docs/fleets.md names."""

FLEETS = Path(__file__).parents[2] / "docs" / "fleets.md"


def works_alone(engine: Engine, password: str = "") -> str:
    """Do what a process does without an engine, and return what it complains of."""
    store = engine_store(engine, name="mtls-middleware", password=password)
    try:
        store.view()
        with store.refreshing() as is_mine:
            assert is_mine
            store.put(Kind.CRL, A, b"a list", NOW)
        store.view()
        assert [entry.read() for entry in store.entries(Kind.CRL)] == [b"a list"]
        return "\n".join(store.problems)
    finally:
        store.close()


def shares(engine: Engine, password: str = "") -> None:
    """Do what processes do with an engine."""
    first, second = (engine_store(engine, name="mtls-middleware", password=password) for _ in range(2))
    try:
        with first.refreshing() as is_mine, second.refreshing() as is_theirs:
            assert (is_mine, is_theirs) == (True, False), (first.problems, second.problems)
            first.put(Kind.CRL, A, os.urandom(100_000), NOW)
        second.view()
        assert len(list(second.entries(Kind.CRL))) == 1
        assert first.problems == second.problems == ()
    finally:
        first.close()
        second.close()


def test_nobody_listens() -> None:
    shown = works_alone(engine_at(free_port()))

    assert "cannot be used: it cannot be reached: check host, port and firewall; " in shown
    assert "Error 111 connecting to" in shown


@pytest.mark.parametrize("code", REFUSALS)
def test_each_refusal_has_a_sentence_with_what_to_do(code: str) -> None:
    serve, what = REFUSALS[code]
    with serving(serve) as port:
        shown = works_alone(engine_at(port))

    for problem in shown.splitlines():
        assert re.fullmatch(rf"state in redis://127\.0\.0\.1:{port} cannot be \w+: {what}: \w.+", problem)
    assert shown
    assert "hunter2" not in shown


def trouble_of(engine: Engine) -> str:
    client = EngineClient(engine, lambda: "")
    with suppress(AwayError):
        client.call(Doing.READ, lambda one: one.ping())
    (found,) = client.troubles
    client.close()
    return str(found)


@pytest.mark.parametrize("has_threads", [True, False])
@needs_engine
def test_a_plain_port_and_tls_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, tls: tuple[Running, Path], *, has_threads: bool
) -> None:
    if not has_threads:
        monkeypatch.setenv(forks.LAMBDA, "a-function")
    with running() as one:
        meant_tls = trouble_of(replace(one.engine, tls=True))
    meant_plain = trouble_of(replace(tls[0].engine))

    assert meant_plain == "that port speaks TLS: write rediss:// in place of redis:// in MTLS_STATE"
    if has_threads:  # else there is no time left to find it out
        assert meant_tls.startswith("that port speaks no TLS: name its TLS port in MTLS_STATE, or write redis:// ")
    else:
        assert meant_tls.startswith("it does not answer in time: ")


def test_what_is_said_of_a_port_that_is_silent_or_speaks_otherwise() -> None:
    for greeting in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"):

        def serve(connection: socket.socket, _: object, greeting: bytes = greeting) -> None:
            connection.recv(100)
            connection.sendall(greeting)

        with serving(serve) as port:
            for has_tls in (False, True):
                assert not trouble_of(engine_at(port, tls=has_tls)).startswith("that port")


def test_an_engine_that_does_not_answer_is_asked_once() -> None:
    commands: list[bytes] = []

    def silent(connection: socket.socket, _: object) -> None:
        while received := connection.recv(100):
            commands.append(received)

    with serving(silent) as port:
        assert "cannot be used: it does not answer in time: " in works_alone(engine_at(port))

    assert [received for received in commands if received[:1] == b"*"] == commands[:1]  # then it was left alone


def test_a_resolver_that_hangs_is_waited_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, asked = threading.Event(), list[str]()

    def hang(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        stop.wait(60)
        return []

    monkeypatch.setattr("redis.connection.socket.getaddrinfo", hang)
    client = EngineClient(engine_at(1, hosts=(("hangs.invalid", 1),)), lambda: "", draw=lambda *_: 0.0)
    try:
        for _ in range(3):
            with pytest.raises(AwayError):
                client.call(Doing.READ, lambda one: one.ping())
        assert len(asked) == 1  # while that attempt lasts, there is no other
        assert "no answer in time" in "".join(client.problems)
    finally:
        stop.set()
        client.close()


def test_it_is_left_alone_for_longer_with_each_failure_and_the_first_reason_stays() -> None:
    now, asked = 0.0, list[float]()
    reasons = iter(["the first reason", "another", *["more"] * 1000])

    def password() -> str:
        asked.append(now)
        raise OSError(next(reasons))

    client = EngineClient(engine_at(1), password, seconds=lambda: now, draw=lambda low, _: low)
    while now < 300:
        with pytest.raises(AwayError):
            client.call(Doing.READ, lambda one: one.ping())
        now += 0.5

    pauses = [after - before for before, after in pairwise(asked)]
    assert pauses[:6] == [1, 2, 4, 8, 16, 32]
    assert set(pauses[6:]) == {60}
    (problem,) = client.problems
    assert problem.endswith("(the first reason)")


@needs_engine
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_does_not_wait_for_the_calls_of_its_parent() -> None:
    with running() as one, ExitStack() as stack:
        client = EngineClient(one.engine, lambda: "")
        stack.callback(client.close)
        begun, stop = threading.Barrier(3), threading.Event()

        def call(_: object) -> None:
            begun.wait(30)
            stop.wait(60)

        threads = [threading.Thread(target=client.call, args=(Doing.READ, call)) for _ in range(2)]
        for thread in threads:
            thread.start()
        begun.wait(30)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            try:
                os._exit(0 if client.call(Doing.READ, lambda found: found.ping()) else 2)
            finally:
                os._exit(3)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        stop.set()
        for thread in threads:
            thread.join()
    assert status == 0


@needs_engine
@pytest.mark.usefixtures("patient")
class TestReal:
    def test_a_plain_one(self) -> None:
        with running() as one:
            shares(one.engine)

    def test_a_unix_socket(self, tmp_path: Path) -> None:
        with running("--unixsocket", str(tmp_path / "s")):
            shares(Engine(socket=str(tmp_path / "s"), shown="unix:///s"))

    def test_a_password(self) -> None:
        with running("--requirepass", PASSWORD) as one:
            shares(one.engine, PASSWORD)
            for wrong, what in (("", "it wants a login"), ("another", "the login is refused")):
                shown = works_alone(one.engine, wrong)
                assert f"cannot be used: {what}: " in shown
                assert "another" not in shown

    def test_the_least_rights(self) -> None:
        assert RULES in FLEETS.read_text(encoding="utf-8")
        with running() as one, one.admin() as admin:
            admin.execute_command("ACL", "SETUSER", "mtls", "on", f">{PASSWORD}", *RULES.split())
            engine = replace(one.engine, user="mtls")
            shares(engine, PASSWORD)
            assert "cannot be used: the login is refused: " in works_alone(engine, "wrong")

    def test_rights_that_are_too_few(self) -> None:
        with running() as one, one.admin() as admin:
            admin.execute_command("ACL", "SETUSER", "mtls", "on", f">{PASSWORD}", "~*", "-@all", "+ping", "+client")
            shown = works_alone(replace(one.engine, user="mtls"), PASSWORD)

        assert "cannot be read: its rights are too few: " in shown
        assert "cannot be locked: its rights are too few: " in shown
        assert "no permissions" in shown

    def test_a_full_one(self) -> None:
        with running("--maxmemory", "1") as one:
            shown = works_alone(one.engine)

        assert "cannot be written: its memory is full: raise maxmemory, " in shown
        assert "used memory > 'maxmemory'" in shown

    def test_a_replica(self) -> None:
        with running() as primary, running("--replicaof", "127.0.0.1", str(primary.port)) as replica:
            assert "cannot be locked: it is a replica, which cannot be written: " in works_alone(replica.engine)

    def test_a_replica_without_its_primary(self) -> None:
        with running("--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no") as replica:
            assert "it is a replica that has lost its primary: name the primary, " in works_alone(replica.engine)

    def test_a_cluster_that_is_down(self) -> None:
        with running("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as one:
            assert "its cluster is down: see CLUSTER INFO there; " in works_alone(one.engine)

    def test_the_password_is_not_shown_by_an_engine_that_repeats_what_it_does_not_know(self) -> None:
        with running("--rename-command", "AUTH", "", "--rename-command", "HELLO", "") as one:
            shown = works_alone(replace(one.engine, user="mtls"), PASSWORD)

        assert "unknown command" in shown
        assert PASSWORD not in shown

    @pytest.mark.parametrize("fence", [b"inf", b"-inf", b"nan", b"abc", b"1e308", b"9" * 400, b"", b"x" * 100_000])
    @pytest.mark.parametrize("is_leased", [True, False])
    def test_a_fence_that_is_no_number_keeps_nobody_from_asking(self, fence: bytes, *, is_leased: bool) -> None:
        with running() as one, one.admin() as admin:
            shares(one.engine)
            (state,) = admin.scan_iter("mtls-middleware:*:state")
            admin.hset(state, "f", fence)
            if is_leased:
                admin.set(bytes(state).replace(b":state", b":lease"), b"somebody")
            store = engine_store(one.engine, name="mtls-middleware")
            store.view()
            with store.refreshing() as is_mine:
                may_ask = is_mine
            store.close()

        assert may_ask is not is_leased
        assert store.problems == ()

    def test_it_comes_back(self) -> None:
        now = 0.0
        with running() as one, ExitStack() as stack:
            client = EngineClient(one.engine, lambda: "", seconds=lambda: now)
            stack.callback(client.close)
            client.call(Doing.READ, lambda found: found.ping())
            one.stop()
            with pytest.raises(AwayError):
                client.call(Doing.READ, lambda found: found.ping())
            assert client.problems
            one.start()
            now += 120
            client.call(Doing.READ, lambda found: found.ping())
            assert client.problems == ()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    ca = RegionalCA("us-east-1")
    with running(tls=ca.server("localhost").write(folder, "server")) as one:
        yield one, ca.write(folder)


@needs_engine
@pytest.mark.usefixtures("patient")
class TestTLS:
    @pytest.fixture
    def engine(self, tls: tuple[Running, Path]) -> Callable[..., Engine]:
        def address(host: str = "localhost", *, ca: bool = True) -> Engine:
            one, root = tls
            return Engine(hosts=((host, one.port),), tls=True, ca=str(root) if ca else "", shown="rediss://localhost")

        return address

    def test_a_good_one(self, engine: Callable[..., Engine]) -> None:
        shares(engine())

    def test_an_unknown_ca(self, engine: Callable[..., Engine]) -> None:
        assert "certificate verify failed" in works_alone(engine(ca=False))

    def test_a_wrong_name(self, engine: Callable[..., Engine]) -> None:
        assert "certificate verify failed" in works_alone(engine("127.0.0.1"))
