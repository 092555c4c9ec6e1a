"""Nothing lost: several workers of a real server, while lists, the certificates API, processes and the state fail."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from mtls_middleware.testing import ClientCertificate, GenesysAPI, RegionalCA
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.crl_host import Answer, CRLHost, run_crl_host
from tests.e2e.processes import HOST, ROOT, Server, free_port
from tests.e2e.tunnel import run_tunnel
from tests.e2e.worker_site import WORKER
from tests.slow import mostly_slow

pytestmark = pytest.mark.e2e

WORKERS = 3
REFRESH = 1
"""Seconds of MTLS_REFRESH_SECONDS."""

LOOKED_AT = 5.0
"""Seconds in which nothing may change."""

LIMIT = 30.0
"""Seconds after which what should happen by itself is late. Workers that look only by themselves do after minutes."""

NOTHING: Mapping[str, str] = {}
LIST = "/region.crl"
OTHER = "/other.crl"


def _uvicorn(pki: PKI, port: int) -> list[str | Path]:
    files = ("--ssl-certfile", pki.certificate, "--ssl-keyfile", pki.key, "--ssl-ca-certs", pki.trust)
    ours = ("--http", "mtls_middleware.servers.uvicorn:HttpToolsProtocol", "--ssl-cert-reqs", "1")
    run = (sys.executable, "-m", "uvicorn", "worker_site:asgi", "--port", str(port), "--workers", str(WORKERS))
    return [*run, *ours, *files, "--timeout-keep-alive", "75"]


def _serve(pki: PKI, port: int) -> list[str | Path]:
    files = ("--ssl-certfile", pki.certificate, "--ssl-keyfile", pki.key)
    run = (sys.executable, "-m", "mtls_middleware", "serve", "worker_site:asgi", "--port", str(port))
    return [*run, "--workers", str(WORKERS), *files]


def _gunicorn(app: str, *options: str) -> Callable[[PKI, int], list[str | Path]]:
    def argv(pki: PKI, port: int) -> list[str | Path]:
        files = ("--certfile", pki.certificate, "--keyfile", pki.key, "--ca-certs", pki.trust, "--cert-reqs", "1")
        run = (sys.executable, "-m", "gunicorn", app, "--bind", f"{HOST}:{port}", "--workers", str(WORKERS))
        return [*run, *files, "--keep-alive", "75", "--graceful-timeout", "1", *options]

    return argv


_WORKER = "mtls_middleware.servers.gunicorn"
SERVERS: dict[str, Callable[[PKI, int], list[str | Path]]] = {
    "uvicorn": _uvicorn,
    "serve": _serve,
    "gunicorn, sync": _gunicorn("worker_site:wsgi()"),
    "gunicorn, gthread": _gunicorn("worker_site:wsgi()", "-k", "gthread", "--threads", "4"),
    "gunicorn, gthread, preloaded": _gunicorn("worker_site:wsgi()", "-k", "gthread", "--threads", "4", "--preload"),
    "gunicorn, UvicornWorker": _gunicorn("worker_site:asgi", "-k", f"{_WORKER}.UvicornWorker"),
    "gunicorn, ASGIWorker": _gunicorn("worker_site:asgi", "-k", f"{_WORKER}.ASGIWorker"),
}


@dataclass
class Region:
    """Hold the lists of the region's CA, and the host that publishes them."""

    pki: PKI
    host: CRLHost
    number: int = 0

    def publish(self, *revoked: ClientCertificate, path: str = LIST, more: int = 0) -> None:
        """Publish the next list: with what is revoked, and some more numbers that make it long."""
        self.number += 1
        self.host.answers[path] = self.pki.region.crl([*revoked, *range(1, more + 1)], number=self.number)


