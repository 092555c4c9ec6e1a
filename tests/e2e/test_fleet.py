"""Twenty processes that share a state in a real engine: how often they ask, and who serves while nobody answers."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mtls_middleware.testing import GenesysAPI, RegionalCA
from tests.io.engines import Running, needs_engine, running

pytestmark = [needs_engine, pytest.mark.e2e, pytest.mark.slow]

PODS = 20
STEPS = ("has the lease", "has an answer", "has put it", "has put everything")
"""Of a process that asks for all, as `fleet_pods` has them."""
MOST_REQUESTS = 6
"""One token, three listings and one CRL; a request that is repeated after a failure does not happen here."""
SECONDS = 120.0
ADDRESS = "http://crl.example.com/a.crl"


@dataclass
class Hosts:
    """The certificates API and a CRL host.

    Attributes:
        requests: process ids of who asked.
        is_down: they answer 503.
        hanging: while it is set, they do not answer.
    """

    api: GenesysAPI = field(default_factory=GenesysAPI)
    crl: bytes = b""
    requests: list[int] = field(default_factory=list)
    is_down: bool = False
    hanging: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        hosts = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with hosts.lock:
                    hosts.requests.append(int(self.headers["X-Pid"]))
                if hosts.hanging.is_set():
                    hosts.released.wait(SECONDS)
                url, headers = self.headers["X-Url"], json.loads(self.headers["X-Headers"])
                status, sent, body = 503, {}, b""
                if not hosts.is_down and url == ADDRESS:
                    status, body = 200, hosts.crl
                elif not hosts.is_down:
                    with hosts.lock:
                        found = hosts.api.answer(self.command, url, headers, content)
                    status, sent, body = found.status, dict(found.headers), found.body
                self.send_response(status)
                for name, value in {**sent, "content-length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        for method in ("GET", "POST"):
            setattr(Handler, f"do_{method}", Handler.answer)
        return Handler


@dataclass
class Fleet:
    """The processes that were started, and what they print."""

    process: subprocess.Popen[str]
    lines: "queue.Queue[str]" = field(default_factory=queue.Queue)

    def read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line)

    def wait(self, word: str, number: int) -> list[int]:
        """Return the ids of the first processes that print a word."""
        found, end = list[int](), time.monotonic() + SECONDS
        while len(found) < number:
            line = self.lines.get(timeout=max(0.1, end - time.monotonic()))
            if line.startswith(word):
                found.append(int(line.split()[1]))
        return found


@dataclass
class World:
    """The hosts, the engine and the settings of all processes."""

    hosts: Hosts
    engine: Running
    environ: dict[str, str]
    port: int
    ca: RegionalCA

    @contextmanager
    def pods(self, number: int, *step: str, **settings: str) -> Iterator[Fleet]:
        more = {f"MTLS_{name.upper()}": value for name, value in settings.items()}
        with subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.fleet_pods", str(self.port), str(number), *step],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environ, **more},
            cwd=Path(__file__).parents[2],
        ) as process:
            fleet = Fleet(process)
            assert process.stdout is not None
            assert process.stdin is not None
            reader = threading.Thread(target=fleet.read)
            reader.start()
            try:
                yield fleet
            finally:
                process.stdin.close()
                process.wait(60)
                reader.join(60)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    ca = RegionalCA("A root of our own")
    hosts = Hosts(crl=ca.crl(number=1))
    hosts.api.add(ca.client())
    server = ThreadingHTTPServer(("127.0.0.1", 0), hosts.handler())
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with running() as engine:
        environ = {
            "MTLS_REGIONS": "us-east-1",
            "MTLS_AUTHORITIES": "digicert",
            "MTLS_TRUST": f"digicert={ca.write(tmp_path / 'root.pem')}",
            "MTLS_GENESYS_CLIENT_ID": hosts.api.client_id,
            "MTLS_GENESYS_CLIENT_SECRET": hosts.api.client_secret,
            "MTLS_CRL_URLS": ADDRESS,
            "MTLS_STATE": f"{engine.url},off",
            "MTLS_STATE_SECRET": "a-secret-of-the-state",
        }
        yield World(hosts, engine, environ, server.server_port, ca)
    hosts.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_twenty_processes_ask_once_then_never_and_serve_while_nobody_answers(world: World) -> None:
    with world.pods(PODS) as fleet:
        assert len(set(fleet.wait("serves", PODS))) == PODS
    assert 0 < len(world.hosts.requests) <= MOST_REQUESTS

    world.hosts.requests.clear()
    with world.pods(PODS) as fleet:
        fleet.wait("serves", PODS)
    assert world.hosts.requests == []

    world.hosts.is_down = True
    with world.pods(PODS) as fleet:
        fleet.wait("serves", PODS)


def test_a_revocation_that_one_learns_is_in_force_in_all(world: World) -> None:
    with world.pods(6) as fleet:
        pods = fleet.wait("serves", 6)
        world.hosts.requests.clear()
        world.hosts.crl = world.ca.crl([world.ca.client()], number=2)
        os.kill(pods[0], signal.SIGUSR1)

        assert sorted(fleet.wait("changed", 6)) == sorted(pods)
    assert set(world.hosts.requests) == {pods[0]}


def test_another_process_asks_where_the_leader_is_killed(world: World) -> None:
    world.hosts.hanging.set()
    with world.pods(6) as fleet:
        end = time.monotonic() + SECONDS
        while not world.hosts.requests and time.monotonic() < end:
            time.sleep(0.05)
        leader = world.hosts.requests[0]
        world.hosts.hanging.clear()
        os.kill(leader, signal.SIGKILL)

        assert leader not in fleet.wait("serves", 5)
    assert len([one for one in world.hosts.requests if one != leader]) <= MOST_REQUESTS


def test_wherever_the_leader_is_killed_the_others_serve(world: World) -> None:
    with ExitStack() as stack:
        fleets = {
            step: stack.enter_context(world.pods(2, step, state_name=f"fleet-{number}"))
            for number, step in enumerate(STEPS)
        }
        leaders = {step: fleet.wait("dies", 1) for step, fleet in fleets.items()}
        others = {step: fleet.wait("serves", 1) for step, fleet in fleets.items()}

    assert [step for step in STEPS if leaders[step][0] in others[step]] == []
    requests = {step: len([one for one in world.hosts.requests if one in others[step]]) for step in STEPS}
    assert [step for step in STEPS[:-1] if not 0 < requests[step] <= MOST_REQUESTS] == []
    assert requests[STEPS[-1]] == 0


def test_an_engine_that_restarts_empty_is_filled_by_who_runs(world: World) -> None:
    with world.pods(3) as fleet:
        fleet.wait("serves", 3)
        world.hosts.is_down = True
        world.hosts.requests.clear()
        world.engine.stop()
        world.engine.start()
        with world.pods(3) as others:
            others.wait("serves", 3)


def test_without_an_engine_each_asks_for_itself(world: World) -> None:
    world.engine.stop()
    with world.pods(3) as fleet:
        fleet.wait("serves", 3)

    assert len(set(world.hosts.requests)) == 3


def test_a_folder_beside_it_serves_while_nothing_answers(world: World, tmp_path: Path) -> None:
    settings = {"state": f"{world.engine.url},{tmp_path / 'state'}"}
    with world.pods(3, **settings) as fleet:
        fleet.wait("serves", 3)
    world.hosts.is_down = True
    world.engine.stop()
    with world.pods(3, **settings) as fleet:
        fleet.wait("serves", 3)
