"""What users feel: whole servers with real TLS, asked by a client in a process of its own."""

import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mtls_middleware.testing import KeyKind, RegionalCA
from tests.benchmarks.calls import Site
from tests.benchmarks.client import Load
from tests.benchmarks.table import Table
from tests.e2e.processes import HOST, free_port, run_server

ROUNDS = 7
REQUESTS = 800
CONNECTIONS = 80
AT_ONCE = 4
ORDER = "/actions/orders/o-1001"
BARE = "no middleware"

PROTOCOL = "mtls_middleware.servers.uvicorn:HttpToolsProtocol"


@dataclass(slots=True)
class Figures:
    """Hold what was measured of one server, for each round.

    Attributes:
        rates: requests a second, over connections that stay open.
        slowest: 99th percentile of the time of a request, seconds.
        connections: new connections a second.
    """

    rates: list[float] = field(default_factory=list)
    slowest: list[float] = field(default_factory=list)
    connections: list[float] = field(default_factory=list)


def table(rounds: int = ROUNDS) -> Table:
    """Measure servers, and describe."""
    with tempfile.TemporaryDirectory() as folder:
        return _servers(Place(Path(folder)), rounds)


class Place:
    """Hold the certificates of servers and callers, and run servers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = Site(folder, RegionalCA("us-east-1", key=KeyKind.RSA4096))
        self.trust = folder / "US-East-1.pem"
        ca = RegionalCA("server", cert_name="localhost")
        self.certificate, self.key = ca.server().write(folder, "server")
        certificate, key = self.site.client.write(folder)
        self.caller = folder / "caller.pem"
        self.caller.write_text(certificate.read_text() + key.read_text(), encoding="ascii")
        self.pids: dict[int, int] = {}

    def load(self, port: int) -> Load:
        """Return what callers with the right certificate send over TLS."""
        caller = str(self.caller)
        return Load(host=HOST, port=port, path=ORDER, requests=REQUESTS, callers=AT_ONCE, certificate=caller)

    @contextmanager
    def uvicorn(self, app: str, *more: str, tls: bool = True, **environ: str) -> Iterator[int]:
        """Run uvicorn, and give its port."""
        port = free_port()
        files = ("--ssl-certfile", self.certificate, "--ssl-keyfile", self.key, "--ssl-ca-certs", self.trust)
        secure = (*files, "--ssl-cert-reqs", 1) if tls else ()
        options = ("--host", HOST, "--port", port, "--no-access-log", "--log-level", "warning", "--http", PROTOCOL)
        argv = list(map(str, (sys.executable, "-m", "uvicorn", app, *options, *secure, *more)))
        settings = self.site.environ({"MTLS_REVOCATION": "off", **environ})
        with run_server(argv, output=self.folder / f"{port}.log", port=port, env=settings) as running:
            self.pids[port] = running.process.pid
            yield port

    @contextmanager
    def nginx(self) -> Iterator[int]:
        """Run nginx, which asks for the certificate, in front of a server that does not look at it."""
        port = free_port()
        with self.uvicorn("tests.benchmarks.applications:bare", tls=False) as behind:
            configuration = self.folder / "nginx.conf"
            configuration.write_text(_NGINX.format(place=self, port=port, behind=behind, host=HOST), encoding="ascii")
            argv: list[str | Path] = ["nginx", "-p", self.folder, "-c", configuration, "-e", self.folder / "nginx.log"]
            with run_server(argv, output=self.folder / "nginx.out", port=port):
                yield port

    @contextmanager
    def express(self) -> Iterator[int]:
        """Run Express with client-certificate-auth."""
        packages = ("express@4", "client-certificate-auth")
        subprocess.run(
            ["npm", "install", "--silent", "--prefix", str(self.folder), *packages],
            check=True,
            capture_output=True,
            timeout=120,
        )
        script = shutil.copy(Path(__file__).with_name("express.js"), self.folder)
        port = free_port()
        files = map(str, (self.key, self.certificate, self.trust))
        argv = ["node", str(script), str(port), *files, self.site.ca.cert_name]
        with run_server(argv, output=self.folder / "express.log", port=port, env={"NODE_ENV": "production"}):
            yield port


def _servers(place: Place, rounds: int) -> Table:
    figures: dict[str, Figures] = {}
    with ExitStack() as running:
        ports = {
            BARE: running.enter_context(place.uvicorn("tests.benchmarks.applications:bare")),
            "with the middleware": running.enter_context(place.uvicorn("example_app.main:app")),
            "with it, and new trust each second": running.enter_context(
                place.uvicorn("example_app.main:app", MTLS_TRUST=f"us-east-1={_changing_trust(place, running)}")
            ),
            "a naive middleware, which verifies each request": running.enter_context(
                place.uvicorn("tests.benchmarks.applications:naive", "--factory")
            ),
        }
        if shutil.which("nginx"):
            ports["nginx with `ssl_verify_client`, no middleware behind"] = running.enter_context(place.nginx())
        if shutil.which("npm"):
            ports["Express with client-certificate-auth"] = running.enter_context(place.express())
        for _ in range(rounds):
            for name in random.sample(list(ports), len(ports)):
                found = figures.setdefault(name, Figures())
                load = Load(
                    host=HOST,
                    port=ports[name],
                    path=ORDER,
                    requests=REQUESTS,
                    callers=AT_ONCE,
                    certificate=str(place.caller),
                )
                rate, slowest = ask(load)
                found.rates.append(rate)
                found.slowest.append(slowest)
                found.connections.append(ask(replace(load, requests=CONNECTIONS, reconnects=True))[0])
    bare = figures[BARE]
    return Table(
        title="Whole servers",
        text=(
            f"`example_app` on uvicorn over TLS, one process, {AT_ONCE} callers at once, who show a certificate: what "
            "it gives with the middleware and in other ways, as multiples of what it gives without any: the median of "
            "the ratios of all rounds. The 99th percentile is the time of a request over a connection that stays open."
        ),
        head=("server", "requests a second", "99th percentile", "new connections a second"),
        rows=[
            (
                name,
                _ratio(found.rates, bare.rates),
                _ratio(found.slowest, bare.slowest),
                _ratio(found.connections, bare.connections),
            )
            for name, found in figures.items()
        ],
    )


def _changing_trust(place: Place, running: ExitStack) -> Path:
    """Write another root beside the right one each second, until the servers are closed; return their folder."""
    folder = place.folder / "trust"
    folder.mkdir()
    shutil.copy(place.trust, folder)
    closed = threading.Event()

    def write() -> None:
        while not closed.wait(1):
            RegionalCA("us-east-1").write(place.folder / "next.pem").rename(folder / "next.pem")

    writer = threading.Thread(target=write)
    writer.start()
    running.callback(writer.join)
    running.callback(closed.set)
    return folder


def ask(load: Load) -> tuple[float, float]:
    """Return requests a second, and the 99th percentile in seconds."""
    said = subprocess.run(command(load), check=True, capture_output=True, text=True, timeout=180).stdout
    rate, slowest = json.loads(said)
    return rate, slowest


def command(load: Load) -> list[str]:
    """Return what runs the client."""
    return [sys.executable, "-m", "tests.benchmarks.client", load.as_argument()]


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    return f"{statistics.median(our / their for our, their in zip(ours, theirs, strict=True)):.2f}"


_NGINX = """\
daemon off;
pid {place.folder}/nginx.pid;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {place.folder};
    proxy_temp_path {place.folder};
    fastcgi_temp_path {place.folder};
    uwsgi_temp_path {place.folder};
    scgi_temp_path {place.folder};
    upstream application {{ server {host}:{behind}; keepalive 16; }}
    server {{
        listen {host}:{port} ssl;
        keepalive_requests 1000000;
        ssl_certificate {place.certificate};
        ssl_certificate_key {place.key};
        ssl_client_certificate {place.trust};
        ssl_verify_client on;
        location / {{
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://application;
        }}
    }}
}}
"""