@dataclass
class Farm:
    """Hold a server with several workers, and call each of them."""

    port: int
    pki: PKI
    server: Server
    contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)

    def call(self, client: ClientCertificate, connection: http.client.HTTPSConnection | None = None) -> tuple[int, str]:
        """Return which worker answered, and ``accepted`` or the reason of the refusal."""
        one = connection or self.connection(client)
        try:
            one.request("GET", "/actions")
            answer = one.getresponse()
            told = json.loads(answer.read())
        finally:
            if connection is None:
                one.close()
        return int(answer.headers[WORKER]), "accepted" if answer.status == 200 else str(told["reason"])

    def verdicts(self, client: ClientCertificate, count: int = WORKERS) -> dict[int, str]:
        """Ask until as many workers have answered: what each said last."""
        seen: dict[int, str] = {}
        self._context(client)
        deadline = time.monotonic() + LIMIT
        with ThreadPoolExecutor(8) as pool:
            while len(seen) < count and time.monotonic() < deadline:
                seen.update(pool.map(lambda _: self.call(client), range(16)))
        assert len(seen) >= count, f"only {seen} answered"
        return seen

    def becomes(self, told: str, client: ClientCertificate, seconds: float = LIMIT) -> float:
        """Wait until every worker says this, and return the seconds it took."""
        begun = time.monotonic()
        while set((seen := self.verdicts(client)).values()) != {told}:
            assert time.monotonic() - begun < seconds, f"still {seen}\n{self.server.log}"
        return time.monotonic() - begun

    def connection(self, client: ClientCertificate) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(HOST, self.port, timeout=TIMEOUT, context=self._context(client))

    def _context(self, client: ClientCertificate) -> ssl.SSLContext:
        if client.fingerprint_sha256 not in self.contexts:
            self.contexts[client.fingerprint_sha256] = self.pki.caller(client)
        return self.contexts[client.fingerprint_sha256]


class Farms:
    """Start servers that share a state folder, one after the other."""

    def __init__(self, pki: PKI, folder: Path) -> None:
        self.state = folder / "state"
        self.trust = pki.trust
        self._pki = pki
        self._folder = folder
        self._stack = ExitStack()
        self._number = 0

    def __call__(self, name: str = "uvicorn", environment: Mapping[str, str] = NOTHING, /, **more: str) -> Farm:
        """Start a server; `more` are settings in lower case without their prefix."""
        self._number += 1
        port = free_port()
        start = Start(self._stack, self._folder / str(self._number))
        (self._folder / str(self._number)).mkdir()
        settings = {
            "MTLS_REGIONS": "us-east-1",
            "MTLS_TRUST": str(self._pki.trust),
            "MTLS_REVOCATION": "check",
            "MTLS_CRL_NETWORKS": "127.0.0.0/8",
            "MTLS_STATE": str(self.state),
            "MTLS_REFRESH_SECONDS": str(REFRESH),
            **{f"MTLS_{key.upper()}": value for key, value in more.items()},
        }
        env = {**settings, **environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
        return Farm(port, self._pki, start(SERVERS[name](self._pki, port), env=env, port=port))

    def close(self) -> None:
        self._stack.close()

    def kill_all(self, farm: Farm) -> None:
        """End a server and its workers at once, whatever they do."""
        os.killpg(farm.server.process.pid, signal.SIGKILL)
        farm.server.process.wait(TIMEOUT)


@pytest.fixture
def host() -> Iterator[CRLHost]:
    with run_crl_host() as host:
        yield host


@pytest.fixture
def region(pki: PKI, host: CRLHost) -> Region:
    return Region(pki, host)


@pytest.fixture
def farms(pki: PKI, tmp_path: Path) -> Iterator[Farms]:
    farms = Farms(pki, tmp_path)
    yield farms
    farms.close()


@mostly_slow("name", SERVERS, kept=["serve", "gunicorn, sync"])
def test_a_revocation_reaches_every_worker_within_one_refresh(name: str, farms: Farms, region: Region) -> None:
    client, good = region.pki.region.client(), region.pki.region.client()
    region.publish()
    farm = farms(name, crl_urls=region.host.address(LIST), revocation="require")
    farm.becomes("accepted", client)

    region.publish(client)
    farm.becomes("certificate_revoked", client)

    assert set(farm.verdicts(client).values()) == {"certificate_revoked"}
    assert set(farm.verdicts(good).values()) == {"accepted"}


@mostly_slow("name", ["uvicorn", "gunicorn, gthread", "gunicorn, ASGIWorker"], kept=["uvicorn"])
def test_callers_that_never_pause_are_refused_too(name: str, farms: Farms, region: Region) -> None:
    client = region.pki.region.client()
    region.publish()
    farm = farms(name, crl_urls=region.host.address(LIST), revocation="require")
    farm.becomes("accepted", client)
    end = threading.Event()

    def call_on() -> list[str]:
        """Call on one connection for as long as it lasts: in ASGI such calls are repeated, not judged anew."""
        connection, seen = farm.connection(client), []
        while not end.is_set():
            seen.append(farm.call(client, connection)[1])
            end.wait(0.005)
        connection.close()
        return seen

    with ThreadPoolExecutor(9) as pool:
        callers = [pool.submit(call_on) for _ in range(9)]
        region.publish(client)
        farm.becomes("certificate_revoked", client)
        end.wait(1.0)
        end.set()
        seen = [caller.result() for caller in callers]

    for one in seen:
        refused = one.index("certificate_revoked")
        assert set(one[refused:]) == {"certificate_revoked"}
        assert set(one[:refused]) <= {"accepted"}
    assert any("accepted" in one for one in seen)


@mostly_slow("name", ["uvicorn", "gunicorn, gthread"], kept=["gunicorn, gthread"])
def test_an_address_that_one_worker_learned_is_known_to_the_others(name: str, farms: Farms, region: Region) -> None:
    client = region.pki.region.client(crl_url=region.host.address(OTHER))
    region.publish(client, path=OTHER)
    farm = farms(name)
    farm.call(client)

    taken = farm.becomes("certificate_revoked", client)
    asked = region.host.asked[OTHER]

    assert set(farm.verdicts(client).values()) == {"certificate_revoked"}
    assert asked <= 3 + taken / (0.9 * REFRESH)  # one worker asks, not each


# Not preloaded: there the one that asks may be the master.
@mostly_slow("name", ["uvicorn", "gunicorn, gthread"], kept=["uvicorn"])
def test_when_the_worker_that_refreshes_is_killed_another_goes_on(name: str, farms: Farms, region: Region) -> None:
    client, revoked = region.pki.region.client(), region.pki.region.client()
    region.publish(more=1000)
    farm = farms(name, crl_urls=region.host.address(LIST), revocation="require")
    farm.becomes("accepted", client)
    before = lists_in(farms.state)

    region.host.hold()
    region.publish(revoked, more=1000)
    assert region.host.holding.wait(LIMIT)
    refreshing = holder_of_lock(farms.state)
    os.kill(refreshing, signal.SIGKILL)
    assert lists_in(farms.state) == before
    during = {verdict for _ in range(3) for verdict in farm.verdicts(client, WORKERS - 1).values()}
    region.host.let_go()
    farm.becomes("certificate_revoked", revoked)

    assert during == {"accepted"}
    assert set(farm.verdicts(client).values()) == {"accepted"}
    assert lists_in(farms.state) != before


@pytest.mark.slow
def test_after_everything_was_killed_a_start_without_network_serves_at_once(farms: Farms, region: Region) -> None:
    client, revoked = region.pki.region.client(), region.pki.region.client()
    region.publish(revoked, more=5000)
    settings = {"crl_urls": region.host.address(LIST), "revocation": "require"}
    for moment in (0.0, 0.013, 0.031):
        farm = farms(**settings)
        asked = region.host.asked[LIST]
        farm.becomes("accepted", client)
        region.publish(revoked, more=5000)
        while region.host.asked[LIST] < asked + 2:
            time.sleep(0.001)  # nothing tells from outside
        time.sleep(moment)  # a moment of the writing
        farms.kill_all(farm)
    region.host.answers.clear()
    region.host.shutdown()
    region.host.server_close()

    farm = farms(**settings)

    assert set(farm.verdicts(client).values()) == {"accepted"}
    assert set(farm.verdicts(revoked).values()) == {"certificate_revoked"}


def _tamper(state: Path) -> None:
    for file in entries_of(state):
        content = bytearray(file.read_bytes())
        content[-20] ^= 1
        file.write_bytes(content)


def _belongs_to_another(state: Path) -> None:
    os.chown(state, 12_345, 12_345)


def _swap(state: Path) -> None:
    """Put somebody else's folder there, by a link."""
    state.rename(state.with_name("elsewhere"))
    state.symlink_to(state.with_name("elsewhere"))


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "tampered": (_tamper, "is damaged"),
    "of another user": (_belongs_to_another, "it belongs to another user"),
    "writable by others": (lambda state: state.chmod(0o777), ""),  # a folder of our own in it is used, in silence
    "a link": (_swap, "a link to one is not followed"),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
@mostly_slow("fault", FAULTS, kept=["tampered"])
def test_a_state_that_is_not_ours_is_refused_loudly_and_files_still_count(
    fault: str, farms: Farms, region: Region
) -> None:
    spoil, told = FAULTS[fault]
    client, revoked = region.pki.region.client(), region.pki.region.client()
    region.publish(revoked)
    settings = {"crl_urls": region.host.address(LIST)}
    farm = farms(**settings)
    farm.becomes("certificate_revoked", revoked)
    farms.kill_all(farm)
    spoil(farms.state)
    down, region.host.answers = region.host.answers, {}

    farm = farms(**settings)

    assert set(farm.verdicts(client).values()) == {"accepted"}
    assert set(farm.verdicts(revoked).values()) == {"accepted"}  # what was kept is not believed
    assert told in farm.server.log
    region.host.answers = down
    farm.becomes("certificate_revoked", revoked)


def entries_of(state: Path) -> list[Path]:
    return sorted(state.rglob("*.entry"))


def lists_in(state: Path) -> list[bytes]:
    """Return the lists that are kept, without the lines that describe them."""
    return [file.read_bytes().partition(b"\n")[2] for file in entries_of(state) if file.parent.name == "crl"]


def holder_of_lock(state: Path) -> int:
    """Return the process that refreshes. The system's table of locks is read in pieces, and may lack one at times."""
    lock = next(file for file in entries_of(state) if file.parent.name == "crl").parents[1] / "lock"
    facts = lock.stat()
    place = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            if re.search(f" FLOCK .* {place} ", line):
                return int(line.split()[-4])
    raise AssertionError(f"nobody holds the lock:\n{Path('/proc/locks').read_text(encoding='ascii')}")


@dataclass
class Platform:
    """Hold the certificates API of a region, as workers reach it: over TLS, through a proxy."""

    api: GenesysAPI
    environment: dict[str, str]

    @property
    def polls(self) -> int:
        return sum(call.query == {"type": "Client"} for call in self.api.calls)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    root, api = RegionalCA("Public root"), GenesysAPI()
    certificate, key = root.server(["login.mypurecloud.com", "api.mypurecloud.com"]).write(tmp_path, "platform")
    # uvloop complains of clients that were killed in the middle of a call when it ends.
    config = uvicorn.Config(
        api,
        ssl_certfile=certificate,
        ssl_keyfile=str(key),
        lifespan="off",
        log_config=None,
        ws="none",
        loop="asyncio",
    )
    running = uvicorn.Server(config)
    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
        thread.start()
        with run_tunnel(listener.getsockname()[1]) as tunnel:
            environment = {
                "HTTPS_PROXY": f"http://{HOST}:{tunnel.port}",
                "SSL_CERT_FILE": str(root.write(tmp_path / "public-root.pem")),
                "MTLS_GENESYS_CLIENT_ID": api.client_id,
                "MTLS_GENESYS_CLIENT_SECRET": api.client_secret,
            }
            yield Platform(api, environment)
        running.should_exit = True
        thread.join(TIMEOUT)


def digicert(farms: Farms, platform: Platform, name: str = "uvicorn", **more: str) -> Farm:
    """Start a server for callers of the authority ``digicert``, whose pins come from the API."""
    environment = {**platform.environment, "MTLS_AUTHORITIES": "digicert"}
    return farms(name, environment, trust=f"digicert={farms.trust}", **more)


@mostly_slow("name", ["uvicorn", "gunicorn, gthread"], kept=["gunicorn, gthread"])
def test_every_worker_sees_a_rotation_and_one_of_them_asks(
    name: str, farms: Farms, platform: Platform, pki: PKI
) -> None:
    current, upcoming = pki.region.client(), pki.region.client()
    platform.api.add(current)
    farm = digicert(farms, platform, name, refresh_seconds="2")
    farm.becomes("accepted", current)

    platform.api.add(upcoming, status="Upcoming")
    farm.becomes("accepted", upcoming)
    before, begun = platform.polls, time.monotonic()
    farm.becomes("not_pinned", pki.region.client())
    while time.monotonic() < begun + 6:
        assert set(farm.verdicts(current).values()) == {"accepted"}

    polls = platform.polls - before
    assert 2 <= polls <= 1 + (time.monotonic() - begun) / (2 * 0.9)  # one each refresh, whatever the number of workers


def test_a_start_while_the_api_is_down_serves_with_the_pins_of_the_state(
    farms: Farms, platform: Platform, pki: PKI
) -> None:
    current = pki.region.client()
    platform.api.add(current)
    farm = digicert(farms, platform)
    farm.becomes("accepted", current)
    farms.kill_all(farm)
    platform.environment["HTTPS_PROXY"] = f"http://{HOST}:{free_port()}"

    farm = digicert(farms, platform)

    assert set(farm.verdicts(current).values()) == {"accepted"}


def test_pins_that_somebody_wrote_into_the_state_are_not_believed(farms: Farms, platform: Platform, pki: PKI) -> None:
    current = pki.region.client()
    platform.api.add(current)
    farm = digicert(farms, platform)
    farm.becomes("accepted", current)
    farms.kill_all(farm)
    platform.environment["HTTPS_PROXY"] = f"http://{HOST}:{free_port()}"

    farm = digicert(farms, platform, state_secret="another-secret-of-the-state")

    assert set(farm.verdicts(current).values()) == {"trust_unavailable"}
    assert "was tampered with" in farm.server.log


def _drip(host: CRLHost) -> None:
    host.hold()


def _answer(**facts: Any) -> Callable[[CRLHost], None]:
    def act(host: CRLHost) -> None:
        good = host.answers[LIST]
        body = good if isinstance(good, bytes) else good.body
        host.answers[LIST] = Answer(**{"body": body, **facts})

    return act


CAPTIVE = b"<!DOCTYPE html><html><title>Sign in to the network</title></html>"
HOSTILE: dict[str, tuple[Callable[[CRLHost], None], str]] = {
    "captive portal": (_answer(body=CAPTIVE, headers={"Content-Type": "text/html"}), "is a web page or XML"),
    "truncated": (_answer(length=100_000), "broke off"),
    "said to be gzip": (_answer(headers={"Content-Encoding": "gzip"}), "cannot be fetched"),
    "held open": (_drip, "took too long"),
    "to a private network": (_answer(status=302, headers={"Location": "http://10.1.2.3/a.crl"}), "not public"),
    "to the metadata of a cloud": (_answer(status=302, headers={"Location": "http://169.254.169.254/"}), "not public"),
    "in circles": (_answer(status=302, headers={"Location": LIST}), "from one address to the next"),
    "gone": (_answer(status=404), "status 404"),
}


@pytest.mark.slow
def test_no_answer_of_a_hostile_host_takes_a_revocation_back_or_a_caller_out(farms: Farms, region: Region) -> None:
    client, revoked = region.pki.region.client(), region.pki.region.client()
    region.publish(revoked)
    farm = farms(crl_urls=region.host.address(LIST), revocation="require")
    farm.becomes("certificate_revoked", revoked)

    for name, (spoil, said) in HOSTILE.items():
        region.publish(revoked)
        spoil(region.host)
        asked, begun = region.host.asked[LIST], time.monotonic()
        while region.host.asked[LIST] < asked + 2 and time.monotonic() < begun + LOOKED_AT:
            assert set(farm.verdicts(client).values()) == {"accepted"}, name
            assert set(farm.verdicts(revoked).values()) == {"certificate_revoked"}, name
        while name != "held open" and said not in farm.server.log and time.monotonic() < begun + LIMIT:
            time.sleep(0.1)  # one refresh asks several times where it is led in circles
        region.host.let_go()
    told = {name: said for name, (_, said) in HOSTILE.items() if name != "held open" and said not in farm.server.log}

    assert told == {}
    region.publish(revoked, client)
    farm.becomes("certificate_revoked", client)
